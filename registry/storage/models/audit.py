"""The trail of every change."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from registry.domain.actors import ActorKind
from registry.storage.models.base import one_of


class AuditEvent(SQLModel, table=True):
    """Who changed what and when; without foreign keys, so that it never stands in the way of the data."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix__audit_event__subject", "subject", "subject_id"),)

    id: int = Field(default=None, primary_key=True)
    at: datetime
    actor_kind: ActorKind = one_of(ActorKind, "actor_kind_known")
    actor: str = Field(max_length=100)
    action: str = Field(max_length=60)
    subject: str = Field(max_length=40)
    subject_id: int
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """What changed, in codes, dates and ids; never a name, an address or a token."""
