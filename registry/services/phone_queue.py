"""The phone queue: patients who asked for a call, and those whom the ladder calls because no mail brought an answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from registry.domain.calendar import add_days
from registry.domain.manual_rungs import NextCall, NotedCall, call_due_on, is_hidden, next_call
from registry.domain.schedule import FollowUpStatus
from registry.domain.study import Study
from registry.domain.vocabularies import CallOrigin, CallOutcome, CallTime
from registry.services.manual_rungs import Standing, by_follow_up, standings
from registry.storage.manual_rungs import Span, calls_of, candidates
from registry.storage.models import Assessment, Contact, Enrolment, FollowUp, Patient, PhoneRequest


@dataclass(frozen=True)
class WaitingCall:
    """Whom to call, about which form, when next, and whether it was answered meanwhile."""

    request: PhoneRequest | None
    """None for one of the ladder, which is noted when it is over."""
    patient: Patient
    contact: Contact
    follow_up: FollowUp
    origin: CallOrigin
    waiting_since: datetime | None
    """When the patient asked; the ladder asks from a day on."""
    next_call: NextCall
    is_answered: bool = False
    is_begun: bool = False
    can_be_mailed: bool = True
    n_attempts: int = 0
    n_not_reached: int = 0
    last_attempt_at: datetime | None = None

    @property
    def order(self) -> tuple[date, int, str]:
        """What is due first comes first; of one day the morning, and then by study ID."""
        return self.next_call.on, list(CallTime).index(self.next_call.time), self.patient.study_id


def longest_window(study: Study) -> int:
    """For how many days after its due date a form of this protocol may be open."""
    return max((timepoint.closes_days_after for timepoint in study.timepoints), default=0)


def calls_waiting(session: Session, *, site_id: int, study: Study, zone: ZoneInfo, today: date) -> list[WaitingCall]:
    """The queue of a site, what is due first before the rest; a call put off to a later day is not in it yet."""
    span = Span(site_id, add_days(today, -longest_window(study)), today, today)
    mailed_until = add_days(today, -study.ladder.phone_after_days)
    found = standings(session, candidates(session, span, mailed_until=mailed_until), zone=zone, today=today)
    return queue_among(session, found, site_id=site_id, study=study, zone=zone, today=today)


def queue_among(
    session: Session, found: Sequence[Standing], *, site_id: int, study: Study, zone: ZoneInfo, today: date
) -> list[WaitingCall]:
    """The queue of a site, of whose forms it is known how they stand."""
    calls = [*_asked_for(session, site_id, zone, today), *_ladder_calls(found, study, zone, today)]
    return sorted(calls, key=lambda call: call.order)


def n_calls_waiting(session: Session, *, site_id: int, study: Study, zone: ZoneInfo, today: date) -> int:
    """How many calls are in the queue; costs what is due, not what exists."""
    return len(calls_waiting(session, site_id=site_id, study=study, zone=zone, today=today))


def _ladder_calls(found: Sequence[Standing], study: Study, zone: ZoneInfo, today: date) -> Iterator[WaitingCall]:
    """The calls that the ladder asks for, without those of patients who have asked themselves."""
    for standing in found:
        due_on = call_due_on(standing.facts, study.ladder, today=today)
        last = standing.calls.last(zone)
        if due_on is None or standing.calls.open_request is not None or is_hidden(last, today=today):
            continue
        yield _of_ladder(standing, due_on, last)


def _of_ladder(standing: Standing, due_on: date, last: NotedCall | None) -> WaitingCall:
    return WaitingCall(
        request=None,
        patient=standing.candidate.patient,
        contact=standing.candidate.contact,
        follow_up=standing.follow_up,
        origin=CallOrigin.LADDER,
        waiting_since=None,
        next_call=next_call(due_on=due_on, wish=CallTime.ANY_TIME, last=last),
        is_begun=standing.facts.status == FollowUpStatus.PARTIAL,
        can_be_mailed=standing.facts.can_be_mailed,
        n_attempts=standing.n_ladder_calls,
        n_not_reached=standing.facts.n_not_reached,
        last_attempt_at=last.called_at if last else None,
    )


def _asked_for(session: Session, site_id: int, zone: ZoneInfo, today: date) -> Iterator[WaitingCall]:
    """The open requests that patients have made; nobody who left, died or refused is called."""
    rows = session.execute(
        select(PhoneRequest, Patient, Contact, FollowUp, col(Assessment.submitted_at).is_not(None))
        .join(Patient, col(Patient.id) == col(PhoneRequest.patient_id))
        .join(Enrolment, col(Enrolment.patient_id) == col(Patient.id))
        .join(Contact, col(Contact.patient_id) == col(Patient.id))
        .join(FollowUp, col(FollowUp.id) == col(PhoneRequest.follow_up_id))
        .outerjoin(Assessment, col(Assessment.follow_up_id) == col(FollowUp.id))
        .where(
            col(PhoneRequest.closed_at).is_(None),
            col(PhoneRequest.origin) == CallOrigin.PATIENT,
            col(Patient.site_id) == site_id,
            col(Patient.died_on).is_(None),
            col(Enrolment.withdrawn_on).is_(None),
            col(Enrolment.refused_on).is_(None),
            col(FollowUp.declined_on).is_(None),
        )
    ).all()
    noted = by_follow_up(calls_of(session, [patient.id for _, patient, *_ in rows]))
    for request, patient, contact, follow_up, is_answered in rows:
        calls = noted[follow_up.id].about(request)
        last = calls.last(zone)
        if is_hidden(last, today=today) and not is_answered:
            continue
        asked_at = request.requested_at.astimezone(zone)
        yield WaitingCall(
            request,
            patient,
            contact,
            follow_up,
            CallOrigin.PATIENT,
            asked_at,
            next_call(due_on=asked_at.date(), wish=request.call_time, last=last),
            is_answered=is_answered,
            n_attempts=len(calls.attempts),
            n_not_reached=sum(found.outcome == CallOutcome.NOT_REACHED for found in calls.attempts),
            last_attempt_at=last.called_at if last else None,
        )
