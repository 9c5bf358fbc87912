"""How forms stand around their due dates: the facts from which the rules say whom staff call and write to."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from registry.domain.manual_rungs import NotedCall, RungFacts
from registry.domain.schedule import status_of
from registry.domain.vocabularies import CallOrigin, CallOutcome
from registry.services.follow_up_facts import facts_of
from registry.storage.database import Session
from registry.storage.manual_rungs import Candidate, Mailed, calls_of, letters_of, mails_of
from registry.storage.models import FollowUp, PhoneAttempt, PhoneRequest


@dataclass(frozen=True)
class Calls:
    """The requests about one form, with the calls that were noted about each."""

    requests: Sequence[PhoneRequest] = ()
    attempts: Sequence[PhoneAttempt] = ()

    @property
    def open_request(self) -> PhoneRequest | None:
        """The request of the patient that somebody still works on; calls of the ladder are over when they are noted."""
        return next((request for request in self.requests if request.closed_at is None), None)

    @property
    def n_of_ladder(self) -> int:
        """How many calls of the ladder were noted."""
        return sum(request.origin == CallOrigin.LADDER for request in self.requests)

    @property
    def n_not_reached(self) -> int:
        """How many calls reached nobody."""
        return sum(attempt.outcome == CallOutcome.NOT_REACHED for attempt in self.attempts)

    def about(self, request: PhoneRequest) -> "Calls":
        """The calls of one request alone."""
        return Calls((request,), [found for found in self.attempts if found.phone_request_id == request.id])

    def last(self, zone: ZoneInfo) -> NotedCall | None:
        """The last call, on the clock of the hospital."""
        found = max(self.attempts, key=lambda attempt: attempt.called_at, default=None)
        return _noted(found, zone) if found else None

    def noted(self, zone: ZoneInfo) -> list[NotedCall]:
        """Every call in order of time, those included that ended with what the patient had to say."""
        answered = [
            NotedCall(request.closed_at.astimezone(zone), request.outcome)
            for request in self.requests
            if request.closed_at is not None and request.outcome == CallOutcome.ANSWERED
        ]
        return sorted([*(_noted(found, zone) for found in self.attempts), *answered], key=lambda call: call.called_at)


def _noted(attempt: PhoneAttempt, zone: ZoneInfo) -> NotedCall:
    return NotedCall(attempt.called_at.astimezone(zone), attempt.outcome, attempt.call_back_on)


@dataclass(frozen=True)
class Standing:
    """A form with what decides about it, and who was last in touch with the patient about it."""

    candidate: Candidate
    facts: RungFacts
    calls: Calls
    """Those of this window."""
    n_ladder_calls: int
    """How many were noted in all, for whoever notes the next."""
    last_contact_on: date | None
    letter_on: date | None
    """When a letter of this window was posted."""

    @property
    def follow_up(self) -> FollowUp:
        """The form's row."""
        return self.candidate.follow_up


@dataclass
class _Tried:
    """Everything that was tried for several forms and patients, each fetched by one query."""

    zone: ZoneInfo
    mails: Mapping[int, Mailed]
    letters: Mapping[int, date]
    calls: Mapping[int, Calls]
    """By follow-up."""
    wants_no_calls: set[int] = field(default_factory=set)
    """Patients."""


def standings(session: Session, found: Sequence[Candidate], *, zone: ZoneInfo, today: date) -> list[Standing]:
    """How forms stand, in their order; four queries for all of them."""
    follow_up_ids = [candidate.follow_up.id for candidate in found]
    rows = calls_of(session, sorted({candidate.patient.id for candidate in found}))
    tried = _Tried(
        zone,
        mails_of(session, follow_up_ids),
        letters_of(session, follow_up_ids),
        by_follow_up(rows),
        _refusing(rows),
    )
    return [_standing(candidate, tried, today) for candidate in found]


def by_follow_up(rows: Sequence[tuple[PhoneRequest, PhoneAttempt | None]]) -> dict[int, Calls]:
    """Requests and calls put together, form by form."""
    requests: dict[int, dict[int, PhoneRequest]] = defaultdict(dict)
    attempts: dict[int, list[PhoneAttempt]] = defaultdict(list)
    for request, attempt in rows:
        requests[request.follow_up_id][request.id] = request
        if attempt is not None:
            attempts[request.follow_up_id].append(attempt)
    return {key: Calls(list(found.values()), attempts[key]) for key, found in requests.items()}


def _refusing(rows: Sequence[tuple[PhoneRequest, PhoneAttempt | None]]) -> set[int]:
    """Patients who do not want to be phoned: said in a call, and no request of their own came afterwards."""
    refused: set[int] = set()
    for request, _ in rows:
        # In order of time: whoever asks again wants to be phoned again.
        if request.outcome == CallOutcome.NOT_WANTED:
            refused.add(request.patient_id)
        elif request.origin == CallOrigin.PATIENT:
            refused.discard(request.patient_id)
    return refused


def _standing(candidate: Candidate, tried: _Tried, today: date) -> Standing:
    follow_up, contact = candidate.follow_up, candidate.contact
    known = facts_of(follow_up, candidate.operation, candidate.patient, candidate.enrolment, candidate.answered)
    every = tried.calls.get(follow_up.id, Calls())
    calls = _of_window(every, follow_up, tried.zone)
    mailed = tried.mails.get(follow_up.id, Mailed())
    last = calls.last(tried.zone)
    posted_on = tried.letters.get(follow_up.id)
    letter_on = posted_on if posted_on is not None and posted_on >= follow_up.opens_on else None
    facts = RungFacts(
        status=status_of(known, today=today),
        window=known.window,
        operation_state=known.operation_state,
        is_before=known.is_before,
        is_past_import=_is_past_import(candidate, tried.zone),
        has_address=bool(contact.email),
        are_emails_stopped=contact.emails_stopped_at is not None,
        is_address_dead=mailed.is_refused or contact.email_bounced_at is not None,
        has_telephone=bool(contact.phone),
        wants_no_calls=candidate.patient.id in tried.wants_no_calls,
        n_not_reached=calls.n_not_reached,
        is_call_answered=any(found.outcome == CallOutcome.ANSWERED for found in calls.requests),
        call_back_on=last.call_back_on if last else None,
        is_letter_posted=letter_on is not None,
    )
    last_contact_on = _last_contact_on(mailed, last, posted_on, tried.zone)
    return Standing(candidate, facts, calls, every.n_of_ladder, last_contact_on, letter_on)


def _of_window(calls: Calls, follow_up: FollowUp, zone: ZoneInfo) -> Calls:
    """Without what was tried for an earlier day of the operation."""
    requests = [
        request
        for request in calls.requests
        if request.closed_at is None or request.requested_at.astimezone(zone).date() >= follow_up.opens_on
    ]
    kept = {request.id for request in requests}
    return Calls(requests, [attempt for attempt in calls.attempts if attempt.phone_request_id in kept])


def _is_past_import(candidate: Candidate, zone: ZoneInfo) -> bool:
    """Whether the form had been due before anybody recorded its operation here."""
    recorded_on = candidate.operation.recorded_at.astimezone(zone).date()
    return candidate.enrolment.is_imported and candidate.follow_up.due_on < recorded_on


def _last_contact_on(mailed: Mailed, call: NotedCall | None, letter_on: date | None, zone: ZoneInfo) -> date | None:
    mailed_on = mailed.last_sent_at.astimezone(zone).date() if mailed.last_sent_at else None
    called_on = call.called_at.date() if call else None
    return max(filter(None, (mailed_on, called_on, letter_on)), default=None)
