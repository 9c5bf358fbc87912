"""The outbox: rows are claimed before anything is sent, and marked by whoever still holds the claim."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Label,
    Select,
    and_,
    bindparam,
    case,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlmodel import Session

from registry.storage.database import Rows
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
from registry.storage.prepared import Prepared

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


def _state_is(state: ReminderState) -> ColumnElement[bool]:
    # Written out, not bound: a partial index serves only a condition that the planner can read.
    return _reminder.state == literal_column(f"'{state}'")


def _claiming(is_due: ColumnElement[bool], is_admitted: str) -> Prepared:
    """Claim the rows of a site that are due in one way, in the order of their days."""
    of_site = select(_patient.id).where(_patient.id == _reminder.patient_id, _patient.site_id == bindparam("of_site"))
    at_any_hour = _reminder.kind == literal_column(f"'{ReminderKind.FRESH_LINK}'")
    due = (
        select(_reminder.id)
        .where(is_due, or_(bindparam(is_admitted, type_=Boolean()), at_any_hour), of_site.exists())
        .order_by(_reminder.due_on, _reminder.follow_up_id, _reminder.rung)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )
    claimed = {"state": literal_column(f"'{ReminderState.CLAIMED}'"), "fence": _reminder.fence + literal_column("1")}
    return Prepared(
        update(table_of(Reminder))
        .where(_reminder.id.in_(due))
        .values(**claimed)
        .returning(_reminder.id, _reminder.fence, _reminder.due_on, _reminder.follow_up_id, _reminder.rung)
    )


_CLAIM_PLANNED = _claiming(
    and_(_state_is(ReminderState.PLANNED), _reminder.due_on <= bindparam("today")), "admits_first"
)
_CLAIM_WAITING = _claiming(
    and_(
        _reminder.next_attempt_at <= bindparam("now"),
        or_(*map(_state_is, (ReminderState.CLAIMED, ReminderState.DEFERRED, ReminderState.UNKNOWN))),
    ),
    "admits_retry",
)


def claim_due(rows: Rows, *, site_id: int, moment: Moment, lease_ends_at: datetime, limit: int) -> list[Claim]:
    """Claim up to `limit` mails of a site that are due; costs what is due, by two partial indexes."""
    claimed = {"of_site": site_id, "claimed_at": moment.now, "next_attempt_at": lease_ends_at}
    waiting = {"now": moment.now, "admits_retry": moment.admits_retry, "most": limit}
    found = [*_CLAIM_WAITING.all(rows, claimed | waiting)]
    # Those that wait for another attempt are few, and have been due for longest.
    if len(found) < limit:
        planned = {"today": moment.today, "admits_first": moment.admits_first, "most": limit - len(found)}
        found += _CLAIM_PLANNED.all(rows, claimed | planned)
    in_order = sorted(found, key=lambda row: (row.due_on, row.follow_up_id, row.rung))
    return [Claim(row.id, row.fence) for row in in_order]


_LOST = (_state_is(ReminderState.SENDING), _reminder.next_attempt_at <= bindparam("now"))
_LOST_AGAIN = Prepared(
    update(table_of(Reminder)).where(*_LOST, _reminder.failed_at.is_not(None)).returning(_reminder.id)
)
_LOST_ONCE = Prepared(update(table_of(Reminder)).where(*_LOST).returning(_reminder.id))


def give_up_lost_sendings(rows: Rows, *, now: datetime, next_attempt_at: datetime) -> dict[int, ReminderState]:
    """Rows whose sender died during SMTP: nobody knows whether the mail was accepted; the second is the last."""
    last = {"state": ReminderState.REJECTED, "next_attempt_at": None, "failure": "the sender stopped twice"}
    again = {"state": ReminderState.UNKNOWN, "next_attempt_at": next_attempt_at, "failed_at": now}
    rejected = {row.id: ReminderState.REJECTED for row in _LOST_AGAIN.all(rows, {"now": now, **last})}
    unknown = _LOST_ONCE.all(rows, {"now": now, **again, "failure": "the sender stopped"})
    return rejected | {row.id: ReminderState.UNKNOWN for row in unknown}


IS_HELD = (_reminder.id == bindparam("claimed_id"), _reminder.fence == bindparam("held"))
_MARK = Prepared(update(table_of(Reminder)).where(*IS_HELD))
_WAS_TRIED = _reminder.n_attempts > literal_column("0")
_RELEASE = Prepared(
    update(table_of(Reminder))
    .where(*IS_HELD)
    .values(
        state=case(
            (and_(_reminder.failed_at.is_not(None), _WAS_TRIED), literal_column(f"'{ReminderState.UNKNOWN}'")),
            (_WAS_TRIED, literal_column(f"'{ReminderState.DEFERRED}'")),
            else_=literal_column(f"'{ReminderState.PLANNED}'"),
        ),
        next_attempt_at=case((_WAS_TRIED, bindparam("now", type_=_reminder.next_attempt_at.type)), else_=None),
    )
)


def release(rows: Rows, claims: Iterable[Claim], *, now: datetime) -> None:
    """Give claims back that nothing was done with: each is again what it was, and due."""
    for claim in claims:
        _RELEASE.run(rows, {"claimed_id": claim.id, "held": claim.fence, "now": now})


def mark(rows: Rows, claim: Claim, **values: object) -> bool:
    """Write what became of a row; False when somebody else has claimed it since."""
    return bool(_MARK.count(rows, {"claimed_id": claim.id, "held": claim.fence, **values}))


def mark_each(rows: Rows, values: Mapping[Claim, Mapping[str, object]]) -> None:
    """Write the same columns of several rows; one that somebody else has claimed since stays as it is."""
    _MARK.run_each(rows, [{"claimed_id": claim.id, "held": claim.fence, **each} for claim, each in values.items()])


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


def planned_mails(session: Session, *, site_id: int, until: date) -> Iterator[PlannedMail]:
    """Every mail of a site that is planned for a day up to this one, in order; costs what is planned until then."""
    state = literal(ReminderState.PLANNED, _reminder.state.type, literal_execute=True)
    planned = (_reminder.state == state, _reminder.due_on <= until, _patient.site_id == site_id)
    in_order = _mails().where(*planned).order_by(_reminder.due_on, _reminder.follow_up_id, _reminder.rung)
    # Closed by whoever stops before the end: PostgreSQL keeps a cursor open behind it.
    with session.execute(in_order.execution_options(yield_per=500)) as rows:
        yield from map(_planned_mail, rows)


def planned_mails_of_patient(session: Session, *, patient_id: int) -> list[PlannedMail]:
    """Every mail of a patient's ladders that is still planned, in order."""
    planned = (_reminder.patient_id == patient_id, _state_is(ReminderState.PLANNED))
    of_ladder = _mails().where(*planned, _reminder.kind == ReminderKind.LADDER)
    rows = session.execute(of_ladder.order_by(_reminder.due_on, _reminder.follow_up_id, _reminder.rung))
    return [_planned_mail(row) for row in rows]


def _mails() -> Select[*tuple[Any, ...]]:
    return (
        select(Reminder, FollowUp, Operation, Patient, Contact, Enrolment, wants_call_column(), *answered_columns())
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


def wants_call_column() -> Label[bool]:
    """Whether the patient of a follow-up has asked to be phoned instead, and nobody has called yet."""
    of_form = (_phone_request.follow_up_id == _follow_up.id, _phone_request.closed_at.is_(None))
    return select(_phone_request.id).where(*of_form).correlate(table_of(FollowUp)).exists().label("wants_call")


def reminders_of_patient(session: Session, *, patient_id: int) -> Sequence[tuple[Reminder, FollowUp]]:
    """Every mail of a patient, planned, sent or skipped, in order of time."""
    rows = session.execute(
        select(Reminder, FollowUp)
        .join(FollowUp, _follow_up.id == _reminder.follow_up_id)
        .where(_reminder.patient_id == patient_id)
        .order_by(_reminder.due_on, _reminder.rung)
    )
    return [(row.Reminder, row.FollowUp) for row in rows]
