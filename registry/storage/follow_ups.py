"""What was answered at a follow-up, on which days, and when the next one is due."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Label, and_, bindparam, func, or_, select

from registry.domain.study import BEFORE
from registry.domain.vocabularies import OperationState
from registry.storage.database import Rows
from registry.storage.models import Answer, Assessment, Contact, Enrolment, FollowUp, Operation, Patient
from registry.storage.models.base import table_of

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_contact = table_of(Contact).c
_enrolment = table_of(Enrolment).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c


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


@dataclass(frozen=True)
class NextForm:
    """When a patient's next form is due, if one is planned, and whether a mail will ask for it."""

    due_on: date | None
    has_emails: bool


_IS_NEEDED = or_(
    _operation.state == OperationState.PERFORMED,
    and_(_operation.state == OperationState.PLANNED, _follow_up.timepoint == BEFORE),
)
# Answers of a day before the window opened were given for an earlier day of the operation.
_IS_SENT = (
    select(_answer.id)
    .join_from(table_of(Assessment), table_of(Answer), _answer.assessment_id == _assessment.id)
    .where(
        _assessment.follow_up_id == _follow_up.id,
        _assessment.submitted_at.is_not(None),
        _answer.superseded_at.is_(None),
        _answer.answered_on >= _follow_up.opens_on,
    )
    .correlate(table_of(FollowUp))
    .exists()
)
_NEXT_DUE_ON = (
    select(func.min(_follow_up.due_on))
    .join_from(table_of(FollowUp), table_of(Operation), _operation.id == _follow_up.operation_id)
    .where(
        _follow_up.patient_id == bindparam("patient_id"),
        _follow_up.id != bindparam("follow_up_id"),
        _follow_up.due_on > bindparam("today"),
        _follow_up.declined_on.is_(None),
        _IS_NEEDED,
        ~_IS_SENT,
    )
    .scalar_subquery()
)
_NEXT_FORM = (
    select(
        _NEXT_DUE_ON.label("due_on"),
        and_(
            _contact.emails_stopped_at.is_(None),
            _contact.email_bounced_at.is_(None),
            func.coalesce(_contact.email, "") != "",
        ).label("has_emails"),
    )
    .join_from(table_of(Patient), table_of(Contact), _contact.patient_id == _patient.id)
    .join(table_of(Enrolment), _enrolment.patient_id == _patient.id)
    .where(
        _patient.id == bindparam("patient_id"),
        _patient.died_on.is_(None),
        _enrolment.withdrawn_on.is_(None),
        _enrolment.refused_on.is_(None),
    )
)


def next_form(session: Rows, *, patient_id: int, follow_up_id: int, today: date) -> NextForm | None:
    """The next form of any of a patient's operations after one; None for somebody who takes part no longer."""
    given = {"patient_id": patient_id, "follow_up_id": follow_up_id, "today": today}
    row = session.execute(_NEXT_FORM, given).first()
    return NextForm(*row) if row is not None else None
