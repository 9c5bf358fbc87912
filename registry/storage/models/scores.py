"""Scores as narrow rows, from which reports count: all of it follows from the answers and can be made anew."""

from datetime import date

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel


class Stratum(SQLModel, table=True):
    """One combination of everything by which an unadjusted report can be split; once made it never changes."""

    __tablename__ = "stratum"
    __table_args__ = (UniqueConstraint("site_id", "is_first", "groups"),)

    id: int = Field(default=None, primary_key=True)
    site_id: int
    is_first: bool
    """Whether the operations of it are the first that was performed on their patient."""
    groups: str
    """The group of each grouping in which the patient has one: JSON with its keys in order."""


class ScoredOperation(SQLModel, table=True):
    """A performed operation and its stratum, whether or not a score belongs to it."""

    __tablename__ = "scored_operation"
    __table_args__ = (
        Index("ix__scored_operation__patient_id", "patient_id"),
        # Alone, so that counting how many are enrolled reads nothing else.
        Index("ix__scored_operation__stratum_id", "stratum_id"),
        *(
            Index(
                f"ix__scored_operation__{column}",
                column,
                "patient_id",
                sqlite_where=text(f"{column} IS NOT NULL"),
                postgresql_where=text(f"{column} IS NOT NULL"),
            )
            for column in ("holds_after", "holds_until")
        ),
    )

    # No foreign keys here nor below: what follows from other rows must never stand in their way.
    operation_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    patient_id: int
    stratum_id: int
    holds_after: date | None = None
    """The last day on which the patient's rows were others, because a form that was never sent was still open."""
    holds_until: date | None = None
    """The last day on which they are these: the day after, a form that is not sent counts as it stands."""


class Score(SQLModel, table=True):
    """The score of an operation, an item and a timepoint that counts."""

    __tablename__ = "score"
    __table_args__ = (
        Index("ix__score__counted", "item", "timepoint", "stratum_id", "before", "score"),
        {"sqlite_with_rowid": False},
    )

    operation_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    item: str = Field(max_length=20, primary_key=True)
    timepoint: str = Field(max_length=10, primary_key=True)
    stratum_id: int
    before: int | None = None
    """The operation's score before it, beside that of every later timepoint."""
    score: int


class StalePatient(SQLModel, table=True):
    """A patient of whom something has changed since the rows above were made; written by triggers alone."""

    __tablename__ = "stale_patient"
    __table_args__ = ({"sqlite_with_rowid": False},)

    patient_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    changed_in: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """The transaction, so that two of them never wait for each other here; 0 on SQLite, which has one at a time."""
