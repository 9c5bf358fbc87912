"""What staff may have to do: follow-ups around their due date, with what was tried by mail, telephone and letter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlmodel import Session

from registry.domain.study import BEFORE
from registry.domain.vocabularies import OperationState
from registry.storage.follow_ups import Answered, answered_columns
from registry.storage.models import (
    Answer,
    Assessment,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    PhoneAttempt,
    PhoneRequest,
    PostedLetter,
    Reminder,
    ReminderKind,
    ReminderState,
)
from registry.storage.models.base import table_of

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_contact = table_of(Contact).c
_enrolment = table_of(Enrolment).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c
_phone_attempt = table_of(PhoneAttempt).c
_phone_request = table_of(PhoneRequest).c
_posted_letter = table_of(PostedLetter).c
_reminder = table_of(Reminder).c

# SQLite takes a limited number of values in one statement.
_CHUNK = 500


@dataclass(frozen=True)
class Span:
    """Follow-ups of a site that are due from one day to another, both included, and have not closed on `today`."""

    site_id: int
    since: date
    until: date
    today: date


@dataclass(frozen=True)
class Candidate:
    """A follow-up that nobody has finished or ended yet; the rules of the domain say what is to be done."""

    follow_up: FollowUp
    operation: Operation
    patient: Patient
    contact: Contact
    enrolment: Enrolment
    answered: Answered | None


def candidates(session: Session, span: Span, *, mailed_until: date | None = None) -> list[Candidate]:
    """The unfinished follow-ups of a span in order of their due dates; costs what is due in it, by its index.

    With `mailed_until` only those that are due by then, or that an e-mail may not reach.
    """
    statement = unfinished(span)
    if mailed_until is not None:
        statement = statement.where(or_(_follow_up.due_on <= mailed_until, _may_be_out_of_reach()))
    return [_candidate(row) for row in session.execute(statement)]


def candidate(session: Session, *, site_id: int, follow_up_id: int) -> Candidate | None:
    """One follow-up of a site, finished or not; another site's is not there."""
    of_site = (_follow_up.id == follow_up_id, _patient.site_id == site_id)
    row = session.execute(_with_surroundings().where(*of_site)).first()
    return _candidate(row) if row is not None else None


def candidates_of_patient(session: Session, *, patient_id: int) -> list[Candidate]:
    """Every follow-up of a patient, finished or not."""
    of_patient = _with_surroundings().where(_follow_up.patient_id == patient_id)
    return [_candidate(row) for row in session.execute(of_patient.order_by(_follow_up.due_on, _follow_up.id))]


def unfinished(span: Span) -> Select[*tuple[Any, ...]]:
    """The statement of `candidates`: what ended a follow-up for certain is left to the database."""
    of_site = select(_patient.id).where(_patient.id == _follow_up.patient_id, _patient.site_id == span.site_id)
    is_needed = or_(
        _operation.state == OperationState.PERFORMED,
        and_(_operation.state == OperationState.PLANNED, _follow_up.timepoint == BEFORE),
    )
    return (
        _with_surroundings()
        .where(
            _follow_up.due_on >= span.since,
            _follow_up.due_on <= span.until,
            _follow_up.closes_on >= span.today,
            _follow_up.declined_on.is_(None),
            of_site.correlate(table_of(FollowUp)).exists(),
            is_needed,
            _patient.died_on.is_(None),
            _enrolment.withdrawn_on.is_(None),
            _enrolment.refused_on.is_(None),
            or_(_assessment.submitted_at.is_(None), _has_earlier_answer()),
        )
        .order_by(_follow_up.due_on, _follow_up.id)
    )


def _with_surroundings() -> Select[*tuple[Any, ...]]:
    return (
        select(FollowUp, Operation, Patient, Contact, Enrolment, *answered_columns())
        .join(Operation, _operation.id == _follow_up.operation_id)
        .join(Patient, _patient.id == _follow_up.patient_id)
        .join(Contact, _contact.patient_id == _patient.id)
        .join(Enrolment, _enrolment.patient_id == _patient.id)
        .outerjoin(Assessment, _assessment.follow_up_id == _follow_up.id)
    )


def _has_earlier_answer() -> ColumnElement[bool]:
    """Whether an answer of before the window stands: what was sent then was the form of an earlier day."""
    earlier = (
        _answer.assessment_id == _assessment.id,
        _answer.superseded_at.is_(None),
        _answer.answered_on < _follow_up.opens_on,
    )
    return select(_answer.id).where(*earlier).correlate(table_of(Assessment), table_of(FollowUp)).exists()


def _may_be_out_of_reach() -> ColumnElement[bool]:
    refused = (_reminder.follow_up_id == _follow_up.id, _reminder.state == ReminderState.REJECTED)
    return or_(
        func.coalesce(_contact.email, "") == "",
        _contact.emails_stopped_at.is_not(None),
        _contact.email_bounced_at.is_not(None),
        select(_reminder.id).where(*refused).correlate(table_of(FollowUp)).exists(),
    )


def _candidate(row: Any) -> Candidate:
    follow_up, operation, patient, contact, enrolment, *answered = row
    found = Answered(*answered) if answered[0] is not None else None
    return Candidate(follow_up, operation, patient, contact, enrolment, found)


def next_due_on(session: Session, *, site_id: int, after: date) -> date | None:
    """The due date of the next follow-up that will be asked for, found along the index of due dates."""
    of_site = select(_patient.id).where(_patient.id == _follow_up.patient_id, _patient.site_id == site_id)
    statement = (
        select(_follow_up.due_on)
        .join_from(table_of(FollowUp), table_of(Operation), _operation.id == _follow_up.operation_id)
        .join(table_of(Patient), _patient.id == _follow_up.patient_id)
        .join(table_of(Enrolment), _enrolment.patient_id == _patient.id)
        .outerjoin(table_of(Assessment), _assessment.follow_up_id == _follow_up.id)
        .where(
            _follow_up.due_on > after,
            _assessment.submitted_at.is_(None),
            _follow_up.declined_on.is_(None),
            of_site.correlate(table_of(FollowUp)).exists(),
            or_(_operation.state == OperationState.PERFORMED, _follow_up.timepoint == BEFORE),
            _operation.state.in_([OperationState.PERFORMED, OperationState.PLANNED]),
            _patient.died_on.is_(None),
            _enrolment.withdrawn_on.is_(None),
            _enrolment.refused_on.is_(None),
        )
        .order_by(_follow_up.due_on)
        .limit(1)
    )
    found: date | None = session.execute(statement).scalar()
    return found


def calls_of(session: Session, patient_ids: Sequence[int]) -> list[tuple[PhoneRequest, PhoneAttempt | None]]:
    """Every request of patients, with each call that was noted about it, in order of time."""
    found: list[tuple[PhoneRequest, PhoneAttempt | None]] = []
    for chunk in _chunks(patient_ids):
        rows = session.execute(
            select(PhoneRequest, PhoneAttempt)
            .outerjoin(PhoneAttempt, _phone_attempt.phone_request_id == _phone_request.id)
            .where(_phone_request.patient_id.in_(chunk))
            .order_by(_phone_request.requested_at, _phone_request.id, _phone_attempt.number)
        )
        found += [(request, attempt) for request, attempt in rows]
    return found


@dataclass(frozen=True)
class Mailed:
    """What became of the mails of a follow-up."""

    last_sent_at: datetime | None = None
    is_refused: bool = False
    """Whether the last one that was tried to the end was refused for good."""


def mails_of(session: Session, follow_up_ids: Sequence[int]) -> dict[int, Mailed]:
    """What became of the mails of follow-ups, for those that have any."""
    refused = func.max(_reminder.rung).filter(_reminder.state == ReminderState.REJECTED)
    taken = func.max(_reminder.rung).filter(_reminder.state == ReminderState.ACCEPTED)
    found: dict[int, Mailed] = {}
    for chunk in _chunks(follow_up_ids):
        rows = session.execute(
            select(
                _reminder.follow_up_id,
                func.max(_reminder.sent_at),
                refused > func.coalesce(taken, -1),
            )
            .where(_reminder.follow_up_id.in_(chunk), _reminder.kind == ReminderKind.LADDER)
            .group_by(_reminder.follow_up_id)
        )
        found |= {follow_up_id: Mailed(sent_at, bool(is_refused)) for follow_up_id, sent_at, is_refused in rows}
    return found


def letters_of(session: Session, follow_up_ids: Sequence[int]) -> dict[int, date]:
    """On which day the last letter about each follow-up was posted, for those that had one."""
    found: dict[int, date] = {}
    for chunk in _chunks(follow_up_ids):
        rows = session.execute(
            select(_posted_letter.follow_up_id, func.max(_posted_letter.posted_on))
            .where(_posted_letter.follow_up_id.in_(chunk))
            .group_by(_posted_letter.follow_up_id)
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
