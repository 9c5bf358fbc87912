"""How a mail leaves: by SMTP, or as a file in a folder; each way says what became of it."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from registry.config import MailSettings
from registry.mail.conversation import (
    Broken,
    Conversation,
    MailFailure,
    OutcomeUnknown,
    Refused,
    Reply,
    TryLater,
    Unreachable,
    Unwelcome,
    begin,
    envelope_address,
    reason_of,
)
from registry.mail.outgoing import Outgoing

__all__ = [
    "FolderTransport",
    "MailFailure",
    "OutcomeUnknown",
    "Refused",
    "SmtpTransport",
    "Transport",
    "TryLater",
    "Unreachable",
    "Unwelcome",
    "transport_of",
]

# Servers count what comes over one connection; a new one now and then costs nothing.
MAILS_PER_CONNECTION = 100


class Transport(Protocol):
    """A way for mails to leave, for several threads at once."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def send(self, message: Outgoing, *, recipient: str, sender: str) -> None:
        """Hand one mail over, or raise one of the failures above; the sender is where a returned mail goes."""


def transport_of(settings: MailSettings) -> Transport:
    """The transport that the settings name."""
    return SmtpTransport(settings) if settings.host else FolderTransport(settings.folder)


class FolderTransport:
    """Writes each mail into a folder, under its Message-ID, so that the same mail is the same file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def send(self, message: Outgoing, *, recipient: str, sender: str) -> None:
        """Write the mail beside its place and move it there, so that nobody reads half a mail."""
        name = re.sub(r"[^A-Za-z0-9.-]", "", message.message_id.partition("@")[0])
        try:
            self._write(name, message.content)
        except OSError as error:
            raise TryLater(reason_of(error)) from None

    def _write(self, name: str, content: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.folder / f".{name}"
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.folder / f"{name}.eml")


class SmtpTransport:
    """Sends over kept connections, each used by one mail at a time; there are as many as mails leave at once."""

    def __init__(self, settings: MailSettings) -> None:
        self.settings = settings
        self._idle: list[Conversation] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().close()

    def send(self, message: Outgoing, *, recipient: str, sender: str) -> None:
        """Send one mail to its one recipient; which stage fails decides what is known of it."""
        content = _stuffed(message.content)
        commands = f"MAIL FROM:{envelope_address(sender)}", f"RCPT TO:{envelope_address(recipient)}", "DATA"
        server, replies = self._welcomed(commands)
        try:
            _expect(next(replies), 2, blames_address=True)
            _expect(next(replies), 3)
            _expect(server.hand_over(content), 2)
        except Broken as error:
            server.close()
            raise TryLater(str(error)) from None
        except MailFailure:
            server.close()
            raise
        self._keep(server)

    def _welcomed(self, commands: Sequence[str]) -> tuple[Conversation, Iterator[Reply]]:
        """A connection on which the server has taken the sender; a kept one that was lost meanwhile is replaced."""
        kept = self._kept()
        if kept is not None:
            try:
                return kept, _asked(kept, commands)
            except Unwelcome:
                raise
            except TryLater:
                pass
        server = begin(self.settings)
        return server, _asked(server, commands)

    def _kept(self) -> Conversation | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _keep(self, server: Conversation) -> None:
        server.n_mails += 1
        if server.n_mails < MAILS_PER_CONNECTION:
            self._idle.append(server)
        else:
            server.close()


def _asked(server: Conversation, commands: Sequence[str]) -> Iterator[Reply]:
    """The replies after the first, which was the one that was hoped for."""
    replies = server.say(*commands)
    try:
        _expect(next(replies), 2)
    except Broken as error:
        server.close()
        raise TryLater(str(error)) from None
    except MailFailure:
        server.close()
        raise
    return replies


def _expect(reply: Reply, kind: int, *, blames_address: bool = False) -> None:
    if reply.kind != kind:
        raise reply.failure(blames_address=blames_address)


def _stuffed(content: bytes) -> bytes:
    """The mail as it goes over the line, with its end; a full stop that begins a line gets another one before it."""
    if content.startswith(b".") or b"\n." in content:
        content = re.sub(rb"^\.", b"..", content, flags=re.MULTILINE)
    return content + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")
