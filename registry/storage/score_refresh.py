"""Bringing the kept scores up to date: what the answers say of some patients takes the place of their rows."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, case, delete, func, insert, null, select, text, union
from sqlmodel import Session

from registry.domain.study import BEFORE
from registry.domain.vocabularies import OperationState
from registry.storage.bulk import insert_rows
from registry.storage.cohorts import countable, is_first_operation, latest_first, window_of_timepoint
from registry.storage.models import (
    Answer,
    Assessment,
    Classification,
    FollowUp,
    Operation,
    Patient,
    Score,
    ScoredOperation,
    StalePatient,
    Stratum,
)
from registry.storage.models.base import table_of
from registry.storage.score_rows import CHANGED
from registry.storage.score_triggers import is_sqlite

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_classification = table_of(Classification).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c
_score = table_of(Score).c
_scored = table_of(ScoredOperation).c
_stale = table_of(StalePatient).c
_stratum = table_of(Stratum).c

_THESE: BindParameter[Any] = bindparam("patients", expanding=True)
# Any number that nothing else of the registry takes: whoever holds it is the only one who changes kept rows.
_TURN = 20_260_020


@dataclass(frozen=True)
class Scored:
    """A performed operation as it belongs into the kept rows."""

    operation_id: int
    patient_id: int
    site_id: int
    is_first: bool
    groups: str
    holds_after: date | None
    holds_until: date | None


_OPERATIONS = (
    select(_operation.id, _operation.patient_id, _patient.site_id, is_first_operation().label("is_first"))
    .join_from(table_of(Operation), table_of(Patient), _patient.id == _operation.patient_id)
    .where(_operation.patient_id.in_(_THESE), _operation.state == OperationState.PERFORMED)
)
_GROUPS = select(_classification.patient_id, _classification.grouping_code, _classification.group_code).where(
    _classification.patient_id.in_(_THESE), _classification.superseded_at.is_(None)
)
# Forms that were never sent, and have a score that will count, or began to, when they closed.
_UNSENT = (
    select(_assessment.patient_id, _follow_up.closes_on)
    .join_from(table_of(Assessment), table_of(FollowUp), _follow_up.id == _assessment.follow_up_id)
    .where(_assessment.patient_id.in_(_THESE), _assessment.submitted_at.is_(None))
    .where(
        select(_answer.id)
        .where(_answer.assessment_id == _assessment.id, _answer.superseded_at.is_(None), _answer.score.is_not(None))
        .exists()
    )
)


def _true_scores() -> Select[Any]:
    """The last score of each operation, item and timepoint beside the score before it, as `cohorts` counts them."""
    operation = (
        select(_scored.operation_id.label("id"), _scored.patient_id, _scored.stratum_id)
        .where(_scored.patient_id.in_(_THESE))
        .cte("operation_of_these")
    )
    of_what = (operation.c.id.label("operation_id"), _answer.item, window_of_timepoint.c.timepoint)
    ranked = countable(
        operation, *of_what, operation.c.stratum_id, _answer.score, latest_first(*of_what).label("place")
    ).subquery()
    last = select(ranked).where(ranked.c.place == 1).cte("last_score").c
    is_before = last.timepoint == BEFORE
    of_operation = func.max(case((is_before, last.score))).over(partition_by=(last.operation_id, last.item))
    before = case((is_before, null()), else_=of_operation)
    return select(last.operation_id, last.item, last.timepoint, last.stratum_id, before, last.score)


TRUE_SCORES = _true_scores()
KEPT_COLUMNS = (
    _score.operation_id,
    _score.item,
    _score.timepoint,
    _score.stratum_id,
    _score.before,
    _score.score,
)
_INSERT_SCORES = insert(table_of(Score)).from_select([column.name for column in KEPT_COLUMNS], TRUE_SCORES)
_OLD_OPERATIONS = union(
    select(_scored.operation_id).where(_scored.patient_id.in_(_THESE)),
    # One that was given to somebody else, whose number the database has given anew, or whose row was lost.
    select(_operation.id).where(_operation.patient_id.in_(_THESE)),
)


def take_turn(session: Session) -> None:
    """Let whoever changes kept rows wait for each other, and for nobody else; SQLite's writer does so anyhow."""
    if not is_sqlite(session):
        session.execute(select(func.pg_advisory_xact_lock(_TURN)))


def some_changed(session: Session, *, today: date, limit: int) -> list[int]:
    """Patients whose kept rows are not those of today."""
    for changed in CHANGED:
        some = changed.order_by(changed.selected_columns.patient_id).limit(limit)
        if found := session.execute(some, {"today": today}).scalars().all():
            return sorted(set(found))
    return []


def patients_after(session: Session, *, last: int, limit: int) -> list[int]:
    """The next patients, whether changed or not."""
    statement = select(_patient.id).where(_patient.id > last).order_by(_patient.id).limit(limit)
    return list(session.execute(statement).scalars())


def count_patients(session: Session) -> int:
    """How many patients there are."""
    return int(session.execute(select(func.count()).select_from(table_of(Patient))).scalar_one())


def refresh(session: Session, patients: Collection[int], *, today: date) -> None:
    """Make the kept rows of some patients anew; the turn must have been taken in this transaction.

    On PostgreSQL a change that is committed meanwhile may be in them or not: its own mark stays in either case, for
    only those marks are removed that were there before the answers were read.
    """
    _look_up_by_keys(session)
    these = {"patients": list(patients)}
    session.execute(delete(table_of(StalePatient)).where(_stale.patient_id.in_(_THESE)), these)
    remove(session, list(session.execute(_OLD_OPERATIONS, these).scalars()))
    _insert_operations(session, true_operations(session, patients, today=today))
    session.execute(_INSERT_SCORES, {**these, "today": today})


def _look_up_by_keys(session: Session) -> None:
    """A batch is a few hundred look-ups: PostgreSQL, whose statistics lag behind, would read whole tables for it."""
    if not is_sqlite(session):
        for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"):
            session.execute(text(f"SET LOCAL {setting} = off"))


def remove(session: Session, operations: Sequence[int]) -> None:
    """Take the rows of these operations out."""
    if not operations:
        return
    gone = {"operations": operations}
    for table, column in ((Score, _score.operation_id), (ScoredOperation, _scored.operation_id)):
        session.execute(delete(table_of(table)).where(column.in_(bindparam("operations", expanding=True))), gone)


def forget_scores(session: Session, *, patient_id: int) -> None:
    """Take a patient's scores out at once, as when the answers were deleted."""
    take_turn(session)
    own = select(_scored.operation_id).where(_scored.patient_id == patient_id)
    session.execute(delete(table_of(Score)).where(_score.operation_id.in_(own)))


def true_operations(session: Session, patients: Collection[int], *, today: date) -> list[Scored]:
    """What the rows of these patients' operations should be today."""
    these = {"patients": list(patients)}
    groups: dict[int, dict[str, str]] = defaultdict(dict)
    for row in session.execute(_GROUPS, these):
        groups[row.patient_id][row.grouping_code] = row.group_code
    closings: dict[int, list[date]] = defaultdict(list)
    for row in session.execute(_UNSENT, these):
        closings[row.patient_id].append(row.closes_on)
    return [
        Scored(
            operation_id=row.id,
            patient_id=row.patient_id,
            site_id=row.site_id,
            is_first=bool(row.is_first),
            groups=json.dumps(groups[row.patient_id], sort_keys=True, ensure_ascii=False),
            holds_after=max((day for day in closings[row.patient_id] if day < today), default=None),
            holds_until=min((day for day in closings[row.patient_id] if day >= today), default=None),
        )
        for row in session.execute(_OPERATIONS, these)
    ]


def _insert_operations(session: Session, operations: Sequence[Scored]) -> None:
    strata = _strata_of(session, operations)
    rows = [
        {
            "operation_id": one.operation_id,
            "patient_id": one.patient_id,
            "stratum_id": strata[_stratum_of(one)],
            "holds_after": one.holds_after,
            "holds_until": one.holds_until,
        }
        for one in operations
    ]
    insert_rows(session, ScoredOperation, rows)


_StratumKey = tuple[int, bool, str]


def _stratum_of(one: Scored) -> _StratumKey:
    return one.site_id, one.is_first, one.groups


def _strata_of(session: Session, operations: Iterable[Scored]) -> Mapping[_StratumKey, int]:
    """The number of every stratum, those included that nobody was in before."""
    wanted, known = {_stratum_of(one) for one in operations}, _known_strata(session)
    new = [dict(zip(("site_id", "is_first", "groups"), key, strict=True)) for key in sorted(wanted - known.keys())]
    insert_rows(session, Stratum, new)
    return _known_strata(session) if new else known


def _known_strata(session: Session) -> dict[_StratumKey, int]:
    rows = session.execute(select(_stratum.id, _stratum.site_id, _stratum.is_first, _stratum.groups))
    return {(row.site_id, row.is_first, row.groups): row.id for row in rows}
