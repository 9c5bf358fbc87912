"""The settings of mails that come back."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from registry.config_problems import an_address

# What a signed return path adds: a plus sign, the number of a mail, a hyphen and 16 digits, within 64 characters.
LONGEST_BOUNCE_MAILBOX = 36


def _with_room_for_a_signature(value: str) -> str:
    if "+" in value or len(value.partition("@")[0]) > LONGEST_BOUNCE_MAILBOX:
        raise ValueError(
            f"must have at most {LONGEST_BOUNCE_MAILBOX} characters and no + before the @; a signature is added there"
        )
    return value


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


class BounceSettings(BaseModel):
    """Where mails come back to, and where they are read: in a folder, or in a mailbox by IMAP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[str, AfterValidator(an_address), AfterValidator(_with_room_for_a_signature)] = ""
    folder: Annotated[Path | None, BeforeValidator(_empty_is_none)] = None
    host: str = ""
    port: int = Field(993, ge=1, le=65535)
    tls: Literal["starttls", "tls", "none"] = "tls"
    user: str = ""
    password: str = Field("", repr=False)
    mailbox: str = Field("INBOX", pattern=r"^[!#-\[\]-~]([ !#-\[\]-~]*[!#-\[\]-~])?$")

    @property
    def are_read(self) -> bool:
        """Whether there is a place where the registry reads returned mails."""
        return bool(self.folder or self.host)

    @model_validator(mode="after")
    def _check_source(self) -> "BounceSettings":
        if self.folder and self.host:
            raise ValueError("bounces: give a folder or a host, not both")
        if self.are_read and not self.address:
            raise ValueError("bounces.address: give the address that mails come back to; without it none is believed")
        return self
