"""Calls: asked for by patients on a form or by the ladder, noted and closed by whoever has called."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from registry.domain.actors import Actor
from registry.domain.errors import ConsentMissing, InvalidInput, Unknown
from registry.domain.manual_rungs import MOST_CALLS
from registry.domain.study import Study
from registry.domain.vocabularies import CallOrigin, CallOutcome, CallTime
from registry.services import audit
from registry.services.assessment import refuse_unless_open
from registry.services.follow_up_plan import plan_again
from registry.services.refusals import decline_follow_up
from registry.storage.forms import Form, lock_follow_up
from registry.storage.models import Contact, FollowUp, Patient, PhoneAttempt, PhoneRequest

# What a call may end with while its request stays open.
_GO_ON = (CallOutcome.NOT_REACHED, CallOutcome.CALL_BACK)
# After these no mail is wanted, or none is left to send.
_ENDS_MAILS = (CallOutcome.ANSWERED, CallOutcome.DECLINED)


@dataclass(frozen=True)
class Noted:
    """How a call ended, and what its caller knew: the calls that the page showed, the day that was agreed."""

    outcome: CallOutcome
    n_tried: int | None = None
    call_back_on: date | None = None


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


def note_ladder_call(
    session: Session, *, follow_up_id: int, noted: Noted, study: Study, today: date, by: Actor, now: datetime
) -> bool:
    """Note a call that the ladder asked for: a row of its own, and nothing stays open that could hold the mails.

    False when somebody else was quicker, as with `note_call`.
    """
    lock_follow_up(session, follow_up_id=follow_up_id)
    if (asked := _open_request(session, follow_up_id)) is not None:
        # The patient has asked for a call meanwhile: this was it.
        return note_call(session, request_id=asked.id, noted=noted, study=study, today=today, by=by, now=now)
    if noted.n_tried not in (None, _n_ladder_calls(session, follow_up_id)):
        return False
    _refuse_unfit(session, follow_up_id, noted, today)
    request = PhoneRequest(
        follow_up_id=follow_up_id,
        patient_id=session.get_one(FollowUp, follow_up_id).patient_id,
        origin=CallOrigin.LADDER,
        call_time=CallTime.ANY_TIME,
        requested_at=now,
    )
    _close(session, request, noted.outcome, by, now)
    if noted.outcome != CallOutcome.ANSWERED:
        _keep_attempt(session, request.id, 1, noted, by, now)
    if noted.outcome == CallOutcome.DECLINED:
        decline_follow_up(session, follow_up_id=follow_up_id, today=today, by=by, now=now)
    return True


def _n_ladder_calls(session: Session, follow_up_id: int) -> int:
    of_form = (col(PhoneRequest.follow_up_id) == follow_up_id, col(PhoneRequest.origin) == CallOrigin.LADDER)
    return int(session.execute(select(func.count()).select_from(PhoneRequest).where(*of_form)).scalar_one())


def note_call(
    session: Session, *, request_id: int, noted: Noted, study: Study, today: date, by: Actor, now: datetime
) -> bool:
    """Note how a call ended, and take its request out of the queue; who was not reached stays in it for three calls.

    False when somebody else was quicker: the request is closed, or more calls are noted than the caller's page showed.
    """
    lock_follow_up(session, follow_up_id=session.get_one(PhoneRequest, request_id).follow_up_id)
    request = session.get_one(PhoneRequest, request_id, with_for_update=True, populate_existing=True)
    n_before = _n_attempts(session, request_id)
    if request.closed_at is not None or noted.n_tried not in (None, n_before):
        return False
    _refuse_unfit(session, request.follow_up_id, noted, today)
    if noted.outcome != CallOutcome.ANSWERED:
        _keep_attempt(session, request_id, n_before + 1, noted, by, now)
    if noted.outcome in _GO_ON and _n_attempts(session, request_id, CallOutcome.NOT_REACHED) < MOST_CALLS:
        _record(session, "call_tried", request, by, now, outcome=noted.outcome, number=n_before + 1)
        return True
    _close(session, request, noted.outcome, by, now)
    if noted.outcome == CallOutcome.DECLINED:
        decline_follow_up(session, follow_up_id=request.follow_up_id, today=today, by=by, now=now)
    if noted.outcome not in _ENDS_MAILS:
        # Without an answer the mails of the form go on.
        plan_again(session, patient_id=request.patient_id, study=study, today=today)
    return True


def close_request(
    session: Session, *, request_id: int, outcome: CallOutcome, study: Study, today: date, by: Actor, now: datetime
) -> bool:
    """Note how a call ended about which nothing more was agreed."""
    return note_call(session, request_id=request_id, noted=Noted(outcome), study=study, today=today, by=by, now=now)


def _refuse_unfit(session: Session, follow_up_id: int, noted: Noted, today: date) -> None:
    """A day to call back is agreed while the form is open: after its close there would be nothing to call about."""
    if noted.outcome != CallOutcome.CALL_BACK:
        return
    closes_on = session.get_one(FollowUp, follow_up_id).closes_on
    if noted.call_back_on is None or not today <= noted.call_back_on <= closes_on:
        raise InvalidInput({"call_back_on": f"Agree on a day from today until the form closes on {closes_on}"})


def _close(session: Session, request: PhoneRequest, outcome: CallOutcome, by: Actor, now: datetime) -> None:
    request.closed_at, request.outcome = now, outcome
    session.add(request)
    session.flush()
    _record(session, "call_closed", request, by, now, outcome=outcome)


def _n_attempts(session: Session, request_id: int, outcome: CallOutcome | None = None) -> int:
    statement = select(func.count()).select_from(PhoneAttempt).where(col(PhoneAttempt.phone_request_id) == request_id)
    if outcome is not None:
        statement = statement.where(col(PhoneAttempt.outcome) == outcome)
    return int(session.execute(statement).scalar_one())


def _keep_attempt(session: Session, request_id: int, number: int, noted: Noted, by: Actor, now: datetime) -> None:
    session.add(
        PhoneAttempt(
            phone_request_id=request_id,
            number=number,
            called_at=now,
            called_by=by.reference,
            outcome=noted.outcome,
            call_back_on=noted.call_back_on if noted.outcome == CallOutcome.CALL_BACK else None,
        )
    )
    session.flush()


def close_open_request(
    session: Session, *, follow_up_id: int, outcome: CallOutcome, study: Study, today: date, by: Actor, now: datetime
) -> None:
    """Close the request of a form, if one is open."""
    request = _open_request(session, follow_up_id)
    if request is not None:
        close_request(session, request_id=request.id, outcome=outcome, study=study, today=today, by=by, now=now)


def request_of_site(session: Session, *, request_id: int, site_id: int) -> PhoneRequest:
    """A request by a patient of a site; another site's is not there."""
    of_site = (col(PhoneRequest.id) == request_id, col(Patient.site_id) == site_id)
    statement = select(PhoneRequest).join(Patient, col(Patient.id) == col(PhoneRequest.patient_id)).where(*of_site)
    found: PhoneRequest | None = session.execute(statement).scalar()
    if found is None:
        raise Unknown("no such request at this site")
    return found


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
