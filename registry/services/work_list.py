"""What staff have to do today: forms at risk, calls, letters, and what is overdue or due soon."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlmodel import Session

from registry.domain.calendar import add_days
from registry.domain.manual_rungs import DUE_SOON_DAYS, is_baseline_at_risk, is_due_soon, is_overdue, letter_due_on
from registry.domain.study import Study
from registry.services.manual_rungs import Standing, standings
from registry.services.phone_queue import WaitingCall, longest_window, queue_among
from registry.storage.manual_rungs import Span, candidates, next_due_on
from registry.storage.models import FollowUp, Patient

MOST_ROWS = 20
"""So many rows of a section are shown; its heading tells how many there are."""


@dataclass(frozen=True)
class Task:
    """One form of one patient that staff have to see to."""

    patient: Patient
    follow_up: FollowUp
    last_contact_on: date | None


@dataclass(frozen=True)
class Section:
    """The first rows of a list, and how many there are."""

    rows: Sequence[Task]
    n_rows: int


@dataclass(frozen=True)
class WorkList:
    """The sections of the day."""

    at_risk: Section
    calls: Section
    letters: Section
    overdue: Section
    due_soon: Section
    next_due_on: date | None
    """When the next form after these is due; asked for only where nothing is to be done."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not any((self.at_risk.rows, self.calls.rows, self.letters.rows, self.overdue.rows, self.due_soon.rows))


def work_list(session: Session, *, site_id: int, study: Study, zone: ZoneInfo, today: date) -> WorkList:
    """What the staff of a site have to do today; costs what is due around today."""
    last = add_days(today, DUE_SOON_DAYS)
    span = Span(site_id, add_days(today, -longest_window(study)), last, today)
    found = standings(session, candidates(session, span), zone=zone, today=today)
    queue = queue_among(session, found, site_id=site_id, study=study, zone=zone, today=today)
    calls = [call for call in queue if call.next_call.on <= today]
    letters = [one for one in found if letter_due_on(one.facts, study.ladder, today=today)]
    # Nobody is listed twice as still to be asked: whoever is called or written to today is not waited for.
    in_hand = {call.follow_up.id for call in calls} | {one.follow_up.id for one in letters}
    waited_for = [one for one in found if one.follow_up.id not in in_hand]
    sections = (
        _section(found, lambda one: is_baseline_at_risk(one.facts, today=today)),
        _of_calls(calls, found),
        _section(letters),
        _section(waited_for, lambda one: is_overdue(one.facts, today=today)),
        _section(waited_for, lambda one: is_due_soon(one.facts, today=today)),
    )
    is_idle = not any(section.rows for section in sections)
    return WorkList(*sections, next_due_on(session, site_id=site_id, after=last) if is_idle else None)


def _section(found: Iterable[Standing], is_in: Callable[[Standing], bool] = lambda _: True) -> Section:
    rows = [Task(one.candidate.patient, one.follow_up, one.last_contact_on) for one in found if is_in(one)]
    return Section(rows[:MOST_ROWS], len(rows))


def _of_calls(calls: Sequence[WaitingCall], found: Sequence[Standing]) -> Section:
    last_contact = {one.follow_up.id: one.last_contact_on for one in found}
    rows = [Task(call.patient, call.follow_up, last_contact.get(call.follow_up.id)) for call in calls[:MOST_ROWS]]
    return Section(rows, len(calls))
