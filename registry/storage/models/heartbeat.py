"""The scheduler's sign of life."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint
from sqlmodel import Field, SQLModel


class Heartbeat(SQLModel, table=True):
    """One row, which the scheduler writes every minute."""

    __tablename__ = "heartbeat"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: int = Field(default=1, primary_key=True)
    beat_at: datetime | None = None
    bounces_unread_since: datetime | None = None
    """Since when returned mails cannot be read."""
    alarms: list[str] = Field(default_factory=list, sa_type=JSON)
    """What the scheduler found wrong with the mails when it last looked."""
