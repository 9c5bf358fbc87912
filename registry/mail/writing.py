"""How headers and parts become bytes: as the standard library writes them, which is asked once for what repeats."""

import base64
import binascii
import re
from email.errors import MessageError
from email.headerregistry import Address

from registry.domain.errors import RegistryError
from registry.mail.policy import POLICY

LONGEST_LINE = 76
_ASCII = bytes(range(128))
# Anything that a header could be split at, turned around with, or smuggled through an encoded word.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]|=\?")
# Nobody reads anything else into these than an address: every other one is left to the standard library.
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
# What the standard library raises for odd values, some of it by accident.
_STUMBLES = (ValueError, MessageError, AttributeError, IndexError, TypeError)
_PLAIN_ID = re.compile(rf"<{_PLAIN_ADDRESS.pattern}>")


class UnsafeHeader(RegistryError):
    """A value for a mail header holds characters that could change the mail."""


def safe(value: str) -> str:
    """A value that can stand in a header, or a refusal."""
    if _UNSAFE.search(value):
        raise UnsafeHeader("a mail header would hold control characters or an encoded word")
    return value


def recipient_header(value: str) -> bytes:
    """To whom a mail goes: one address that any server takes, nobody beside it, nothing beyond ASCII."""
    if _PLAIN_ADDRESS.fullmatch(value):
        return _short("To", value) or header("To", value)
    try:
        is_plain = Address(addr_spec=safe(value)).addr_spec == value and value.isascii()
    except _STUMBLES:
        is_plain = False
    if not is_plain:
        raise UnsafeHeader("the address is not one that a mail can be sent to")
    return header("To", value)


def id_header(value: str) -> bytes:
    """The Message-ID, without asking the standard library for each."""
    return (_PLAIN_ID.fullmatch(value) and _short("Message-ID", value)) or header("Message-ID", safe(value))


def list_header(name: str, value: str) -> bytes:
    """A List-* header on its one line, as the policy writes it."""
    try:
        return f"{name}: {safe(value)}\r\n".encode("ascii")
    except UnicodeEncodeError:
        raise UnsafeHeader(f"{name} would hold other than ASCII") from None


def header(name: str, value: str | Address) -> bytes:
    """Any header, as the policy writes it."""
    try:
        return POLICY.fold_binary(*POLICY.header_store_parse(name, value))
    except _STUMBLES:
        raise UnsafeHeader(f"{name} cannot be written") from None


def _short(name: str, value: str) -> bytes | None:
    line = f"{name}: {value}"
    return f"{line}\r\n".encode() if len(line) <= LONGEST_LINE else None


def part(subtype: str, text: str) -> bytes:
    """A part of a mail with its headers, in the first encoding that any relay leaves alone: as it is, Q or base64."""
    lines = text.encode().splitlines()
    encoding, body = _encoded(b"\r\n".join(lines) + b"\r\n", max(map(len, lines), default=0))
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n'
    return f"{head}\r\n".encode() + body


def _encoded(body: bytes, longest_line: int) -> tuple[str, bytes]:
    if body.isascii() and longest_line <= LONGEST_LINE:
        return "7bit", body
    # Q stays readable, and makes three bytes of each that is not ASCII; base64 makes four of any three.
    if 6 * len(body.translate(None, _ASCII)) <= len(body):
        return "quoted-printable", binascii.b2a_qp(body, istext=True)
    return "base64", base64.encodebytes(body).replace(b"\n", b"\r\n")
