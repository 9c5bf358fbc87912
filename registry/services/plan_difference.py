"""Two readings of a plan compared: what moves, what is missed or taken back, what is new, what stays as it was sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from registry.domain.ladder import SkipReason
from registry.domain.ledger import Line, RungKind
from registry.domain.manual_rungs import NoRung, WhyNot
from registry.domain.schedule import FollowUpStatus
from registry.domain.study import VisitWindow
from registry.storage.models import ReminderState


class Effect(StrEnum):
    """What a change does to a form or to one of its rungs."""

    MOVES = "moves"
    MISSED = "missed"
    STOPS = "stops"
    NEW = "new"
    ADDRESS = "address"
    LANGUAGE = "language"
    STAYS = "stays"


@dataclass(frozen=True)
class At:
    """Where a form or a rung stands: its day, and of a form the window and the status."""

    on: date
    window: VisitWindow | None = None
    status: FollowUpStatus | None = None


@dataclass(frozen=True)
class Change:
    """One effect on one form, or on one of its rungs."""

    effect: Effect
    study_id: str
    operation_id: int
    timepoint: str
    rung: RungKind | None = None
    """None for the form itself."""
    number: int | None = None
    was: At | None = None
    now: At | None = None
    why: WhyNot | None = None
    state: ReminderState | None = None
    """What became of a mail that stays as it is."""


# One that is claimed, or whose fate is unknown, is decided on anew later, and goes to the address that stands then.
_ON_THEIR_WAY = (ReminderState.PLANNED, ReminderState.CLAIMED, ReminderState.DEFERRED, ReminderState.UNKNOWN)
_NOT_SENT = (ReminderState.PLANNED, ReminderState.CLAIMED, ReminderState.DEFERRED, ReminderState.SKIPPED)
_TO_BE_DECIDED = (*_ON_THEIR_WAY, ReminderState.SKIPPED)
_ASKED_FOR = frozenset({FollowUpStatus.UPCOMING, FollowUpStatus.OPEN, FollowUpStatus.OVERDUE, FollowUpStatus.PARTIAL})
# The day of these has passed; every other reason says that nobody wants the mail any more.
_PASSED = frozenset({SkipReason.WINDOW_CLOSED, SkipReason.OVERTAKEN, NoRung.CLOSES_FIRST})


@dataclass(frozen=True)
class MailAt:
    """A mail with its day: the one on which it leaves or has left, else the one on which it was due."""

    state: ReminderState
    on: date
    reason: SkipReason | None
    language: str
    address: str | None

    @property
    def is_waiting(self) -> bool:
        """Whether it leaves as things stand."""
        return self.state in _ON_THEIR_WAY and self.reason is None

    @property
    def is_history(self) -> bool:
        """Whether it has left, or is leaving, for all that is known, and does not leave once more."""
        return self.state not in _NOT_SENT and not self.is_waiting


@dataclass(frozen=True)
class FormAt:
    """A form with its rungs."""

    study_id: str
    operation_id: int
    timepoint: str
    window: VisitWindow
    status: FollowUpStatus
    mails: Mapping[int, MailAt]
    manual: tuple[Line, ...]
    """The next call and the letter, or why there is none."""

    @property
    def at(self) -> At:
        """Where the form itself stands."""
        return At(self.window.due_on, self.window, self.status)


Plan = Mapping[tuple[int, str], FormAt]
"""Forms by operation and timepoint."""


def difference(before: Plan, after: Plan) -> list[Change]:
    """What is different, form by form; of operations that are touched also the mails that stay as they were sent."""
    found = [change for key, form in after.items() for change in _of_form(before.get(key), form)]
    touched = {change.operation_id for change in found}
    kept = [change for form in after.values() if form.operation_id in touched for change in _kept(form)]
    return [*found, *kept]


def _of_form(was: FormAt | None, now: FormAt) -> Iterator[Change]:
    about = Change(Effect.MOVES, now.study_id, now.operation_id, now.timepoint)
    yield from _of_window(about, was, now)
    for rung, mail in now.mails.items():
        of_mail = replace(about, rung=RungKind.EMAIL, number=rung + 1)
        yield from _of_mail(of_mail, was.mails.get(rung) if was else None, mail, now.status)
    for number, line in enumerate(now.manual):
        of_rung = replace(about, rung=line.kind)
        yield from _of_manual(of_rung, was.manual[number] if was else None, line, now.status)


def _of_window(about: Change, was: FormAt | None, now: FormAt) -> Iterator[Change]:
    if was is not None and was.at == now.at:
        return
    is_new = was is None or was.status == FollowUpStatus.NOT_NEEDED
    if now.status == FollowUpStatus.MISSED and (was is None or was.status != now.status):
        effect = Effect.MISSED
    elif is_new and now.status not in _ASKED_FOR:
        # Of a patient who has left or died; nobody asks for it.
        return
    elif is_new:
        effect = Effect.NEW
    else:
        effect = Effect.STOPS if now.status == FollowUpStatus.NOT_NEEDED else Effect.MOVES
    yield replace(about, effect=effect, was=was.at if was else None, now=now.at)


def _of_mail(about: Change, was: MailAt | None, now: MailAt, status: FollowUpStatus) -> Iterator[Change]:
    if now.state not in _TO_BE_DECIDED:
        return
    waited = was is not None and was.is_waiting
    about = replace(about, was=At(was.on) if was and waited else None, now=At(now.on) if now.is_waiting else None)
    if now.is_waiting:
        yield from _of_waiting(about, was if waited else None, now)
    elif waited or (was is None and now.reason in _PASSED):
        yield replace(about, effect=_lost(now.reason, status), why=now.reason)


def _of_waiting(about: Change, was: MailAt | None, now: MailAt) -> Iterator[Change]:
    if was is None:
        yield replace(about, effect=Effect.NEW)
        return
    if was.on != now.on:
        yield replace(about, effect=Effect.MOVES)
    if was.address != now.address:
        yield replace(about, effect=Effect.ADDRESS)
    if was.language != now.language:
        yield replace(about, effect=Effect.LANGUAGE)


def _of_manual(about: Change, was: Line | None, now: Line, status: FollowUpStatus) -> Iterator[Change]:
    """A call or a letter; one without a reason against it has its day."""
    was_on, on = _day(was), _day(now)
    if was_on == on:
        return
    about = replace(about, was=At(was_on) if was_on else None, now=At(on) if on else None)
    if was_on is None:
        yield replace(about, effect=Effect.NEW)
    elif on is None:
        yield replace(about, effect=_lost(now.why, status), why=now.why)
    else:
        yield replace(about, effect=Effect.MOVES)


def _day(line: Line | None) -> date | None:
    return line.on if line is not None and line.why is None else None


def _lost(why: WhyNot | None, status: FollowUpStatus) -> Effect:
    return Effect.MISSED if status == FollowUpStatus.MISSED or why in _PASSED else Effect.STOPS


def _kept(form: FormAt) -> Iterator[Change]:
    about = Change(Effect.STAYS, form.study_id, form.operation_id, form.timepoint, RungKind.EMAIL)
    for rung, mail in form.mails.items():
        if mail.is_history:
            yield replace(about, number=rung + 1, was=At(mail.on), now=At(mail.on), state=mail.state)
