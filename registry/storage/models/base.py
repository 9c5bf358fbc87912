"""What every table shares: the naming of constraints, and enumerations stored as their lower-case values."""

from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Enum, Table
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix__%(table_name)s__%(column_0_N_name)s",
    "uq": "uq__%(table_name)s__%(column_0_N_name)s",
    "ck": "ck__%(table_name)s__%(constraint_name)s",
    "fk": "fk__%(table_name)s__%(column_0_N_name)s__%(referred_table_name)s",
    "pk": "pk__%(table_name)s",
}


def one_of(kind: type[StrEnum], name: str, **options: Any) -> Any:
    """A column that holds a value of a closed list; the database refuses any other."""
    column_type = Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
    return Field(sa_type=column_type, **options)


def table_of(model: type[SQLModel]) -> Table:
    """The table behind a model, for statements that return rows and no objects."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]
