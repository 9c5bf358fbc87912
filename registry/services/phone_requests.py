"""Patients who would rather be phoned: asked for on a form, closed by whoever has called."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, ScalarSelect, func, select
from sqlmodel import Session, col

from registry.domain.actors import Actor
from registry.domain.errors import ConsentMissing, Unknown
from registry.domain.study import Study
from registry.domain.vocabularies import CallOutcome, CallTime
from registry.services import audit
from registry.services.assessment import refuse_unless_open
from registry.services.follow_up_plan import plan_again
from registry.storage.forms import Form
from registry.storage.models import Assessment, Contact, Enrolment, FollowUp, Patient, PhoneAttempt, PhoneRequest

MOST_CALLS = 3
"""After so many calls that reached nobody a request leaves the queue."""


def ask_for_call(session: Session, *, form: Form, call_time: CallTime, today: date, by: Actor, now: datetime) -> None:
    """Put a form into the phone queue, locked and opened in this transaction; asking again changes the time of day."""
    refuse_unless_open(form, today)
    if form.has_refused:
        raise ConsentMissing("the patient does not take part, and nobody calls")
    request = _open_request(session, form.follow_up_id)
    if request is None:
        request = PhoneRequest(
            follow_up_id=form.follow_up_id, patient_id=form.patient_id, call_time=call_time, requested_at=now
        )
    elif request.call_time == call_time:
        return
    request.call_time = call_time
    session.add(request)
    session.flush()
    _record(session, "call_asked", request, by, now, call_time=call_time)


def close_request(
    session: Session,
    *,
    request_id: int,
    outcome: CallOutcome,
    study: Study,
    today: date,
    by: Actor,
    now: datetime,
    n_tried: int | None = None,
) -> bool:
    """Note how a call ended, and take its request out of the queue; who was not reached stays in it for three calls.

    False when somebody else was quicker: the request is closed, or more calls are noted than `n_tried`.
    """
    request = session.get_one(PhoneRequest, request_id, with_for_update=True, populate_existing=True)
    n_before = _n_attempts(session, request_id)
    if request.closed_at is not None or n_tried not in (None, n_before):
        return False
    if outcome != CallOutcome.ANSWERED:
        _keep_attempt(session, request_id, n_before + 1, outcome, by, now)
    if outcome == CallOutcome.NOT_REACHED and n_before + 1 < MOST_CALLS:
        _record(session, "call_tried", request, by, now, outcome=outcome, number=n_before + 1)
        return True
    request.closed_at, request.outcome = now, outcome
    session.add(request)
    session.flush()
    _record(session, "call_closed", request, by, now, outcome=outcome)
    if outcome != CallOutcome.ANSWERED:
        # Without an answer the mails of the form go on.
        plan_again(session, patient_id=request.patient_id, study=study, today=today)
    return True


def _n_attempts(session: Session, request_id: int) -> int:
    statement = select(func.count()).select_from(PhoneAttempt).where(col(PhoneAttempt.phone_request_id) == request_id)
    return int(session.execute(statement).scalar_one())


def _keep_attempt(
    session: Session, request_id: int, number: int, outcome: CallOutcome, by: Actor, now: datetime
) -> None:
    session.add(
        PhoneAttempt(phone_request_id=request_id, number=number, called_at=now, called_by=by.reference, outcome=outcome)
    )
    session.flush()


def close_open_request(
    session: Session, *, follow_up_id: int, outcome: CallOutcome, study: Study, today: date, by: Actor, now: datetime
) -> None:
    """Close the request of a form, if one is open."""
    request = _open_request(session, follow_up_id)
    if request is not None:
        close_request(session, request_id=request.id, outcome=outcome, study=study, today=today, by=by, now=now)


@dataclass(frozen=True)
class WaitingCall:
    """A request in the queue: whom to call, about which form, and whether it was answered meanwhile."""

    request: PhoneRequest
    patient: Patient
    contact: Contact
    follow_up: FollowUp
    is_answered: bool
    n_attempts: int
    last_attempt_at: datetime | None
    """How often nobody was reached, and when last."""


def calls_waiting(session: Session, *, site_id: int) -> list[WaitingCall]:
    """The open requests of a site, the oldest first; nobody who left, died or refused is called."""
    n_attempts, last_attempt_at = _attempt_columns()
    rows = session.execute(
        select(
            PhoneRequest,
            Patient,
            Contact,
            FollowUp,
            col(Assessment.submitted_at).is_not(None),
            n_attempts,
            last_attempt_at,
        )
        .join(Patient, col(Patient.id) == col(PhoneRequest.patient_id))
        .join(Enrolment, col(Enrolment.patient_id) == col(Patient.id))
        .join(Contact, col(Contact.patient_id) == col(Patient.id))
        .join(FollowUp, col(FollowUp.id) == col(PhoneRequest.follow_up_id))
        .outerjoin(Assessment, col(Assessment.follow_up_id) == col(FollowUp.id))
        .where(*_waiting(site_id))
        .order_by(col(PhoneRequest.requested_at), col(PhoneRequest.id))
    )
    return [WaitingCall(*row) for row in rows]


def _attempt_columns() -> tuple[ScalarSelect[int], ScalarSelect[datetime]]:
    """How many calls about a request were noted, and when the last one was."""
    of_request = col(PhoneAttempt.phone_request_id) == col(PhoneRequest.id)
    counted = select(func.count()).select_from(PhoneAttempt).where(of_request)
    last = select(func.max(col(PhoneAttempt.called_at))).where(of_request)
    return (
        counted.correlate(PhoneRequest).scalar_subquery(),
        last.correlate(PhoneRequest).scalar_subquery(),
    )


def n_calls_waiting(session: Session, *, site_id: int) -> int:
    """How many requests are in the queue; costs the open ones, by their own index."""
    statement = (
        select(func.count())
        .select_from(PhoneRequest)
        .join(Patient, col(Patient.id) == col(PhoneRequest.patient_id))
        .join(Enrolment, col(Enrolment.patient_id) == col(Patient.id))
        .where(*_waiting(site_id))
    )
    return int(session.execute(statement).scalar_one())


def request_of_site(session: Session, *, request_id: int, site_id: int) -> PhoneRequest:
    """A request by a patient of a site; another site's is not there."""
    of_site = (col(PhoneRequest.id) == request_id, col(Patient.site_id) == site_id)
    statement = select(PhoneRequest).join(Patient, col(Patient.id) == col(PhoneRequest.patient_id)).where(*of_site)
    found: PhoneRequest | None = session.execute(statement).scalar()
    if found is None:
        raise Unknown("no such request at this site")
    return found


def _waiting(site_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        col(PhoneRequest.closed_at).is_(None),
        col(Patient.site_id) == site_id,
        col(Patient.died_on).is_(None),
        col(Enrolment.withdrawn_on).is_(None),
        col(Enrolment.refused_on).is_(None),
    )


def has_telephone(session: Session, *, patient_id: int) -> bool:
    """Whether the hospital has a number to call."""
    return bool(session.get_one(Contact, patient_id).phone)


def _open_request(session: Session, follow_up_id: int) -> PhoneRequest | None:
    """The open request of a form, held: one that staff close at this moment is open no more."""
    of_form = (col(PhoneRequest.follow_up_id) == follow_up_id, col(PhoneRequest.closed_at).is_(None))
    held = select(PhoneRequest).where(*of_form).with_for_update().execution_options(populate_existing=True)
    found: PhoneRequest | None = session.execute(held).scalar()
    return found


def _record(
    session: Session, action: str, request: PhoneRequest, by: Actor, now: datetime, **details: audit.Detail
) -> None:
    audit.record(session, action=action, subject="phone_request", subject_id=request.id, by=by, now=now, **details)
