"""What is told of a cohort besides its scores: when and how it was operated on, and how the answers were given."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import CTE, ColumnElement, Subquery, and_, bindparam, func, select
from sqlmodel import Session

from registry.domain.instruments import Mode
from registry.domain.study import BEFORE
from registry.storage.cohorts import CohortQuery, countable, index_operations, latest_first, window_of_timepoint
from registry.storage.models import Answer, Classification, Operation
from registry.storage.models.base import table_of

_answer = table_of(Answer).c
_classification = table_of(Classification).c
_operation = table_of(Operation).c


@dataclass(frozen=True)
class OperationFacts:
    """Between which days patients were operated on, and how, the most frequent procedure first."""

    first_on: date | None
    last_on: date | None
    procedures: tuple[str, ...]


def operation_facts(session: Session, query: CohortQuery) -> OperationFacts:
    """The first operations of a cohort; costs what there is of them."""
    operation = index_operations(is_of_site=query.site_id is not None)
    counted = (
        select(_operation.procedure, func.count(), func.min(_operation.operated_on), func.max(_operation.operated_on))
        .join(operation, operation.c.id == _operation.id)
        .group_by(_operation.procedure)
    )
    rows = session.execute(counted, query.values).all()
    in_order = sorted(rows, key=lambda row: (-row[1], row[0]))
    first, last = min((row[2] for row in rows), default=None), max((row[3] for row in rows), default=None)
    return OperationFacts(first, last, tuple(row[0] for row in in_order))


def mode_counts(
    session: Session, query: CohortQuery, *, timepoint: str, entry: int | None, groups: Sequence[str]
) -> Counter[Mode]:
    """How the answers were given that a report compares: of patients of its groups with both scores who entered."""
    operation = index_operations(is_of_site=query.site_id is not None)
    before, after = _used(operation, BEFORE, "used_before"), _used(operation, timepoint, "used_after")
    paired = (
        select(before.c.mode.label("before"), after.c.mode.label("after"), func.count().label("n"))
        .join_from(before, after, and_(after.c.id == before.c.id, after.c.place == 1, before.c.place == 1))
        .join(operation, operation.c.id == before.c.id)
        .where(before.c.score >= bindparam("least"), _is_in_a_group(operation, groups))
        .group_by(before.c.mode, after.c.mode)
    )
    counts: Counter[Mode] = Counter()
    for row in session.execute(paired, {**query.values, "least": entry or 0}):
        for mode in (row.before, row.after):
            counts[Mode(mode) if mode else Mode.NUMBER] += row.n
    return counts


def _is_in_a_group(operation: CTE, groups: Sequence[str]) -> ColumnElement[bool]:
    of_patient = (_classification.patient_id == operation.c.patient_id, _classification.superseded_at.is_(None))
    among = (_classification.grouping_code == bindparam("grouping"), _classification.group_code.in_(groups))
    return select(_classification.id).where(*of_patient, *among).exists()


def _used(operation: CTE, timepoint: str, name: str) -> Subquery:
    """The scores that can count at a timepoint, with the place of each among those of its operation."""
    place = latest_first(operation.c.id)
    columns = (operation.c.id, _answer.score, _answer.mode, place.label("place"))
    at = (_answer.item == bindparam("item"), window_of_timepoint.c.timepoint == timepoint)
    return countable(operation, *columns).where(*at).subquery(name)
