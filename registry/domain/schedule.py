"""Follow-ups of an operation, and the status of each, derived from facts and today."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from registry.domain.calendar import add_days
from registry.domain.study import Study, VisitWindow
from registry.domain.vocabularies import OperationState


class FollowUpStatus(StrEnum):
    """Where a follow-up stands today."""

    UPCOMING = "upcoming"
    OPEN = "open"
    OVERDUE = "overdue"
    PARTIAL = "partial"
    COMPLETED = "completed"
    MISSED = "missed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    DIED = "died"
    NOT_NEEDED = "not_needed"


@dataclass(frozen=True)
class FollowUpFacts:
    """What is known of a follow-up: its window, its answers, and what ended it."""

    window: VisitWindow
    operation_state: OperationState
    is_before: bool = False
    has_answers: bool = False
    is_submitted: bool = False
    declined_on: date | None = None
    withdrawn_on: date | None = None
    died_on: date | None = None


# Answers of these days after the close are kept and classed late.
_LATE_DAYS = 30


def last_late_day(closes_on: date) -> date:
    """The last day on which a form that has closed still takes an answer, by a fresh link or from a page left open."""
    return add_days(closes_on, _LATE_DAYS)


def planned_windows(
    study: Study, *, state: OperationState, planned_on: date | None, operated_on: date | None
) -> Mapping[str, VisitWindow]:
    """The windows that an operation gives rise to: all once performed, the one before it while planned, else none."""
    day = operated_on if state == OperationState.PERFORMED else planned_on
    if day is None or state in (OperationState.POSTPONED, OperationState.CANCELLED):
        return {}
    is_performed = state == OperationState.PERFORMED
    return {
        timepoint.code: timepoint.window(day) for timepoint in study.timepoints if is_performed or timepoint.is_before
    }


def status_of(facts: FollowUpFacts, *, today: date) -> FollowUpStatus:
    """The status of a follow-up: what the patient sent counts first, then what ended it, then the calendar."""
    closed = today > facts.window.closes_on
    if facts.is_submitted or (facts.has_answers and closed):
        return FollowUpStatus.COMPLETED
    return _ended_by(facts, today=today) or _by_calendar(facts, today=today)


def _ended_by(facts: FollowUpFacts, *, today: date) -> FollowUpStatus | None:
    """What ended the follow-up while it could still be answered."""
    last_day = min(today, facts.window.closes_on)
    if facts.died_on and facts.died_on <= last_day:
        return FollowUpStatus.DIED
    if facts.withdrawn_on and facts.withdrawn_on <= last_day:
        return FollowUpStatus.WITHDRAWN
    if facts.declined_on and facts.declined_on <= last_day:
        return FollowUpStatus.DECLINED
    return None if _is_needed(facts) else FollowUpStatus.NOT_NEEDED


def _is_needed(facts: FollowUpFacts) -> bool:
    """A performed operation needs every form, a planned one only the form before it, any other none."""
    is_planned = facts.operation_state == OperationState.PLANNED
    return facts.operation_state == OperationState.PERFORMED or (is_planned and facts.is_before)


def _by_calendar(facts: FollowUpFacts, *, today: date) -> FollowUpStatus:
    window = facts.window
    if today < window.opens_on:
        return FollowUpStatus.UPCOMING
    if today > window.closes_on:
        return FollowUpStatus.MISSED
    if facts.has_answers:
        return FollowUpStatus.PARTIAL
    return FollowUpStatus.OPEN if today <= window.due_on else FollowUpStatus.OVERDUE
