"""The digests to staff, so that each goes out once."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from registry.storage.models.base import one_of


class DigestState(StrEnum):
    """Where a digest stands; every state but the first two is final."""

    CLAIMED = "claimed"
    PUT_OFF = "put_off"
    SENT = "sent"
    EMPTY = "empty"
    GIVEN_UP = "given_up"


class Digest(SQLModel, table=True):
    """The digest of a site and day: the row stands before the mail leaves, and only one process can make it."""

    __tablename__ = "digest"
    __table_args__ = (
        UniqueConstraint("site_id", "day"),
        CheckConstraint("n_attempts >= 1", name="attempts_count_from_one"),
        CheckConstraint("(state IN ('claimed', 'put_off')) = (next_attempt_at IS NOT NULL)", name="open_says_when"),
    )

    id: int = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    day: date
    state: DigestState = one_of(DigestState, "state_known", default=DigestState.CLAIMED)
    n_attempts: int = 1
    """Rises with every claim; whoever marks the row must still hold the number it claimed with."""
    next_attempt_at: datetime | None = None
    """When the row is looked at again: the end of a claim that was never marked, or of a waiting time."""
    settled: list[str] = Field(default_factory=list, sa_type=JSON)
    """The recipients for whom nothing more is tried: a server has taken their copy, may have, or never will."""
