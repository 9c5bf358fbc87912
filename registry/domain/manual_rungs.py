"""The rungs of the ladder that staff climb: calls, letters, and forms that may be missed before an operation."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from registry.domain.calendar import add_days
from registry.domain.ladder import SkipReason, what_ended
from registry.domain.schedule import FollowUpStatus
from registry.domain.sending_hours import Weekday
from registry.domain.study import Ladder, VisitWindow
from registry.domain.vocabularies import CallOutcome, CallTime, OperationState

MOST_CALLS = 3
"""After so many calls that reached nobody no more are made."""
AT_RISK_DAYS = 7
"""So many days before an operation a form before it that was not sent is at risk."""
DUE_SOON_DAYS = 7

_ASKED_FOR = frozenset({FollowUpStatus.OPEN, FollowUpStatus.OVERDUE, FollowUpStatus.PARTIAL})
_TO_COME = _ASKED_FOR | {FollowUpStatus.UPCOMING}
_FREE_DAYS = frozenset({Weekday.SATURDAY, Weekday.SUNDAY})
_NOON = 12


class NoRung(StrEnum):
    """Why staff do not call or write about a form that can still be answered."""

    BEFORE_OPERATION = "before_operation"
    PAST_IMPORT = "past_import"
    NO_TELEPHONE = "no_telephone"
    WANTS_NO_CALLS = "wants_no_calls"
    CALLED_IN_VAIN = "called_in_vain"
    CALL_ANSWERED = "call_answered"
    LETTER_POSTED = "letter_posted"
    CLOSES_FIRST = "closes_first"


WhyNot = SkipReason | NoRung


@dataclass(frozen=True, kw_only=True)
class RungFacts:
    """What decides whether staff call or write: the follow-up, how the patient can be reached, what was tried."""

    status: FollowUpStatus
    window: VisitWindow
    operation_state: OperationState = OperationState.PERFORMED
    is_before: bool = False
    is_past_import: bool = False
    """Whether the form had been due before its operation was imported."""
    has_address: bool = True
    are_emails_stopped: bool = False
    is_address_dead: bool = False
    """Whether mails to it come back, or the last one was refused for good."""
    has_telephone: bool = True
    wants_no_calls: bool = False
    n_not_reached: int = 0
    is_call_answered: bool = False
    """Whether a call was closed with what the patient had to say, even if questions stayed open."""
    call_back_on: date | None = None
    """The day that was agreed in the last call, while its request is open."""
    is_letter_posted: bool = False

    @property
    def can_be_mailed(self) -> bool:
        """Whether an e-mail can reach the patient."""
        return self.has_address and not (self.are_emails_stopped or self.is_address_dead)

    @property
    def can_be_phoned(self) -> bool:
        """Whether a call can reach the patient, as far as is known."""
        return self.why_not_phoned is None

    @property
    def why_not_phoned(self) -> NoRung | None:
        """Why no call can reach the patient."""
        if not self.has_telephone:
            return NoRung.NO_TELEPHONE
        if self.wants_no_calls:
            return NoRung.WANTS_NO_CALLS
        return NoRung.CALLED_IN_VAIN if self.n_not_reached >= MOST_CALLS else None


def call_day(facts: RungFacts, ladder: Ladder) -> date:
    """The day from which a form is called about, if it is: after the mails, or at once where none arrives."""
    return add_days(facts.window.due_on, ladder.phone_after_days if facts.can_be_mailed else 0)


def why_no_call(facts: RungFacts, ladder: Ladder) -> WhyNot | None:
    """Why nobody calls about a form, today or later; None where somebody does, or will on its day."""
    if (reason := _why_not_asked_for(facts)) or (reason := facts.why_not_phoned):
        return reason
    if facts.is_call_answered:
        return NoRung.CALL_ANSWERED
    if facts.is_letter_posted and facts.call_back_on is None:
        return NoRung.LETTER_POSTED
    return NoRung.CLOSES_FIRST if call_day(facts, ladder) > facts.window.closes_on else None


def call_due_on(facts: RungFacts, ladder: Ladder, *, today: date) -> date | None:
    """Since when a call is due, or None: after the mails, or from the due date where no mail reaches the patient.

    A letter ends the calls, but not one that was agreed with the patient.
    """
    if not _is_asked_for(facts) or why_no_call(facts, ladder):
        return None
    return _if_reached(call_day(facts, ladder), today)


def letter_day(facts: RungFacts, ladder: Ladder) -> date:
    """The day from which a letter goes out, if one does: after the calls, or at once where nothing else is left."""
    after = ladder.letter_after_days if facts.can_be_mailed or facts.can_be_phoned else 0
    return add_days(facts.window.due_on, after)


def why_no_letter(facts: RungFacts, ladder: Ladder) -> WhyNot | None:
    """Why nobody writes a letter about a form, today or later; None where somebody does, or will on its day."""
    if reason := _why_not_asked_for(facts):
        return reason
    if facts.is_letter_posted:
        return NoRung.LETTER_POSTED
    return NoRung.CLOSES_FIRST if letter_day(facts, ladder) > facts.window.closes_on else None


def letter_due_on(facts: RungFacts, ladder: Ladder, *, today: date) -> date | None:
    """Since when a letter is due, or None: on its day, or from the due date where neither mail nor call is left."""
    if not _is_asked_for(facts) or why_no_letter(facts, ladder):
        return None
    return _if_reached(letter_day(facts, ladder), today)


def is_overdue(facts: RungFacts, *, today: date) -> bool:
    """Whether a form after an operation is asked for, and its due date has passed."""
    return _is_asked_for(facts) and today > facts.window.due_on


def is_due_soon(facts: RungFacts, *, today: date) -> bool:
    """Whether a form after an operation is due today or within the next days, and not answered yet."""
    days = (facts.window.due_on - today).days
    return facts.status in _TO_COME and not facts.is_before and 0 <= days <= DUE_SOON_DAYS


def is_baseline_at_risk(facts: RungFacts, *, today: date) -> bool:
    """Whether the form before an operation is still missing, and the operation is planned within a few days."""
    is_waited_for = facts.is_before and facts.status in _TO_COME
    is_near = 0 <= (facts.window.due_on - today).days <= AT_RISK_DAYS
    return is_waited_for and is_near and facts.operation_state == OperationState.PLANNED


def _why_not_asked_for(facts: RungFacts) -> WhyNot | None:
    if facts.is_before:
        return NoRung.BEFORE_OPERATION
    if reason := what_ended(facts.status):
        return reason
    return NoRung.PAST_IMPORT if facts.is_past_import else None


def _is_asked_for(facts: RungFacts) -> bool:
    return facts.status in _ASKED_FOR and _why_not_asked_for(facts) is None


def _if_reached(day: date, today: date) -> date | None:
    return day if day <= today else None


@dataclass(frozen=True)
class NotedCall:
    """A call that brought no answers, on the clock of the hospital."""

    called_at: datetime
    outcome: CallOutcome
    call_back_on: date | None = None


@dataclass(frozen=True)
class NextCall:
    """The day of a call and the time of day."""

    on: date
    time: CallTime


def next_call(*, due_on: date, wish: CallTime, last: NotedCall | None) -> NextCall:
    """When to call next: on the day agreed, else on the working day after a call in vain, at another time of day.

    The time of day that a patient has asked for is kept.
    """
    if last is None:
        return NextCall(due_on, wish)
    if last.call_back_on is not None:
        return NextCall(last.call_back_on, wish)
    other = CallTime.AFTERNOON if last.called_at.hour < _NOON else CallTime.MORNING
    return NextCall(_next_working_day(last.called_at.date()), other if wish == CallTime.ANY_TIME else wish)


def is_hidden(last: NotedCall | None, *, today: date) -> bool:
    """Whether the patient has asked not to be called before a later day."""
    return last is not None and last.call_back_on is not None and today < last.call_back_on


def _next_working_day(day: date) -> date:
    week = (add_days(day, offset) for offset in range(1, len(Weekday)))
    return next(each for each in week if Weekday.of(each) not in _FREE_DAYS)
