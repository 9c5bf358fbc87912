"""Whether a name could smuggle a header into a mail: tried once, before the first mail of a process."""

from email.headerregistry import Address
from email.parser import BytesParser

from registry.domain.errors import RegistryError
from registry.mail.writing import UnsafeHeader, header, safe

# The standard library of some versions turns each of these into a header of its own.
HOSTILE = (
    "A =?UTF-8?Q?=0A?=Bcc: injected@example.com",
    "A =?utf-8?b?Cg==?=Bcc: injected@example.com",
    "A\r\nBcc: injected@example.com",
    "A\nBcc: injected@example.com",
    "A\rBcc: injected@example.com",
    "A\u2028Bcc: injected@example.com",
    "A\x0bBcc: injected@example.com",
)


class MailsUnsafe(RegistryError):
    """A mail could be sent to somebody whom nobody chose."""


def refuse_unsafe_mails() -> None:
    """Raise when a hostile name gets into a header in any way but as its words."""
    for value in HOSTILE:
        try:
            name = safe(value)
            written = header("Subject", name) + header("From", Address(display_name=name, addr_spec="a@example.org"))
        except UnsafeHeader:
            continue
        if BytesParser().parsebytes(written + b"\r\n").keys() != ["Subject", "From"]:
            raise MailsUnsafe("a name can add a header to a mail: nothing is sent; use another release of Python")
