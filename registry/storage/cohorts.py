"""Cohorts as counts, from the answers themselves: the rule by which scores count, and the witness of what is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import CTE, ColumnElement, Label, Select, and_, bindparam, func, literal, or_, select
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
window_of_timepoint = table_of(FollowUp).alias("window_of_timepoint")
_own_window = table_of(FollowUp).alias("own_window")

Patients = Select[tuple[int]]
"""The patients to whom a statement is restricted."""


@dataclass(frozen=True)
class CohortQuery:
    """Whose scores are counted: one operation a patient, one item, by one grouping."""

    item: str
    grouping: str
    today: date
    site_id: int | None = None

    @property
    def values(self) -> Mapping[str, Any]:
        """What the statements below are given."""
        return asdict(self)


class PairCount(NamedTuple):
    """So many patients of a group with this score before and this one after; None is a missing score."""

    group: str
    before: int | None
    after: int | None
    n: int


class TimepointCount(NamedTuple):
    """So many patients of a group who entered with this score before, and have this score at a timepoint."""

    group: str
    timepoint: str
    before: int | None
    score: int
    n: int


def pair_counts(session: Session, query: CohortQuery, *, timepoint: str) -> list[PairCount]:
    """The count table by group, before and after: at most 102 x 102 x groups rows."""
    statement = _pair_statement(is_of_site=query.site_id is not None)
    rows = session.execute(statement, {**query.values, "timepoint": timepoint})
    return [PairCount(row.group, row.before, row.after, row.n) for row in rows]


def timepoint_counts(session: Session, query: CohortQuery, *, timepoints: Sequence[str]) -> list[TimepointCount]:
    """The counts behind a trajectory: every timepoint's scores by group and by the score before."""
    found = []
    for timepoint in timepoints:
        rows = session.execute(_timepoint_statement(timepoint, is_of_site=query.site_id is not None), query.values)
        found += [TimepointCount(row.group, timepoint, row.before, row.score, row.n) for row in rows]
    return found


def count_unreviewed(session: Session, query: CohortQuery, *, timepoint: str) -> int:
    """How many forms whose score can count, before or at a timepoint, may come from a program and wait for a look."""
    statement = _unreviewed_statement(is_of_site=query.site_id is not None)
    return int(session.execute(statement, {**query.values, "timepoint": timepoint}).scalar_one())


@cache
def _pair_statement(*, is_of_site: bool) -> Select[Any]:
    return pairs_of(index_operations(is_of_site=is_of_site))


@cache
def _timepoint_statement(timepoint: str, *, is_of_site: bool) -> Select[Any]:
    (statement,) = scores_at([timepoint], index_operations(is_of_site=is_of_site))
    return statement


@cache
def _unreviewed_statement(*, is_of_site: bool) -> Select[Any]:
    """Begun with the doubtful forms, which are few, however many patients there are."""
    is_doubtful = (_assessment.suspicion.is_not(None), _assessment.confirmed_at.is_(None))
    operation = index_operations(is_of_site=is_of_site, patients=select(_assessment.patient_id).where(*is_doubtful))
    either = _of_item_at(literal(BEFORE), bindparam("timepoint"))
    return countable(operation, func.count()).where(*either, *is_doubtful)


def pairs_of(operation: CTE) -> Select[Any]:
    """So many of these operations by group, score before and score at the timepoint that is asked for."""
    before = _last_score(operation, literal(BEFORE), "score_before")
    after = _last_score(operation, bindparam("timepoint"), "score_after")
    group = _group()
    return (
        select(group, before.c.score.label("before"), after.c.score.label("after"), func.count().label("n"))
        .select_from(operation)
        .outerjoin(before, before.c.operation_id == operation.c.id)
        .outerjoin(after, after.c.operation_id == operation.c.id)
        .outerjoin(Classification, _is_current(operation))
        .group_by(group, before.c.score, after.c.score)
    )


def scores_at(timepoints: Sequence[str], operation: CTE) -> list[Select[Any]]:
    """For each timepoint: so many of these operations by group, score before and score at it, where there is one."""
    before = _last_score(operation, literal(BEFORE), "score_before")
    return [_scores_at(timepoint, operation, before) for timepoint in timepoints]


def _scores_at(timepoint: str, operation: CTE, before: CTE) -> Select[Any]:
    at = before if timepoint == BEFORE else _last_score(operation, literal(timepoint), f"score_{timepoint}")
    group = _group()
    statement = (
        select(group, before.c.score.label("before"), at.c.score.label("score"), func.count().label("n"))
        .select_from(operation)
        .join(at, at.c.operation_id == operation.c.id)
        .outerjoin(Classification, _is_current(operation))
        .group_by(group, before.c.score, at.c.score)
    )
    return statement if at is before else statement.outerjoin(before, before.c.operation_id == operation.c.id)


def index_operations(*, is_of_site: bool, patients: Patients | None = None) -> CTE:
    """The first performed operation of each patient: it starts the clock."""
    statement = select(_operation.id, _operation.patient_id).where(
        _operation.state == OperationState.PERFORMED, is_first_operation()
    )
    if patients is not None:
        statement = statement.where(_operation.patient_id.in_(patients))
    if is_of_site:
        statement = statement.join(Patient, _patient.id == _operation.patient_id)
        statement = statement.where(_patient.site_id == bindparam("site_id"))
    return statement.cte("index_operation")


def is_first_operation() -> ColumnElement[bool]:
    """Whether no operation of the patient was performed before it; of two on one day the one recorded first counts."""
    earlier = table_of(Operation).alias("earlier").c
    on_same_day = and_(earlier.operated_on == _operation.operated_on, earlier.id < _operation.id)
    return ~(
        select(earlier.id)
        .where(
            earlier.patient_id == _operation.patient_id,
            earlier.state == OperationState.PERFORMED,
            or_(earlier.operated_on < _operation.operated_on, on_same_day),
        )
        .exists()
    )


def countable(operation: CTE, *columns: ColumnElement[Any]) -> Select[Any]:
    """Each score that can count: given in the window of a timepoint, on whatever form of the patient."""
    window, own = window_of_timepoint.c, _own_window.c
    return (
        select(*columns)
        .select_from(operation)
        .join(window_of_timepoint, window.operation_id == operation.c.id)
        .join(Assessment, _assessment.patient_id == operation.c.patient_id)
        .join(_own_window, own.id == _assessment.follow_up_id)
        .join(Answer, _answer.assessment_id == _assessment.id)
        .where(
            _answer.superseded_at.is_(None),
            _answer.score.is_not(None),
            _answer.answered_on.between(window.opens_on, window.closes_on),
            or_(_assessment.submitted_at.is_not(None), own.closes_on < bindparam("today")),
        )
    )


def latest_first(*partition: ColumnElement[Any]) -> ColumnElement[int]:
    """The place of a score among those of one window: the last counts, by its day, whatever form it was given on."""
    return func.row_number().over(partition_by=partition, order_by=(_answer.answered_on.desc(), _answer.id.desc()))


def _last_score(operation: CTE, timepoint: ColumnElement[str], name: str) -> CTE:
    columns = (operation.c.id.label("operation_id"), _answer.score, latest_first(operation.c.id).label("place"))
    ranked = countable(operation, *columns).where(*_of_item_at(timepoint)).subquery()
    return select(ranked.c.operation_id, ranked.c.score).where(ranked.c.place == 1).cte(name)


def _of_item_at(*timepoints: ColumnElement[str]) -> tuple[ColumnElement[bool], ...]:
    # Not as a list: one is written out anew for each execution.
    at = or_(*(window_of_timepoint.c.timepoint == timepoint for timepoint in timepoints))
    return _answer.item == bindparam("item"), at


def _group() -> Label[str]:
    return func.coalesce(_classification.group_code, literal(UNKNOWN_GROUP)).label("group")


def _is_current(operation: CTE) -> ColumnElement[bool]:
    return and_(
        _classification.patient_id == operation.c.patient_id,
        _classification.grouping_code == bindparam("grouping"),
        _classification.superseded_at.is_(None),
    )
