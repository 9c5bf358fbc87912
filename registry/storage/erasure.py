"""Removing what a patient has answered, every version of it."""

from sqlalchemy import delete, select
from sqlmodel import Session

from registry.storage.models import Answer, Assessment, BodyMarking
from registry.storage.models.base import table_of
from registry.storage.score_refresh import forget_scores

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_marking = table_of(BodyMarking).c


def remove_answers(session: Session, *, patient_id: int) -> int:
    """Delete a patient's answers with their earlier versions, and say how many rows there were."""
    own = select(_assessment.id).where(_assessment.patient_id == patient_id)
    removed = session.execute(delete(Answer).where(_answer.assessment_id.in_(own)))
    session.execute(delete(BodyMarking).where(_marking.assessment_id.in_(own)))
    session.execute(delete(Assessment).where(_assessment.patient_id == patient_id))
    # Not when the kept rows are next brought up to date: what was promised to be deleted is gone now.
    forget_scores(session, patient_id=patient_id)
    return int(removed.rowcount)  # type: ignore[attr-defined]
