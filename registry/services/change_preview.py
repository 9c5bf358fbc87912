"""What a change does to the plan: the change itself is made, its effects are read, and it stays only if agreed to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from registry.domain.errors import RegistryError
from registry.domain.ladder import what_ended
from registry.domain.ledger import Called, call_lines, letter_line
from registry.domain.sending_hours import SendingHours
from registry.domain.study import Study
from registry.services.forecast import foreseen
from registry.services.manual_rungs import Standing, standings
from registry.services.operations import held_patient
from registry.services.plan_difference import Change, Effect, FormAt, MailAt, difference
from registry.storage.enrolments import PatientRow, patient_by_public_id
from registry.storage.manual_rungs import Candidate
from registry.storage.models import Contact, Patient, Reminder, ReminderKind, ReminderState
from registry.storage.outbox import PlannedMail

Reading = Callable[[], Sequence[PatientRow]]
"""Reads patients as they stand at that moment."""


@dataclass(frozen=True)
class Preview:
    """Everything that a change does to the plan of patients."""

    changes: tuple[Change, ...] = ()
    n_waiting: int = 0
    """How many mails are still to leave afterwards."""

    @property
    def fingerprint(self) -> str:
        """What tells this preview from any other."""
        return sha256(repr(self.changes).encode()).hexdigest()[:16]

    def of(self, effect: Effect) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.effect == effect]


class ToBeConfirmed(RegistryError):
    """A change moves the plan, and nobody has agreed to what it does; nothing of it stays."""

    def __init__(self, preview: Preview) -> None:
        super().__init__("what the change does to the plan has to be confirmed first")
        self.preview = preview


@dataclass(frozen=True)
class Basis:
    """By what a plan is read."""

    study: Study
    hours: SendingHours
    zone: ZoneInfo
    today: date


@contextmanager
def confirmed_change(session: Session, *, patient: Patient, basis: Basis, confirmed: str | None) -> Iterator[None]:
    """Let a change of a patient pass that leaves the plan alone, or does what was confirmed; refuse any other.

    Whoever opened the transaction lets the refusal out of it, which takes everything back.
    """
    _hold(session, patient.id)

    def read() -> Sequence[PatientRow]:
        row = patient_by_public_id(session, site_id=patient.site_id, public_id=patient.public_id)
        return [row] if row else []

    with effects(session, read, basis) as found:
        yield
    preview = found()
    if preview.changes and preview.fingerprint != confirmed:
        raise ToBeConfirmed(preview)


def _hold(session: Session, patient_id: int) -> None:
    """Nobody else moves the plan between the two looks; in the order in which a mail on its way takes these rows."""
    session.get_one(Contact, patient_id, with_for_update=True)
    held_patient(session, patient_id)
    mails = select(Reminder.id).where(Reminder.patient_id == patient_id)
    session.exec(mails.order_by(col(Reminder.due_on), col(Reminder.id)).with_for_update()).all()


@contextmanager
def effects(session: Session, read: Reading, basis: Basis) -> Iterator[Callable[[], Preview]]:
    """Look at the plan before and after what is done meanwhile; afterwards what is given tells the difference."""
    before = _plan(session, read(), basis)
    previews: list[Preview] = []
    yield lambda: previews[0]
    session.flush()
    # What was written by statements is not in the objects.
    session.expire_all()
    after = _plan(session, read(), basis)
    n_waiting = sum(mail.is_waiting for form in after.values() for mail in form.mails.values())
    previews.append(Preview(tuple(difference(before, after)), n_waiting))


def _plan(session: Session, rows: Sequence[PatientRow], basis: Basis) -> dict[tuple[int, str], FormAt]:
    """The forms of patients by operation and timepoint, in order of their days; a query a kind of row."""
    found = standings(session, [one for row in rows for one in _candidates(row)], zone=basis.zone, today=basis.today)
    mails = _mails(session, found, basis)
    return {
        (one.follow_up.operation_id, one.follow_up.timepoint): _form(one, mails.get(one.follow_up.id, {}), basis)
        for one in found
    }


def _candidates(row: PatientRow) -> list[Candidate]:
    operations = {operation.id: operation for operation in row.operations}
    of_patient = (row.patient, row.contact, row.enrolment)
    found = [
        Candidate(one.follow_up, operations[one.follow_up.operation_id], *of_patient, one.answered)
        for one in row.follow_ups
    ]
    return sorted(found, key=lambda one: (one.operation.id, one.follow_up.due_on, one.follow_up.id))


def _form(one: Standing, mails: dict[int, MailAt], basis: Basis) -> FormAt:
    facts, asked, ladder = one.facts, one.calls.open_request, basis.study.ladder
    # A request of somebody who left, or whose form has closed, is not in the queue any more.
    is_waiting = asked is not None and what_ended(facts.status) is None
    asked_on = asked.requested_at.astimezone(basis.zone).date() if asked and is_waiting else None
    *_, call = call_lines(facts, Called(one.calls.noted(basis.zone), asked_on), ladder, today=basis.today)
    letter = letter_line(facts, ladder, posted_on=one.letter_on, today=basis.today)
    return FormAt(
        study_id=one.candidate.patient.study_id,
        operation_id=one.follow_up.operation_id,
        timepoint=one.follow_up.timepoint,
        window=facts.window,
        status=facts.status,
        mails=mails,
        manual=(call, letter),
    )


def _mails(session: Session, found: Sequence[Standing], basis: Basis) -> dict[int, dict[int, MailAt]]:
    """The mails by follow-up and rung."""
    forms = {one.follow_up.id: one for one in found}
    patients = {one.candidate.patient.id for one in found}
    of_ladder = (col(Reminder.patient_id).in_(patients), Reminder.kind == ReminderKind.LADDER)
    in_order = (col(Reminder.due_on), col(Reminder.follow_up_id), col(Reminder.rung))
    reminders = session.exec(select(Reminder).where(*of_ladder).order_by(*in_order)).all()
    to_come = (ReminderState.PLANNED, ReminderState.DEFERRED)
    planned = [_planned(mail, forms[mail.follow_up_id]) for mail in reminders if mail.state in to_come]
    ahead = {one.mail.reminder.id: one for one in foreseen(planned, hours=basis.hours, today=basis.today)}
    by_form: dict[int, dict[int, MailAt]] = {}
    for mail in reminders:
        one, candidate = ahead.get(mail.id), forms[mail.follow_up_id].candidate
        left_on = mail.sent_at.astimezone(basis.zone).date() if mail.sent_at else mail.due_on
        on, reason = (one.leaves_on, one.reason) if one else (left_on, mail.skip_reason)
        of_form = by_form.setdefault(mail.follow_up_id, {})
        of_form[mail.rung] = MailAt(mail.state, on, reason, candidate.patient.language, candidate.contact.email)
    return by_form


def _planned(mail: Reminder, form: Standing) -> PlannedMail:
    known, wants_call = form.candidate, form.calls.open_request is not None
    of_patient = (known.patient, known.contact, known.enrolment)
    return PlannedMail(mail, known.follow_up, known.operation, *of_patient, known.answered, wants_call)
