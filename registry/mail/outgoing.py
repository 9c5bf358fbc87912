"""A mail as it leaves: its bytes, and the name by which a second copy of it is recognised."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import Policy
from typing import cast

from registry.mail.policy import POLICY


@dataclass(frozen=True)
class Outgoing:
    """A whole mail, its lines ended as SMTP ends them."""

    message_id: str
    content: bytes

    def parsed(self) -> EmailMessage:
        """The mail as a program reads it, for whoever looks at its parts."""
        return BytesParser(_class=EmailMessage, policy=cast("Policy[EmailMessage]", POLICY)).parsebytes(self.content)
