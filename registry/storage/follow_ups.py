"""What was answered at a follow-up, and on which days."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Label, func, select

from registry.storage.models import Answer, Assessment
from registry.storage.models.base import table_of

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c


@dataclass(frozen=True)
class Answered:
    """The answers of a follow-up as they stand: a correction counts from its own day."""

    assessment_id: int
    submitted_at: datetime | None
    first_on: date | None
    last_on: date | None


def answered_columns() -> tuple[Label[int], Label[datetime], Label[date], Label[date]]:
    """The columns of `Answered`, for a statement that joins the assessment of each follow-up."""
    standing = (_answer.assessment_id == _assessment.id, _answer.superseded_at.is_(None))
    first_on = select(func.min(_answer.answered_on)).where(*standing).correlate(table_of(Assessment))
    last_on = select(func.max(_answer.answered_on)).where(*standing).correlate(table_of(Assessment))
    return (
        _assessment.id.label("assessment_id"),
        _assessment.submitted_at.label("submitted_at"),
        first_on.scalar_subquery().label("first_on"),
        last_on.scalar_subquery().label("last_on"),
    )
