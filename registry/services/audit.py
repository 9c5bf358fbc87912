"""The audit trail: a row in the same transaction as the change it tells of."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import insert

from registry.domain.actors import Actor
from registry.storage.database import Rows
from registry.storage.models import AuditEvent
from registry.storage.models.base import table_of
from registry.storage.prepared import Prepared

_INSERT = Prepared(insert(table_of(AuditEvent)).inline())

Detail = str | int | float | bool | date | StrEnum | None


def record(
    session: Rows,
    *,
    action: str,
    subject: str,
    subject_id: int,
    by: Actor,
    now: datetime,
    **details: Detail,
) -> None:
    """Write down who did what to which row; details are codes, dates and ids, never anything personal."""
    _INSERT.run(session, _event(action, subject, by, now, details) | {"subject_id": subject_id})


def record_each(
    session: Rows,
    *,
    action: str,
    subject: str,
    subject_ids: Sequence[int],
    by: Actor,
    now: datetime,
    **details: Detail,
) -> None:
    """Write down who did the same to some rows: an event for each."""
    event = _event(action, subject, by, now, details)
    _INSERT.run_each(session, [event | {"subject_id": subject_id} for subject_id in subject_ids])


def _event(action: str, subject: str, by: Actor, now: datetime, details: Mapping[str, Detail]) -> dict[str, object]:
    return {
        "at": now,
        "actor_kind": by.kind,
        "actor": by.reference,
        "action": action,
        "subject": subject,
        "details": {name: _plain(value) for name, value in details.items()},
    }


def _plain(value: Detail) -> str | int | float | bool | None:
    return value.isoformat() if isinstance(value, date) else value
