"""What a change does to the plan: the change itself is made, its effects are read, and it stays only if agreed to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from registry.domain.errors import RegistryError
from registry.domain.ladder import SkipReason, what_ended
from registry.domain.ledger import Called, call_lines, letter_line
from registry.domain.sending_hours import SendingHours
from registry.domain.study import Study
from registry.services.forecast import Foreseen, foreseen
from registry.services.manual_rungs import Standing, standings
from registry.services.operations import held_patient
from registry.services.outbox import reason_on
from registry.services.plan_difference import Change, Effect, FormAt, MailAt, difference
from registry.storage.enrolments import PatientRow, patient_by_public_id
from registry.storage.manual_rungs import Candidate
from registry.storage.models import Contact, Operation, Patient, Reminder, ReminderKind, ReminderState
from registry.storage.outbox import PlannedMail

Reading = Callable[[], Sequence[PatientRow]]
"""Reads patients as they stand at that moment."""


@dataclass(frozen=True)
class Preview:
    """Everything that a change does to the plan of patients."""

    changes: tuple[Change, ...] = ()
    n_waiting: int = 0
    """How many mails are still to leave afterwards."""
    standing: str = ""
    """A mark of what the change is written over; none where no person types it."""

    @property
    def fingerprint(self) -> str:
        """What tells this preview from any other."""
        return _digest((self.changes, self.standing))[:16]

    def of(self, effect: Effect) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.effect == effect]


def _digest(values: object) -> str:
    return sha256(repr(values).encode()).hexdigest()


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

    What was confirmed while something else stood is refused as well: it would undo what somebody saved meanwhile.
    Whoever opened the transaction lets the refusal out of it, which takes everything back.
    """
    _hold(session, patient.id)
    standing = _standing(session, patient.id)

    def read() -> Sequence[PatientRow]:
        row = patient_by_public_id(session, site_id=patient.site_id, public_id=patient.public_id)
        return [row] if row else []

    with effects(session, read, basis) as found:
        yield
    preview = replace(found(), standing=standing)
    # The second press of a button writes what stands already.
    overwrites = confirmed is not None and _standing(session, patient.id) != standing
    if preview.fingerprint != confirmed and (preview.changes or overwrites):
        raise ToBeConfirmed(preview)


def _hold(session: Session, patient_id: int) -> None:
    """Nobody else moves the plan between the two looks; in the order in which a mail on its way takes these rows."""
    session.get_one(Contact, patient_id, with_for_update=True)
    held_patient(session, patient_id)
    mails = select(Reminder.id).where(Reminder.patient_id == patient_id)
    session.exec(mails.order_by(col(Reminder.due_on), col(Reminder.id)).with_for_update()).all()


def _standing(session: Session, patient_id: int) -> str:
    """A mark of everything that a change is written over; one for all, which tells nothing of any value."""
    of_patient = (
        select(Contact).where(Contact.patient_id == patient_id),
        select(Patient).where(Patient.id == patient_id),
        select(Operation).where(Operation.patient_id == patient_id).order_by(col(Operation.id)),
    )
    return _digest([row.model_dump() for rows in of_patient for row in session.exec(rows)])


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


_TO_COME = (ReminderState.PLANNED, ReminderState.DEFERRED)
# Not known to have left: once their time is over they are decided on anew, by what stands then.
_TAKEN_UP_AGAIN = (ReminderState.CLAIMED, ReminderState.UNKNOWN)


def _mails(session: Session, found: Sequence[Standing], basis: Basis) -> dict[int, dict[int, MailAt]]:
    """The mails by follow-up and rung."""
    forms = {one.follow_up.id: one for one in found}
    patients = {one.candidate.patient.id for one in found}
    of_ladder = (col(Reminder.patient_id).in_(patients), Reminder.kind == ReminderKind.LADDER)
    in_order = (col(Reminder.due_on), col(Reminder.follow_up_id), col(Reminder.rung))
    reminders = session.exec(select(Reminder).where(*of_ladder).order_by(*in_order)).all()
    ahead = _ahead(reminders, forms, basis)
    by_form: dict[int, dict[int, MailAt]] = {}
    for mail in reminders:
        one, candidate = ahead.get(mail.id), forms[mail.follow_up_id].candidate
        left_on = mail.sent_at.astimezone(basis.zone).date() if mail.sent_at else mail.due_on
        on = one.leaves_on if one and one.reason is None else left_on
        reason = one.reason if one else mail.skip_reason
        of_form = by_form.setdefault(mail.follow_up_id, {})
        of_form[mail.rung] = MailAt(mail.state, on, reason, candidate.patient.language, candidate.contact.email)
    return by_form


def _ahead(reminders: Sequence[Reminder], forms: Mapping[int, Standing], basis: Basis) -> dict[int, Foreseen]:
    """What becomes of the mails that may leave, for the first time or once more."""
    planned = [_planned(mail, forms[mail.follow_up_id]) for mail in reminders if mail.state in _TO_COME]
    again = [_planned(mail, forms[mail.follow_up_id]) for mail in reminders if mail.state in _TAKEN_UP_AGAIN]
    ahead = [
        *foreseen(planned, hours=basis.hours, today=basis.today),
        *(_taken_up_again(one, reminders, basis) for one in again),
    ]
    return {one.mail.reminder.id: one for one in ahead}


def _taken_up_again(mail: PlannedMail, reminders: Sequence[Reminder], basis: Basis) -> Foreseen:
    reminder = mail.reminder
    at = reminder.next_attempt_at
    on = max(at.astimezone(basis.zone).date(), basis.today) if at else basis.today
    kept = [
        one for one in reminders if one.follow_up_id == reminder.follow_up_id and one.state != ReminderState.SKIPPED
    ]
    is_overtaken = any(one.rung > reminder.rung and one.due_on <= on for one in kept)
    return Foreseen(mail, on, reason_on(mail, on) or (SkipReason.OVERTAKEN if is_overtaken else None))


def _planned(mail: Reminder, form: Standing) -> PlannedMail:
    known, wants_call = form.candidate, form.calls.open_request is not None
    of_patient = (known.patient, known.contact, known.enrolment)
    return PlannedMail(mail, known.follow_up, known.operation, *of_patient, known.answered, wants_call)
