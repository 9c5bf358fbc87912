"""Many rows of one table in few statements."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, SQLModel

from registry.storage.models.base import table_of

Row = Mapping[str, Any]


def insert_rows(session: Session, model: type[SQLModel], rows: Sequence[Row]) -> None:
    """Insert rows that all name the same columns; none is no work."""
    if rows:
        session.connection().execute(insert(table_of(model)), rows)


def insert_with_ids(session: Session, model: type[SQLModel], rows: Sequence[Row], *, key: Sequence[str]) -> list[int]:
    """The same, and the ids of the new rows in the order given, found by the columns that tell them apart."""
    if not rows:
        return []
    table = table_of(model)
    statement = insert(table).returning(table.c.id, *(table.c[name] for name in key))
    found = session.connection().execute(statement, rows)
    ids = {tuple(values): id_ for id_, *values in found}
    return [ids[tuple(row[name] for name in key)] for row in rows]
