"""How a mail leaves: by SMTP, or as a file in a folder; each way says what became of it."""

import os
import re
import smtplib
import ssl
from email.errors import MessageError
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from registry.config import MailSettings
from registry.domain.errors import RegistryError

CONNECT_TIMEOUT_SECONDS = 15
# A shorter wait for the reply to the end of the data turns accepted mails into copies.
DATA_TIMEOUT_SECONDS = 600


class MailFailure(RegistryError):
    """A mail did not leave."""


class TryLater(MailFailure):
    """Nothing was accepted, and the same mail may be accepted later."""


class Refused(MailFailure):
    """The server refuses this mail for good."""


class OutcomeUnknown(MailFailure):
    """The connection broke after the whole mail was on its way: it may or may not have been accepted."""


class Transport(Protocol):
    """A way for mails to leave."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def send(self, message: EmailMessage, *, recipient: str) -> None:
        """Hand one mail over, or raise one of the failures above."""


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

    def send(self, message: EmailMessage, *, recipient: str) -> None:
        """Write the mail beside its place and move it there, so that nobody reads half a mail."""
        name = re.sub(r"[^A-Za-z0-9.-]", "", message["Message-ID"].partition("@")[0])
        try:
            self._write(name, message.as_bytes())
        except OSError as error:
            raise TryLater(_reason(error)) from None

    def _write(self, name: str, content: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.folder / f".{name}"
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.folder / f"{name}.eml")


class SmtpTransport:
    """Sends over one kept connection, which is opened again after it was lost."""

    def __init__(self, settings: MailSettings) -> None:
        self.settings = settings
        self._connection: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def send(self, message: EmailMessage, *, recipient: str) -> None:
        """Send one mail to its one recipient; which stage fails decides what is known of it."""
        content = _content(message)
        connection = self._connected()
        try:
            self._envelope(connection, recipient)
        except (smtplib.SMTPException, OSError) as error:
            self._close()
            raise TryLater(_reason(error)) from None
        except ValueError:
            self._close()
            raise Refused("the address cannot be written in SMTP") from None
        try:
            connection.send(content)
            answer = connection.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self._close()
            raise OutcomeUnknown(_reason(error)) from None
        self._expect(2, answer)

    def _envelope(self, connection: smtplib.SMTP, recipient: str) -> None:
        """Everything before the first byte of the mail: until here nothing can have been accepted."""
        code, reply = connection.mail(self.settings.sender)
        if code // 100 != 2:
            # The server minds the sender, which says nothing about this patient.
            self._close()
            raise TryLater(f"{code} {_without_addresses(reply.decode(errors='replace'))}")
        self._expect(2, connection.rcpt(recipient))
        self._expect(3, connection.docmd("DATA"))

    def _expect(self, kind: int, answer: tuple[int, bytes]) -> None:
        code, reply = answer
        if code // 100 != kind:
            self._close()
            raise _refusal(code, reply)

    def _connected(self) -> smtplib.SMTP:
        if self._connection is None:
            try:
                self._connection = _connect(self.settings)
            except (smtplib.SMTPException, OSError) as error:
                raise TryLater(_reason(error)) from None
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.quit()
            except (smtplib.SMTPException, OSError):
                connection.close()


def _connect(settings: MailSettings) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if settings.tls == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.host, settings.port, timeout=CONNECT_TIMEOUT_SECONDS, context=context
        )
    else:
        connection = smtplib.SMTP(settings.host, settings.port, timeout=CONNECT_TIMEOUT_SECONDS)
    try:
        if settings.tls == "starttls":
            connection.starttls(context=context)
        connection.ehlo_or_helo_if_needed()
        if settings.user:
            connection.login(settings.user, settings.password)
    except (smtplib.SMTPException, OSError):
        connection.close()
        raise
    if connection.sock is not None:
        connection.sock.settimeout(DATA_TIMEOUT_SECONDS)
    return connection


def _content(message: EmailMessage) -> bytes:
    """The mail as it goes over the line, with the end of the data; refused when it cannot be written at all."""
    try:
        written = message.as_bytes()
    except (ValueError, MessageError):
        raise Refused("the mail cannot be written") from None
    ending = b"" if written.endswith(b"\r\n") else b"\r\n"
    # A line that begins with a full stop gets a second one, which the server takes away again.
    return re.sub(rb"^\.", b"..", written, flags=re.MULTILINE) + ending + b".\r\n"


def _refusal(code: int, reply: bytes | str) -> MailFailure:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    kind = TryLater if code // 100 == 4 or "5.4.4" in text else Refused
    return kind(f"{code} {_without_addresses(text)}")


def _reason(error: Exception) -> str:
    return _without_addresses(f"{type(error).__name__}: {error}")


def _without_addresses(text: str) -> str:
    """Servers repeat the recipient in their replies; no log or table needs it."""
    return re.sub(r"\S+@\S+", "(address)", text)[:300]
