"""What is known of a follow-up, put together from its rows for the rules of the domain."""

from registry.domain.schedule import FollowUpFacts
from registry.domain.study import BEFORE, VisitWindow
from registry.storage.follow_ups import Answered
from registry.storage.models import Enrolment, FollowUp, Operation, Patient


def facts_of(
    follow_up: FollowUp, operation: Operation, patient: Patient, enrolment: Enrolment, answered: Answered | None
) -> FollowUpFacts:
    """The facts of a follow-up; answers given before its window opened belong to another day of operation."""
    opens_on = follow_up.opens_on
    return FollowUpFacts(
        window=VisitWindow(opens_on, follow_up.due_on, follow_up.closes_on),
        operation_state=operation.state,
        is_before=follow_up.timepoint == BEFORE,
        has_answers=answered is not None and answered.last_on is not None and answered.last_on >= opens_on,
        is_submitted=(
            answered is not None
            and answered.submitted_at is not None
            and (answered.first_on is None or answered.first_on >= opens_on)
        ),
        declined_on=min(filter(None, (follow_up.declined_on, enrolment.refused_on)), default=None),
        withdrawn_on=enrolment.withdrawn_on,
        died_on=patient.died_on,
    )
