"""What the registry already has of the patients in a table, read in a few queries."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import select
from sqlmodel import Session

from registry.domain.vocabularies import LUMBAR_DISEASE
from registry.storage.models import Answer, Assessment, Classification, FollowUp, Operation, Patient
from registry.storage.models.base import table_of

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_classification = table_of(Classification).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c

# Well below the number of parameters that SQLite and PostgreSQL take in one statement.
_CHUNK = 5000


@dataclass(frozen=True)
class StandingScore:
    """A recorded answer; no score is a question that was skipped."""

    score: int | None
    answered_on: date


@dataclass
class StandingForm:
    """A follow-up with what was recorded at it."""

    follow_up_id: int
    assessment_id: int | None
    is_submitted: bool
    scores: dict[str, StandingScore] = field(default_factory=dict)


@dataclass
class StandingOperation:
    """An operation with its forms by timepoint."""

    id: int
    operated_on: date | None
    procedure: str
    forms: dict[str, StandingForm] = field(default_factory=dict)


@dataclass
class Standing:
    """A patient as the registry has them."""

    patient_id: int
    sex: str
    birth_year: int
    group: str | None = None
    operations: list[StandingOperation] = field(default_factory=list)


def standing_patients(session: Session, *, site_id: int, study_ids: Sequence[str]) -> Mapping[str, Standing]:
    """The patients of a site under these study IDs, with operations, groups and answers."""
    found: dict[str, Standing] = {}
    for chunk in _chunks(study_ids):
        rows = session.execute(
            select(_patient.id, _patient.study_id, _patient.sex, _patient.birth_year).where(
                _patient.site_id == site_id, _patient.study_id.in_(chunk)
            )
        ).all()
        here = {row.study_id: Standing(row.id, row.sex, row.birth_year) for row in rows}
        if here:
            _fill(session, {standing.patient_id: standing for standing in here.values()})
        found |= here
    return found


def _chunks(study_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(study_ids), _CHUNK):
        yield study_ids[start : start + _CHUNK]


def _fill(session: Session, patients: Mapping[int, Standing]) -> None:
    ids = list(patients)
    for row in session.execute(
        select(_classification.patient_id, _classification.group_code).where(
            _classification.patient_id.in_(ids),
            _classification.grouping_code == LUMBAR_DISEASE,
            _classification.superseded_at.is_(None),
        )
    ):
        patients[row.patient_id].group = row.group_code
    operations: dict[int, StandingOperation] = {}
    for row in session.execute(
        select(_operation.id, _operation.patient_id, _operation.operated_on, _operation.procedure)
        .where(_operation.patient_id.in_(ids))
        .order_by(_operation.id)
    ):
        operations[row.id] = StandingOperation(row.id, row.operated_on, row.procedure)
        patients[row.patient_id].operations.append(operations[row.id])
    _fill_forms(session, ids, operations)


def _fill_forms(session: Session, ids: Sequence[int], operations: Mapping[int, StandingOperation]) -> None:
    by_assessment: dict[int, dict[str, StandingScore]] = defaultdict(dict)
    for row in session.execute(
        select(_follow_up.id, _follow_up.operation_id, _follow_up.timepoint)
        .add_columns(_assessment.id.label("assessment_id"), _assessment.submitted_at)
        .outerjoin(Assessment, _assessment.follow_up_id == _follow_up.id)
        .where(_follow_up.patient_id.in_(ids))
    ):
        scores = by_assessment[row.assessment_id] if row.assessment_id else {}
        form = StandingForm(row.id, row.assessment_id, row.submitted_at is not None, scores)
        operations[row.operation_id].forms[row.timepoint] = form
    for row in session.execute(
        select(_answer.assessment_id, _answer.item, _answer.score, _answer.answered_on)
        .join(Assessment, _assessment.id == _answer.assessment_id)
        .where(_assessment.patient_id.in_(ids), _answer.superseded_at.is_(None))
    ):
        by_assessment[row.assessment_id][row.item] = StandingScore(row.score, row.answered_on)
