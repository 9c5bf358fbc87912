"""The outbox: rows are claimed before anything is sent, and marked by whoever still holds the claim."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Label, Select, and_, func, literal, or_, select, update
from sqlmodel import Session

from registry.storage.follow_ups import Answered, answered_columns
from registry.storage.models import (
    Assessment,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    PhoneRequest,
    Reminder,
    ReminderKind,
    ReminderState,
)
from registry.storage.models.base import table_of

_assessment = table_of(Assessment).c
_contact = table_of(Contact).c
_enrolment = table_of(Enrolment).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c
_phone_request = table_of(PhoneRequest).c
_reminder = table_of(Reminder).c


@dataclass(frozen=True)
class Claim:
    """A row that this process may work on while it holds the fence."""

    id: int
    fence: int


@dataclass(frozen=True)
class Moment:
    """A moment of a site, and which mails may leave then; a mail that a patient waits for may leave at any."""

    now: datetime
    today: date
    admits_first: bool = True
    admits_retry: bool = True


def claim_due(session: Session, *, site_id: int, moment: Moment, lease_ends_at: datetime, limit: int) -> list[Claim]:
    """Claim up to `limit` mails of a site that are due; costs what is due, by two partial indexes."""
    of_site = select(_patient.id).where(_patient.id == _reminder.patient_id, _patient.site_id == site_id)
    due = (
        select(_reminder.id)
        .where(_is_due(moment), of_site.exists())
        .order_by(_reminder.due_on, _reminder.follow_up_id, _reminder.rung)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(
        update(Reminder)
        .where(_reminder.id.in_(due))
        .values(
            state=ReminderState.CLAIMED,
            fence=_reminder.fence + 1,
            claimed_at=moment.now,
            next_attempt_at=lease_ends_at,
        )
        .returning(_reminder.id, _reminder.fence)
    )
    return [Claim(row.id, row.fence) for row in rows]


def _is_due(moment: Moment) -> ColumnElement[bool]:
    """Planned for today or earlier, or waiting for an attempt whose time has come (or a lost claim)."""
    # Written out, not bound: a partial index serves only a condition that the planner can read.
    state = literal(ReminderState.PLANNED, _reminder.state.type, literal_execute=True)
    planned = and_(_reminder.state == state, _reminder.due_on <= moment.today, *_at_any_hour(moment.admits_first))
    waiting = and_(
        *_at_any_hour(moment.admits_retry),
        _reminder.next_attempt_at <= moment.now,
        _reminder.state.in_([ReminderState.CLAIMED, ReminderState.DEFERRED, ReminderState.UNKNOWN]),
    )
    return or_(planned, waiting)


def _at_any_hour(is_sending_hour: bool) -> tuple[ColumnElement[bool], ...]:
    return () if is_sending_hour else (_reminder.kind == ReminderKind.FRESH_LINK,)


def give_up_lost_sendings(session: Session, *, now: datetime, next_attempt_at: datetime) -> dict[int, ReminderState]:
    """Rows whose sender died during SMTP: nobody knows whether the mail was accepted; the second is the last."""
    lost = (
        update(Reminder)
        .where(_reminder.state == ReminderState.SENDING, _reminder.next_attempt_at <= now)
        .returning(_reminder.id)
    )
    last = lost.where(_reminder.failed_at.is_not(None)).values(
        state=ReminderState.REJECTED, next_attempt_at=None, failure="the sender stopped twice"
    )
    again = lost.values(
        state=ReminderState.UNKNOWN, next_attempt_at=next_attempt_at, failed_at=now, failure="the sender stopped"
    )
    rejected = {row.id: ReminderState.REJECTED for row in session.execute(last)}
    return rejected | {row.id: ReminderState.UNKNOWN for row in session.execute(again)}


def release(session: Session, claims: Sequence[Claim]) -> None:
    """Give claims back that nothing was done with."""
    for claim in claims:
        mark(session, claim, state=ReminderState.PLANNED, next_attempt_at=None)


def mark(session: Session, claim: Claim, **values: object) -> bool:
    """Write what became of a row; False when somebody else has claimed it since."""
    statement = update(Reminder).where(_reminder.id == claim.id, _reminder.fence == claim.fence)
    return bool(session.execute(statement.values(**values)).rowcount == 1)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class LadderFacts:
    """A mail among the others of its follow-up."""

    is_overtaken: bool
    """Whether a later rung has come due meanwhile, as after an outage."""
    first_sent_at: datetime | None
    last_rung: int


@dataclass(frozen=True)
class PlannedMail:
    """Everything that decides whether a mail goes out."""

    reminder: Reminder
    follow_up: FollowUp
    operation: Operation
    patient: Patient
    contact: Contact
    enrolment: Enrolment
    answered: Answered | None
    wants_call: bool
    """Whether the patient has asked to be phoned instead, and nobody has called yet."""


@dataclass(frozen=True)
class DueMail(PlannedMail):
    """A claimed mail, with what decides which words it carries."""

    ladder: LadderFacts


def due_mail(session: Session, claim: Claim, *, today: date) -> DueMail | None:
    """The facts of a claimed mail, read at the moment of sending; None when the claim was lost."""
    statement = _mails().where(_reminder.id == claim.id, _reminder.fence == claim.fence)
    # Whoever corrects the address waits until this mail's link is in the database, where it can be revoked.
    found = session.execute(statement.with_for_update(read=True, of=Contact)).first()
    if found is None:
        return None
    mail = _planned_mail(found)
    return DueMail(**vars(mail), ladder=_ladder_facts(session, mail.reminder, mail.follow_up, today=today))


def planned_mails(session: Session, *, site_id: int, until: date) -> Iterator[PlannedMail]:
    """Every mail of a site that is planned for a day up to this one, in order; costs what is planned until then."""
    state = literal(ReminderState.PLANNED, _reminder.state.type, literal_execute=True)
    planned = (_reminder.state == state, _reminder.due_on <= until, _patient.site_id == site_id)
    in_order = _mails().where(*planned).order_by(_reminder.due_on, _reminder.follow_up_id, _reminder.rung)
    return map(_planned_mail, session.execute(in_order.execution_options(yield_per=500)))


def _mails() -> Select[*tuple[Any, ...]]:
    return (
        select(Reminder, FollowUp, Operation, Patient, Contact, Enrolment, _wants_call(), *answered_columns())
        .join(FollowUp, _follow_up.id == _reminder.follow_up_id)
        .join(Operation, _operation.id == _follow_up.operation_id)
        .join(Patient, _patient.id == _reminder.patient_id)
        .join(Contact, _contact.patient_id == _patient.id)
        .join(Enrolment, _enrolment.patient_id == _patient.id)
        .outerjoin(Assessment, _assessment.follow_up_id == _follow_up.id)
    )


def _planned_mail(row: Any) -> PlannedMail:
    reminder, follow_up, operation, patient, contact, enrolment, wants_call, *answered = row
    return PlannedMail(
        reminder,
        follow_up,
        operation,
        patient,
        contact,
        enrolment,
        answered=Answered(*answered) if answered[0] is not None else None,
        wants_call=wants_call,
    )


def _wants_call() -> Label[bool]:
    of_form = (_phone_request.follow_up_id == _follow_up.id, _phone_request.closed_at.is_(None))
    return select(_phone_request.id).where(*of_form).correlate(table_of(FollowUp)).exists().label("wants_call")


def _ladder_facts(session: Session, reminder: Reminder, follow_up: FollowUp, *, today: date) -> LadderFacts:
    """The others of the same ladder; what was sent for an earlier day of the operation is another ladder."""
    is_kept = _reminder.state != ReminderState.SKIPPED
    is_of_window = _reminder.due_on >= follow_up.opens_on
    later = and_(_reminder.rung > reminder.rung, _reminder.due_on <= today, is_kept)
    row = session.execute(
        select(
            func.min(_reminder.sent_at).filter(is_of_window).label("first_sent_at"),
            func.max(_reminder.rung).filter(is_kept).label("last_rung"),
            func.count().filter(later).label("n_later"),
        ).where(_reminder.follow_up_id == follow_up.id, _reminder.kind == ReminderKind.LADDER)
    ).one()
    return LadderFacts(row.n_later > 0, row.first_sent_at, row.last_rung)


def reminders_of_patient(session: Session, *, patient_id: int) -> Sequence[tuple[Reminder, FollowUp]]:
    """Every mail of a patient, planned, sent or skipped, in order of time."""
    rows = session.execute(
        select(Reminder, FollowUp)
        .join(FollowUp, _follow_up.id == _reminder.follow_up_id)
        .where(_reminder.patient_id == patient_id)
        .order_by(_reminder.due_on, _reminder.rung)
    )
    return [(row.Reminder, row.FollowUp) for row in rows]
