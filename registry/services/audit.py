"""The audit trail: a row in the same transaction as the change it tells of."""

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
    _INSERT.run(
        session,
        {
            "at": now,
            "actor_kind": by.kind,
            "actor": by.reference,
            "action": action,
            "subject": subject,
            "subject_id": subject_id,
            "details": {name: _plain(value) for name, value in details.items()},
        },
    )


def _plain(value: Detail) -> str | int | float | bool | None:
    return value.isoformat() if isinstance(value, date) else value
