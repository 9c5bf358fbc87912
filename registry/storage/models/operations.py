"""Operations, and the classifications by which patients are compared."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from registry.domain.vocabularies import Evidence, OperationState, Region
from registry.storage.models.base import one_of


class Operation(SQLModel, table=True):
    """One operation of a patient; `operated_on` is its day 0."""

    __tablename__ = "operation"
    __table_args__ = (
        CheckConstraint("(state = 'performed') = (operated_on IS NOT NULL)", name="performed_has_its_day"),
        CheckConstraint("state <> 'planned' OR planned_on IS NOT NULL", name="planned_has_its_day"),
        Index("ix__operation__patient_id", "patient_id"),
    )

    id: int = Field(default=None, primary_key=True)
    patient_id: int = Field(foreign_key="patient.id")
    state: OperationState = one_of(OperationState, "state_known")
    planned_on: date | None = None
    operated_on: date | None = None
    region: Region = one_of(Region, "region_known")
    procedure: str = Field(max_length=100)
    recorded_at: datetime


class Classification(SQLModel, table=True):
    """To which group of a grouping a patient belongs, who said so, on which evidence and when."""

    __tablename__ = "classification"
    __table_args__ = (
        Index(
            "uq__classification__current",
            "patient_id",
            "grouping_code",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True)
    patient_id: int = Field(foreign_key="patient.id")
    grouping_code: str = Field(max_length=40)
    group_code: str = Field(max_length=40)
    evidence: Evidence = one_of(Evidence, "evidence_known")
    assessed_on: date | None = None
    assessed_by: str = Field(default="", max_length=200)
    recorded_at: datetime
    superseded_at: datetime | None = None
    """When a later classification took its place; the earlier one is kept."""
