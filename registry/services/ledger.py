"""The ledger of a patient: for each form and rung the day and what became of it, or why not; derived, never stored."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from registry.domain.ladder import what_ended
from registry.domain.ledger import NO_MAIL, Became, Called, Line, RungKind, call_lines, letter_line
from registry.domain.schedule import FollowUpStatus
from registry.domain.sending_hours import SendingHours
from registry.domain.study import Ladder, Study
from registry.services.forecast import Foreseen, foreseen
from registry.services.manual_rungs import Standing, standings
from registry.storage.database import Session
from registry.storage.enrolments import PatientRow
from registry.storage.manual_rungs import candidates_of_patient
from registry.storage.models import FollowUp, Operation, Reminder, ReminderKind, ReminderState
from registry.storage.outbox import planned_mails_of_patient, reminders_of_patient


@dataclass(frozen=True)
class FormLedger:
    """The rungs of one form; without a follow-up for one whose dates come with the operation."""

    operation: Operation
    timepoint: str
    follow_up: FollowUp | None = None
    status: FollowUpStatus | None = None
    lines: Sequence[Line] = ()


@dataclass(frozen=True)
class _Basis:
    """What the lines of every form are made from."""

    ladder: Ladder
    zone: ZoneInfo
    today: date
    mails: Mapping[int, Sequence[Reminder]]
    """By follow-up, as the next."""
    foreseen: Mapping[int, Foreseen]
    """By reminder."""


def ledger(
    session: Session, *, row: PatientRow, study: Study, hours: SendingHours, zone: ZoneInfo, today: date
) -> list[FormLedger]:
    """The ledger of a patient, operation by operation in the order of the protocol; one query a kind of row."""
    patient_id = row.patient.id
    mails: dict[int, list[Reminder]] = defaultdict(list)
    for reminder, _ in reminders_of_patient(session, patient_id=patient_id):
        if reminder.kind == ReminderKind.LADDER:
            mails[reminder.follow_up_id].append(reminder)
    planned = foreseen(planned_mails_of_patient(session, patient_id=patient_id), hours=hours, today=today)
    basis = _Basis(study.ladder, zone, today, mails, {found.mail.reminder.id: found for found in planned})
    found = standings(session, candidates_of_patient(session, patient_id=patient_id), zone=zone, today=today)
    by_place = {(one.follow_up.operation_id, one.follow_up.timepoint): one for one in found}
    return [
        _form(operation, code, by_place.get((operation.id, code)), basis)
        for operation in row.operations
        for code in _codes(operation, study, found)
    ]


def _codes(operation: Operation, study: Study, found: Sequence[Standing]) -> list[str]:
    """The timepoints of the protocol, and those that an earlier one had."""
    known = [timepoint.code for timepoint in study.timepoints]
    own = [one.follow_up.timepoint for one in found if one.follow_up.operation_id == operation.id]
    return known + [code for code in own if code not in known]


def _form(operation: Operation, timepoint: str, standing: Standing | None, basis: _Basis) -> FormLedger:
    if standing is None:
        return FormLedger(operation, timepoint)
    lines = [*_email_lines(standing, basis), *_call_lines(standing, basis), _letter_line(standing, basis)]
    return FormLedger(operation, timepoint, standing.follow_up, standing.facts.status, lines)


def _email_lines(standing: Standing, basis: _Basis) -> Iterator[Line]:
    mails = basis.mails.get(standing.follow_up.id, ())
    if not mails:
        yield NO_MAIL
    for number, reminder in enumerate(mails, start=1):
        planned = basis.foreseen.get(reminder.id)
        yield _foreseen_line(planned, number) if planned else _mail_line(reminder, number, basis.zone)


def _foreseen_line(planned: Foreseen, number: int) -> Line:
    if planned.reason is None:
        return Line(RungKind.EMAIL, Became.PLANNED, planned.leaves_on, number=number)
    return Line(RungKind.EMAIL, Became.WILL_NOT, planned.mail.reminder.due_on, planned.reason, number)


_BECAME = {
    ReminderState.PLANNED: Became.PLANNED,
    ReminderState.CLAIMED: Became.LEAVING,
    ReminderState.SENDING: Became.LEAVING,
    ReminderState.DEFERRED: Became.PUT_OFF,
    ReminderState.UNKNOWN: Became.UNKNOWN,
    ReminderState.ACCEPTED: Became.SENT,
    ReminderState.REJECTED: Became.REFUSED,
    ReminderState.BOUNCED: Became.CAME_BACK,
    ReminderState.SKIPPED: Became.NOT_SENT,
}


def _mail_line(reminder: Reminder, number: int, zone: ZoneInfo) -> Line:
    """What became of a mail, on the day of the last thing that happened to it."""
    instant = reminder.bounced_at or reminder.sent_at or reminder.failed_at
    day = instant.astimezone(zone).date() if instant else reminder.due_on
    said = reminder.failure if reminder.state not in (ReminderState.ACCEPTED, ReminderState.SKIPPED) else ""
    return Line(RungKind.EMAIL, _BECAME[reminder.state], day, reminder.skip_reason, number, said=said)


def _call_lines(standing: Standing, basis: _Basis) -> Iterator[Line]:
    asked = standing.calls.open_request
    # A request of somebody who left, or whose form has closed, is not in the queue any more.
    is_waiting = asked is not None and what_ended(standing.facts.status) is None
    asked_on = asked.requested_at.astimezone(basis.zone).date() if asked and is_waiting else None
    called = Called(standing.calls.noted(basis.zone), asked_on)
    return call_lines(standing.facts, called, basis.ladder, today=basis.today)


def _letter_line(standing: Standing, basis: _Basis) -> Line:
    return letter_line(standing.facts, basis.ladder, posted_on=standing.letter_on, today=basis.today)
