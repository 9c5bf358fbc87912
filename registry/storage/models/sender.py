"""Which installation of the registry sends its mails."""

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from registry.domain.sending_guard import Hold
from registry.storage.models.base import one_of


class Sender(SQLModel, table=True):
    """One row: a copy of the database that is opened elsewhere finds that it is not the one, and sends nothing."""

    __tablename__ = "sender"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: int = Field(default=1, primary_key=True)
    instance: str = Field(default="", max_length=64)
    """What the installation that sends is known by; none before the first mail."""
    hold: Hold | None = one_of(Hold, "hold_known", default=None, nullable=True)
    """Why nothing leaves until a person says that it may."""
