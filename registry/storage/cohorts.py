"""Cohorts as counts: everything an unadjusted report needs, in one grouped query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import CTE, ColumnElement, Label, Select, and_, func, literal, or_, select
from sqlmodel import Session

from registry.domain.study import BEFORE
from registry.domain.vocabularies import UNKNOWN_GROUP, OperationState
from registry.storage.models import Answer, Assessment, Classification, FollowUp, Operation, Patient
from registry.storage.models.base import table_of

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_classification = table_of(Classification).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c


@dataclass(frozen=True)
class CohortQuery:
    """Whose scores are counted: one operation a patient, one item, by one grouping."""

    item: str
    grouping: str
    today: date
    site_id: int | None = None


@dataclass(frozen=True)
class PairCount:
    """So many patients of a group with this score before and this one after; None is a missing score."""

    group: str
    before: int | None
    after: int | None
    n: int


@dataclass(frozen=True)
class TimepointCount:
    """So many patients of a group who entered with this score before, and have this score at a timepoint."""

    group: str
    timepoint: str
    before: int | None
    score: int
    n: int


def pair_counts(session: Session, query: CohortQuery, *, timepoint: str) -> list[PairCount]:
    """The count table by group, before and after: at most 102 x 102 x groups rows."""
    operation = _index_operations(query)
    before = _scores(query, operation, BEFORE)
    after = _scores(query, operation, timepoint)
    group = _group(query)
    statement = (
        select(group, before.c.score.label("before"), after.c.score.label("after"), func.count().label("n"))
        .select_from(operation)
        .outerjoin(before, before.c.operation_id == operation.c.id)
        .outerjoin(after, after.c.operation_id == operation.c.id)
        .outerjoin(Classification, _is_current(query, operation))
        .group_by(group, before.c.score, after.c.score)
    )
    return [PairCount(row.group, row.before, row.after, row.n) for row in session.execute(statement)]


def timepoint_counts(session: Session, query: CohortQuery, *, timepoints: Sequence[str]) -> list[TimepointCount]:
    """The counts behind a trajectory: every timepoint's scores by group and by the score before."""
    operation = _index_operations(query)
    before = _scores(query, operation, BEFORE)
    found = []
    for timepoint in timepoints:
        at = before if timepoint == BEFORE else _scores(query, operation, timepoint)
        group = _group(query)
        statement: Select[tuple[str, int | None, int, int]] = (
            select(group, before.c.score.label("before"), at.c.score.label("score"), func.count().label("n"))
            .select_from(operation)
            .join(at, at.c.operation_id == operation.c.id)
            .outerjoin(Classification, _is_current(query, operation))
            .group_by(group, before.c.score, at.c.score)
        )
        if at is not before:
            statement = statement.outerjoin(before, before.c.operation_id == operation.c.id)
        found += [
            TimepointCount(row.group, timepoint, row.before, row.score, row.n) for row in session.execute(statement)
        ]
    return found


def count_unreviewed(session: Session, query: CohortQuery, *, timepoint: str) -> int:
    """How many forms whose score can count, before or at a timepoint, may come from a program and wait for a look."""
    operation = _index_operations(query)
    statement = _in_window(query, operation, func.count(), timepoints=(BEFORE, timepoint)).where(
        _assessment.suspicion.is_not(None), _assessment.confirmed_at.is_(None)
    )
    return int(session.execute(statement).scalar_one())


def _index_operations(query: CohortQuery) -> CTE:
    """The first performed operation of each patient: it starts the clock."""
    earlier = table_of(Operation).alias("earlier").c
    on_same_day = and_(earlier.operated_on == _operation.operated_on, earlier.id < _operation.id)
    has_earlier = (
        select(earlier.id)
        .where(
            earlier.patient_id == _operation.patient_id,
            earlier.state == OperationState.PERFORMED,
            or_(earlier.operated_on < _operation.operated_on, on_same_day),
        )
        .exists()
    )
    statement = select(_operation.id, _operation.patient_id).where(
        _operation.state == OperationState.PERFORMED, ~has_earlier
    )
    if query.site_id is not None:
        statement = statement.join(Patient, _patient.id == _operation.patient_id)
        statement = statement.where(_patient.site_id == query.site_id)
    return statement.cte("index_operation")


def _scores(query: CohortQuery, operation: CTE, timepoint: str) -> CTE:
    """The last score in the window of a timepoint, by its day, whatever form it was given on."""
    latest = func.row_number().over(
        partition_by=operation.c.id, order_by=(_answer.answered_on.desc(), _answer.id.desc())
    )
    columns = (operation.c.id.label("operation_id"), _answer.score, latest.label("place"))
    ranked = _in_window(query, operation, *columns, timepoints=(timepoint,)).subquery()
    return select(ranked.c.operation_id, ranked.c.score).where(ranked.c.place == 1).cte(f"score_{timepoint}")


def _in_window(
    query: CohortQuery, operation: CTE, *columns: ColumnElement[Any], timepoints: Sequence[str]
) -> Select[Any]:
    """Each answer that can count at one of these timepoints: given in its window, on whatever form of the patient."""
    window_table = table_of(FollowUp).alias("window_of_timepoint")
    own_table = table_of(FollowUp).alias("own_window")
    window, own = window_table.c, own_table.c
    return (
        select(*columns)
        .select_from(operation)
        .join(window_table, and_(window.operation_id == operation.c.id, window.timepoint.in_(timepoints)))
        .join(Assessment, _assessment.patient_id == operation.c.patient_id)
        .join(own_table, own.id == _assessment.follow_up_id)
        .join(Answer, _answer.assessment_id == _assessment.id)
        .where(
            _answer.item == query.item,
            _answer.superseded_at.is_(None),
            _answer.score.is_not(None),
            _answer.answered_on.between(window.opens_on, window.closes_on),
            or_(_assessment.submitted_at.is_not(None), own.closes_on < query.today),
        )
    )


def _group(query: CohortQuery) -> Label[str]:
    return func.coalesce(_classification.group_code, literal(UNKNOWN_GROUP)).label("group")


def _is_current(query: CohortQuery, operation: CTE) -> ColumnElement[bool]:
    return and_(
        _classification.patient_id == operation.c.patient_id,
        _classification.grouping_code == query.grouping,
        _classification.superseded_at.is_(None),
    )
