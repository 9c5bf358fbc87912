"""The return path of a mail: an address of its own, signed, so that nobody else can make a mail come back."""

import hashlib
import hmac
import re
from dataclasses import dataclass

from registry.config import Settings
from registry.security.keys import KeyRing

_PURPOSE = "return path"
_DIGITS = 16
# Some servers write the whole address in capitals.
_SIGNED = re.compile(
    rf"(?P<mailbox>[^\s@+]+)\+(?P<id>[0-9]{{1,10}})-(?P<signature>[0-9a-f]{{{_DIGITS}}})@(?P<domain>[^\s@]+)"
)


@dataclass(frozen=True)
class ReturnPath:
    """What an address says of itself: which mail it belongs to, and a signature that nobody has checked yet."""

    reminder_id: int
    signature: str

    def is_signed(self, keys: KeyRing, *, recipient: str) -> bool:
        """Whether the registry made it for this mail to this address; for an earlier address it counts no more."""
        made = (_signature(key, self.reminder_id, recipient) for key in keys.derive_each(_PURPOSE))
        return any(hmac.compare_digest(each, self.signature) for each in made)


def envelope_sender(settings: Settings, keys: KeyRing, *, reminder_id: int, recipient: str) -> str:
    """Where a mail goes when it comes back: to an address of its own, or where nobody wants that, to the sender."""
    address = settings.bounces.address
    if not address:
        return settings.mail.sender
    return return_path(address, keys, reminder_id=reminder_id, recipient=recipient)


def return_path(bounce_address: str, keys: KeyRing, *, reminder_id: int, recipient: str) -> str:
    """The address that one mail to one recipient comes back to."""
    mailbox, _, domain = bounce_address.partition("@")
    signature = _signature(keys.derive_current(_PURPOSE), reminder_id, recipient)
    return f"{mailbox}+{reminder_id}-{signature}@{domain}"


def read_return_path(address: str, *, bounce_address: str) -> ReturnPath | None:
    """What an address says, or None when it is not written as one of ours."""
    found = _SIGNED.fullmatch(address.lower())
    if found is None or f"{found['mailbox']}@{found['domain']}" != bounce_address.lower():
        return None
    return ReturnPath(int(found["id"]), found["signature"])


def _signature(key: bytes, reminder_id: int, recipient: str) -> str:
    # With the recipient: a mail that comes back late must not speak against an address that was put right meanwhile.
    signed = f"{reminder_id} {recipient.lower()}"
    return hmac.digest(key, signed.encode(), hashlib.sha256).hex()[:_DIGITS]
