"""Links that patients were sent, and the mails that carry them."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from registry.domain.ladder import SkipReason
from registry.storage.models.base import one_of


class LinkPurpose(StrEnum):
    """What a link opens."""

    FORM = "form"
    TABLET = "tablet"
    PREFERENCES = "preferences"


class ReminderKind(StrEnum):
    """Whether a mail belongs to the ladder, or was asked for on the page of a closed link."""

    LADDER = "ladder"
    FRESH_LINK = "fresh_link"


class ReminderState(StrEnum):
    """Where a mail stands; every state but the last four is on its way to one of those."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    SENDING = "sending"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    BOUNCED = "bounced"
    SKIPPED = "skipped"


class AccessLink(SQLModel, table=True):
    """A link: only the hash of its token is kept, so that no copy of the database opens a form."""

    __tablename__ = "access_link"
    __table_args__ = (
        CheckConstraint("(purpose <> 'preferences') = (follow_up_id IS NOT NULL)", name="form_has_its_follow_up"),
        Index("ix__access_link__patient_id_purpose", "patient_id", "purpose"),
        Index("ix__access_link__follow_up_id", "follow_up_id"),
    )

    id: int = Field(default=None, primary_key=True)
    public_id: str = Field(max_length=26, unique=True)
    """What stands in the clean address after the token was taken out of it."""
    purpose: LinkPurpose = one_of(LinkPurpose, "purpose_known")
    patient_id: int = Field(foreign_key="patient.id")
    follow_up_id: int | None = Field(default=None, foreign_key="follow_up.id")
    key_id: str = Field(max_length=16)
    """Which key made the token: the next reminder carries the same one after a rotation."""
    token_hash: str = Field(max_length=64, unique=True)
    issued_at: datetime
    revoked_at: datetime | None = None
    late_until: date | None = None
    """The last day of a link that was asked for after its form had closed."""


class Reminder(SQLModel, table=True):
    """One mail of a follow-up's ladder: planned long before it is sent, kept for ever."""

    __tablename__ = "reminder"
    __table_args__ = (
        UniqueConstraint("follow_up_id", "kind", "rung"),
        CheckConstraint("(state = 'skipped') = (skip_reason IS NOT NULL)", name="skipped_says_why"),
        CheckConstraint("(state IN ('accepted', 'bounced')) = (sent_at IS NOT NULL)", name="accepted_says_when"),
        CheckConstraint("(state = 'bounced') = (bounced_at IS NOT NULL)", name="bounced_says_when"),
        Index(
            "ix__reminder__due",
            "due_on",
            "follow_up_id",
            sqlite_where=text("state = 'planned'"),
            postgresql_where=text("state = 'planned'"),
        ),
        Index(
            "ix__reminder__next_attempt",
            "next_attempt_at",
            sqlite_where=text("next_attempt_at IS NOT NULL"),
            postgresql_where=text("next_attempt_at IS NOT NULL"),
        ),
        Index("ix__reminder__patient_id", "patient_id"),
        *(
            Index(
                f"ix__reminder__{column}",
                column,
                sqlite_where=text(f"{column} IS NOT NULL"),
                postgresql_where=text(f"{column} IS NOT NULL"),
            )
            for column in ("sent_at", "failed_at")
        ),
    )

    id: int = Field(default=None, primary_key=True)
    follow_up_id: int = Field(foreign_key="follow_up.id")
    patient_id: int = Field(foreign_key="patient.id")
    kind: ReminderKind = one_of(ReminderKind, "kind_known", default=ReminderKind.LADDER)
    rung: int
    due_on: date
    state: ReminderState = one_of(ReminderState, "state_known", default=ReminderState.PLANNED)
    skip_reason: SkipReason | None = one_of(SkipReason, "skip_reason_known", default=None, nullable=True)
    fence: int = 0
    """Rises with every claim; whoever marks the row must still hold the number it claimed with."""
    claimed_at: datetime | None = None
    next_attempt_at: datetime | None = None
    """When the row is looked at again: the end of a claim that was never marked, or of a waiting time."""
    n_attempts: int = 0
    first_tried_at: datetime | None = None
    """From when on the days are counted after which nobody tries any longer."""
    access_link_id: int | None = Field(default=None, foreign_key="access_link.id")
    message_id: str | None = Field(default=None, max_length=120, unique=True)
    """Fixed before the first attempt, so that a second copy after a crash can be recognised."""
    sent_at: datetime | None = None
    bounced_at: datetime | None = None
    """When it came back; that it was sent, and when, stays."""
    failed_at: datetime | None = None
    failure: str = Field(default="", max_length=300)
