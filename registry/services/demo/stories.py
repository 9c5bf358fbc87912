"""A simulated patient as a story: the operations, what is answered and what is left, and how it ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from registry.domain.study import BEFORE
from registry.domain.vocabularies import OperationState
from registry.services.demo.truth import Course

YEAR = "M12"

# A form is known by the place of its operation in the story and its timepoint.
FormKey = tuple[int, str]
INDEX_BEFORE, INDEX_YEAR = (0, BEFORE), (0, YEAR)
LUMBAR_BEFORE, LUMBAR_YEAR = (1, BEFORE), (1, YEAR)


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """One operation: performed or planned on a day, and from some day on postponed or cancelled."""

    day: date
    procedure: str
    recorded_on: date
    state: OperationState = OperationState.PERFORMED
    off_on: date | None = None


@dataclass(kw_only=True)
class Story:
    """One patient from enrolment to today."""

    enrolled_on: date
    group: str
    surgeries: tuple[Surgery, ...]
    courses: tuple[Course, ...]
    diligence: float
    """How likely a form after an operation is answered that is neither certain to be nor left."""
    certain: frozenset[FormKey] = frozenset()
    left: frozenset[FormKey] = frozenset()
    begun: frozenset[FormKey] = frozenset()
    """Answered in part and not sent."""
    declined_after: Mapping[FormKey, int] = field(default_factory=dict)
    """Days from the due date to the day on which the patient refuses."""
    withdrawn_on: date | None = None
    died_on: date | None = None
    emails_stopped_on: date | None = None
    has_email: bool = True
    is_waiting: bool = False
    """Whether the mails of the last days have not gone out yet: a few are caught up with today."""
