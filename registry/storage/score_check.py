"""Whether the kept scores are what the answers say."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BindParameter, bindparam, select, text, union
from sqlmodel import Session

from registry.storage.models import Operation, Patient, Score, ScoredOperation, Stratum
from registry.storage.models.base import table_of
from registry.storage.score_refresh import KEPT_COLUMNS, TRUE_SCORES, Scored, true_operations
from registry.storage.score_rows import CHANGED
from registry.storage.score_triggers import is_sqlite

_operation = table_of(Operation).c
_patient = table_of(Patient).c
_score = table_of(Score).c
_scored = table_of(ScoredOperation).c
_stratum = table_of(Stratum).c

_THESE: BindParameter[Any] = bindparam("patients", expanding=True)
_CHANGED = union(*CHANGED).subquery()
_CHANGED_OF_THESE = select(_CHANGED.c.patient_id).where(_CHANGED.c.patient_id.in_(_THESE))
_KEPT_OPERATIONS = (
    select(
        _scored.operation_id,
        _scored.patient_id,
        _stratum.site_id,
        _stratum.is_first,
        _stratum.groups,
        _scored.holds_after,
        _scored.holds_until,
    )
    .outerjoin_from(table_of(ScoredOperation), table_of(Stratum), _stratum.id == _scored.stratum_id)
    .where(_scored.patient_id.in_(_THESE))
)
_KEPT_SCORES = (
    select(*KEPT_COLUMNS)
    .join_from(table_of(ScoredOperation), table_of(Score), _score.operation_id == _scored.operation_id)
    .where(_scored.patient_id.in_(_THESE))
)
_STRAYS = union(
    select(_score.operation_id)
    .outerjoin_from(table_of(Score), table_of(ScoredOperation), _scored.operation_id == _score.operation_id)
    .where(_scored.operation_id.is_(None)),
    select(_scored.operation_id)
    .outerjoin_from(table_of(ScoredOperation), table_of(Patient), _patient.id == _scored.patient_id)
    .where(_patient.id.is_(None)),
)


@dataclass(frozen=True)
class Difference:
    """A patient, by number, and an operation of which a kept row is missing, too many, or not what the answers say."""

    patient_id: int | None
    """None where the row belongs to nobody."""
    operation_id: int


@dataclass(frozen=True)
class Compared:
    """What is wrong with the kept rows of some patients, and of how many that cannot be said yet."""

    differences: Sequence[Difference]
    n_waiting: int


def compared(session: Session, patients: Collection[int], *, today: date) -> Compared:
    """The operations whose kept rows are wrong; patients who are known to have changed since are left out.

    The first statement of its session, for on PostgreSQL all that is compared must be of one moment.
    """
    if not is_sqlite(session):
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    given: dict[str, Any] = {"patients": list(patients), "today": today}
    changed = set(session.execute(_CHANGED_OF_THESE, given).scalars())
    these = {**given, "patients": [patient_id for patient_id in patients if patient_id not in changed]}
    kept = {Scored(*row) for row in session.execute(_KEPT_OPERATIONS, these)}
    true = true_operations(session, these["patients"], today=today)
    owners = {one.operation_id: one.patient_id for one in (*true, *kept)}
    wrong = {one.operation_id for one in kept.symmetric_difference(true)}
    kept_scores, true_scores = (
        {tuple(row) for row in session.execute(statement, these)} for statement in (_KEPT_SCORES, TRUE_SCORES)
    )
    wrong |= {row[0] for row in kept_scores ^ true_scores}
    found = [Difference(owners[operation_id], operation_id) for operation_id in sorted(wrong)]
    return Compared(found, len(changed))


def strays(session: Session, *, limit: int) -> list[int]:
    """Operations of which there are kept rows that belong to no patient."""
    return list(session.execute(_STRAYS.limit(limit)).scalars())
