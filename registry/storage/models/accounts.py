"""Staff and their sessions."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from registry.domain.vocabularies import StaffRole
from registry.storage.models.base import one_of


class Staff(SQLModel, table=True):
    """A member of staff of one site."""

    __tablename__ = "staff"

    id: int = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    sign_in_name: str = Field(max_length=100, unique=True)
    display_name: str = Field(max_length=200)
    role: StaffRole = one_of(StaffRole, "role_known")
    password_hash: str = Field(max_length=200)
    is_active: bool = True
    created_at: datetime


class StaffSession(SQLModel, table=True):
    """One sign-in: only the hash of the browser's secret is kept."""

    __tablename__ = "staff_session"

    id: int = Field(default=None, primary_key=True)
    staff_id: int = Field(foreign_key="staff.id", index=True)
    secret_hash: str = Field(max_length=64, unique=True)
    started_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None = None
