"""What is said to a mail server over one connection: a line, its whole reply, and what a reply means."""

import re
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from registry.config import MailSettings
from registry.domain.errors import RegistryError

CONNECT_TIMEOUT_SECONDS = 15
# For each reply until the mail's own: all of them, and the end of the mail, fit into the lease of a claim.
COMMAND_TIMEOUT_SECONDS = 120
# A shorter wait for the reply to the end of the data turns accepted mails into copies.
DATA_TIMEOUT_SECONDS = 600
_GOODBYE_TIMEOUT_SECONDS = 2
_LONGEST_LINE = 8192
_MOST_LINES = 100
# Of the enhanced codes, those that mind what is sent or who sends it, whatever they are an answer to.
_MINDS_US = re.compile(r"5\.(?:7\.\d|1\.[78]\b)")
_MINDS_ADDRESS = re.compile(r"5\.(?:1\.(?:[1236]|10)|2\.[12])\b")
_UNROUTABLE = re.compile(r"5\.4\.4\b")
# A link of ours with or without its beginning, or what could be the token of one.
_LINK = re.compile(r"https?://\S+|\S*/[sm]/\S+|(?<![0-9a-z])[0-9a-z]{26}(?![0-9a-z])", re.IGNORECASE)
# What can stand between the angle brackets of an SMTP command and nowhere else.
_ADDRESS = re.compile(r"[\x20-\x3b\x3d\x3f-\x7e]+")


class MailFailure(RegistryError):
    """A mail did not leave."""


class TryLater(MailFailure):
    """Nothing was accepted, and the same mail may be accepted later."""


class Unwelcome(TryLater):
    """The server minds the content, the sender or us: this says nothing about the patient, and repeats with others."""


class Unreachable(TryLater):
    """No conversation could be begun: any other mail would meet the same."""


class Refused(MailFailure):
    """The server refuses this address for good."""


class OutcomeUnknown(MailFailure):
    """The connection broke after the whole mail was on its way: it may or may not have been accepted."""


class Broken(Exception):
    """The connection is lost, or what came over it is no reply."""


@dataclass(frozen=True)
class Reply:
    """What the server said: a code, and the words after it."""

    code: int
    words: str

    @property
    def kind(self) -> int:
        """The first digit: 2 for done, 3 for go on, 4 for not now, 5 for no."""
        return self.code // 100

    def failure(self, *, blames_address: bool) -> MailFailure:
        """What a reply means that is not the one that was hoped for."""
        return failure_by(self.code, self.words, blames_address=blames_address)


def failure_by(code: int, words: str, *, blames_address: bool) -> MailFailure:
    """A refusal for good minds the address only where the address was asked about, and gives no other reason."""
    said = f"{code} {without_addresses(words)}"
    if code // 100 != 5 or _UNROUTABLE.match(words):
        return TryLater(said)
    is_about_address = not _MINDS_US.match(words) if blames_address else _MINDS_ADDRESS.match(words)
    return Refused(said) if is_about_address else Unwelcome(said)


def reason_of(error: Exception) -> str:
    """An accident in words that name nobody."""
    return without_addresses(f"{type(error).__name__}: {error}")


def without_addresses(text: str) -> str:
    """Servers repeat the recipient in their replies, and filters the link that they mind; no log needs either."""
    named = _LINK.sub("(link)", re.sub(r"\S+@\S+", "(address)", text))[:300]
    # PostgreSQL keeps no NUL, and a log line must stay one.
    return "".join(character if character.isprintable() else " " for character in named)


class Conversation:
    """One connection after the greetings; every reply is read to its end, or the connection counts as lost."""

    def __init__(self, connection: smtplib.SMTP) -> None:
        if connection.sock is None:
            raise TryLater("the connection was closed")
        self._connection, self._socket = connection, connection.sock
        self._lines: BinaryIO = self._socket.makefile("rb")
        self._socket.settimeout(COMMAND_TIMEOUT_SECONDS)
        self._takes_several = connection.has_extn("pipelining")
        self.n_mails = 0

    def say(self, *commands: str) -> Iterator[Reply]:
        """Commands, and the reply to each: all at once to a server that says it takes them so, or one after another."""
        lines = [command.encode("ascii") + b"\r\n" for command in commands]
        if self._takes_several:
            self._send(b"".join(lines))
        for line in lines:
            if not self._takes_several:
                self._send(line)
            yield self._reply()

    def hand_over(self, content: bytes) -> Reply:
        """The whole mail and the reply to its end; once the end is on its way, only a whole reply tells of its fate."""
        self._socket.settimeout(DATA_TIMEOUT_SECONDS)
        self._send(content)
        try:
            reply = self._reply()
        except Broken as error:
            raise OutcomeUnknown(str(error)) from None
        finally:
            self._socket.settimeout(COMMAND_TIMEOUT_SECONDS)
        if reply.kind == 3:
            raise OutcomeUnknown(f"{reply.code} is no answer to a mail")
        return reply

    def close(self) -> None:
        """Say goodbye, and wait for no answer: what became of the mails is known by now."""
        try:
            self._socket.settimeout(_GOODBYE_TIMEOUT_SECONDS)
            self._socket.sendall(b"QUIT\r\n")
        except OSError:
            pass
        finally:
            self._lines.close()
            self._connection.close()

    def _send(self, content: bytes) -> None:
        try:
            self._socket.sendall(content)
        except OSError as error:
            raise Broken(reason_of(error)) from None

    def _reply(self) -> Reply:
        words = []
        for _ in range(_MOST_LINES):
            line = self._next_line()
            if not line.endswith(b"\n"):
                raise Broken("the reply ended in the middle" if line else "the server hung up")
            if not re.match(rb"[2-5]\d\d[ \r\n-]", line):
                raise Broken("the reply is not SMTP")
            words.append(line[4:].decode(errors="replace").strip())
            if line[3:4] != b"-":
                return Reply(int(line[:3]), " ".join(words))
        raise Broken("the reply does not end")

    def _next_line(self) -> bytes:
        try:
            return self._lines.readline(_LONGEST_LINE)
        except OSError as error:
            raise Broken(reason_of(error)) from None


def begin(settings: MailSettings) -> Conversation:
    """Connect, make the connection safe and sign in, as the settings say; whatever fails here, no mail was accepted."""
    try:
        return Conversation(_connect(settings))
    except smtplib.SMTPResponseException as error:
        words = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        failure = failure_by(error.smtp_code, words, blames_address=False)
        raise failure if isinstance(failure, Unwelcome) else Unreachable(str(failure)) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Unreachable(reason_of(error)) from None


def _connect(settings: MailSettings) -> smtplib.SMTP:
    server = (settings.host, settings.port)
    if settings.tls == "tls":
        context = ssl.create_default_context()
        connection: smtplib.SMTP = smtplib.SMTP_SSL(*server, timeout=CONNECT_TIMEOUT_SECONDS, context=context)
    else:
        connection = smtplib.SMTP(*server, timeout=CONNECT_TIMEOUT_SECONDS)
    try:
        if settings.tls == "starttls":
            connection.starttls(context=ssl.create_default_context())
        connection.ehlo_or_helo_if_needed()
        if settings.user:
            connection.login(settings.user, settings.password)
    except (smtplib.SMTPException, OSError):
        connection.close()
        raise
    return connection


def envelope_address(value: str) -> str:
    """An address as SMTP writes it; one that could end its command is refused."""
    if not _ADDRESS.fullmatch(value):
        raise Refused("the address cannot be written in SMTP")
    return f"<{value}>"
