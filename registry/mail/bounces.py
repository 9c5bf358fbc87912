"""Mails that came back, read: delivery reports (RFC 3464) and what else reaches the address that mails return to.

Whoever sends to that address decides what is read here, so nothing in it is believed: it only says which kind of mail
this is, at which addresses it arrived, and which mail it is about.
"""

import email
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from enum import StrEnum

from registry.mail.failures import Severity, severity_of, status_in

LONGEST_BYTES = 1_000_000
"""A longer mail is no report about one of ours, which have some ten thousand."""
_LONGEST_TEXT = 20_000
_DEEPEST = 5

_ARRIVED_AT = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Rcpt-To", "To", "Cc")
_ADDRESS = re.compile(r"[^\s<>,;:\"()]{1,64}@[^\s<>,;:\"()]{1,255}")
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^<>\s]{1,200}>)", re.IGNORECASE | re.MULTILINE)

_MACHINE = re.compile(r"mailer-daemon|postmaster|mail delivery (sub)?system", re.IGNORECASE)
_TEXT_REPORT = re.compile(
    r"^Hi\. This is the \S* ?qmail"
    r"|this message was created automatically by mail delivery software"
    r"|----- the following addresses had"
    r"|^the user\(s\) account is|^each of the following recipients was rejected"
    r"|(送信|配信|配送)できませんでした",
    re.IGNORECASE | re.MULTILINE,
)
_STILL_TRYING = re.compile(
    r"warning message only|will be retried|has been delayed|not yet been delivered", re.IGNORECASE
)
_AUTOMATIC = {"bulk", "auto_reply", "junk", "list"}

# What Python's parser raises where it should note a defect: parameters that are numbered and not numbered at once, or
# in a codec whose name is none or which refuses every byte; parts inside parts without end.
_STUMBLES = (MessageError, LookupError, ValueError, TypeError, RecursionError)


class Kind(StrEnum):
    """What a mail at the return address is."""

    FAILED = "failed"
    PASSING = "passing"
    """A report that the mail is delayed, or has arrived."""
    AUTO_REPLY = "auto_reply"
    OTHER = "other"
    """Perhaps written by a person."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Returned:
    """A mail at the return address, as far as its sender may be believed, which is not at all."""

    kind: Kind
    arrived_at: tuple[str, ...] = ()
    severity: Severity | None = None
    status: str = ""
    message_id: str | None = None
    """Of the mail that came back, where the report repeats it."""


_UNREADABLE = Returned(Kind.UNREADABLE)


@dataclass(frozen=True)
class _Failure:
    severity: Severity
    status: str


def read_returned(content: bytes) -> Returned:
    """Read a mail; whatever its bytes are, this never fails."""
    if len(content) > LONGEST_BYTES:
        return _UNREADABLE
    try:
        return _read(email.message_from_bytes(content))
    except _STUMBLES:
        return _UNREADABLE


def _read(message: Message) -> Returned:
    parts = list(_parts(message, _DEEPEST))
    reports = [part for part in parts if part.get_content_type() == "message/delivery-status"]
    if reports:
        return _delivery_report(message, [group for part in reports for group in _groups(part)], parts)
    text = _text(parts)
    if _is_from_machine(message) and _TEXT_REPORT.search(text):
        return _text_report(message, text, parts)
    return Returned(Kind.AUTO_REPLY if _is_automatic(message) else Kind.OTHER)


def _parts(message: Message, depth: int) -> Iterator[Message]:
    """The parts of a mail; those of the mail inside it, which came back, are not its own."""
    if message.get_content_maintype() == "multipart" and message.is_multipart() and depth:
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _parts(part, depth - 1)
    else:
        yield message


def _groups(report: Message) -> Iterator[Mapping[str, str]]:
    """The fields of a delivery report, block by block."""
    blocks = report.get_payload()
    for block in blocks if isinstance(blocks, list) else []:
        if isinstance(block, Message):
            yield {name.lower(): str(value) for name, value in block.items()}


def _delivery_report(message: Message, groups: list[Mapping[str, str]], parts: list[Message]) -> Returned:
    actions = {group.get("action", "").strip().lower() for group in groups}
    failures = [_failure(group) for group in groups if group.get("action", "").strip().lower() == "failed"]
    # A mailbox that passes mails on to two places has the mail when one of them has it.
    if failures and not actions & {"delivered", "relayed", "expanded"}:
        worst = min(failures, key=lambda failure: list(Severity).index(failure.severity))
        return _failed(message, worst, parts)
    return Returned(Kind.PASSING if actions - {""} else Kind.OTHER, _arrived_at(message))


def _failure(group: Mapping[str, str]) -> _Failure:
    # Folded by some servers in the middle of a phrase.
    diagnosis = " ".join(group.get("diagnostic-code", "").split())
    status = status_in(group.get("status", ""), diagnosis)
    return _Failure(severity_of(status, diagnosis), status)


def _text_report(message: Message, text: str, parts: list[Message]) -> Returned:
    """A report in prose: that the mail did not arrive is all that is believed, and never that the address is dead."""
    if _STILL_TRYING.search(text):
        return Returned(Kind.PASSING, _arrived_at(message))
    return _failed(message, _Failure(Severity.SOFT, status_in("", text)), parts)


def _failed(message: Message, failure: _Failure, parts: list[Message]) -> Returned:
    return Returned(Kind.FAILED, _arrived_at(message), failure.severity, failure.status, _message_id(parts))


def _arrived_at(message: Message) -> tuple[str, ...]:
    values = [str(value) for name in _ARRIVED_AT for value in message.get_all(name, [])]
    return tuple(dict.fromkeys(address for value in values for address in _ADDRESS.findall(value)))


def _message_id(parts: list[Message]) -> str | None:
    """The Message-ID of the mail that came back, from its copy or from what a report in prose repeats."""
    for part in parts:
        # Not of a text, which would be read by whatever codec it names.
        copy = part.get_payload() if part.is_multipart() else None
        if isinstance(copy, list) and copy and isinstance(copy[0], Message) and copy[0].get("Message-ID"):
            return str(copy[0]["Message-ID"]).strip()
        found = _MESSAGE_ID.search(_bytes(part))
        if found:
            return found.group(1).decode("ascii", errors="replace")
    return None


def _text(parts: list[Message]) -> str:
    """The first text of a mail, in whatever encoding."""
    for part in parts:
        if part.get_content_type() == "text/plain":
            return _decoded(_bytes(part)[:_LONGEST_TEXT], part)
    return ""


def _decoded(content: bytes, part: Message) -> str:
    try:
        return content.decode(part.get_content_charset() or "utf-8", errors="replace")
    except (LookupError, ValueError):
        # A codec that nobody knows, whose name is no name, or that minds the bytes all the same.
        return content.decode("utf-8", errors="replace")


def _bytes(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _is_from_machine(message: Message) -> bool:
    return _has_no_sender(message) or _MACHINE.search(str(message.get("From", ""))) is not None


def _has_no_sender(message: Message) -> bool:
    return str(message.get("Return-Path", "")).strip() == "<>"


def _is_automatic(message: Message) -> bool:
    """Whether a program answered: an absence, a receipt, a mailing list (RFC 3834)."""
    submitted = str(message.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    precedence = str(message.get("Precedence", "")).strip().lower()
    is_receipt = message.get_content_type() == "multipart/report"
    return submitted != "no" or precedence in _AUTOMATIC or is_receipt or _has_no_sender(message)
