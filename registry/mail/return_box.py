"""The box that mails come back to: a folder with a file for each, or a mailbox that is read by IMAP.

A mail is put away only after it has had its effect. Whoever is killed in between reads it once more, which changes
nothing; none is lost, and none is deleted.
"""

import imaplib
import logging
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from registry.config_bounces import BounceSettings
from registry.domain.errors import RegistryError
from registry.mail.bounces import LONGEST_BYTES

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


class BoxUnreadable(RegistryError):
    """The mails that came back cannot be read at this moment."""


@dataclass(frozen=True)
class WaitingMail:
    """A mail that nobody has put away; without its content when it is too long, or cannot be read."""

    key: str
    content: bytes | None


class ReturnBox(Protocol):
    """A place where mails come back to."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def waiting(self) -> Iterator[WaitingMail]:
        """The mails that nobody has put away, the oldest name or number first."""

    def put_away(self, mail: WaitingMail, *, is_odd: bool) -> None:
        """Never show a mail again; an odd one is kept where a person finds it."""


def box_of(settings: BounceSettings) -> ReturnBox:
    """The box that the settings name."""
    if settings.folder is not None:
        return FolderBox(settings.folder)
    if not settings.host:
        raise BoxUnreadable("the settings name no place where mails come back to (bounces.folder or bounces.host)")
    return ImapBox(settings)


class FolderBox:
    """A folder with one mail a file, such as the `new` of a Maildir; what was read moves into `done` or `odd`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def waiting(self) -> Iterator[WaitingMail]:
        """The files of the folder; hidden ones are still being written, and links are nobody's mail."""
        try:
            paths = sorted(self.folder.iterdir())
        except OSError as error:
            raise BoxUnreadable(f"bounces.folder: {_reason(error)}") from None
        for path in paths:
            if not path.name.startswith(".") and path.is_file() and not path.is_symlink():
                yield from self._waiting(path)

    def _waiting(self, path: Path) -> Iterator[WaitingMail]:
        try:
            is_short = path.stat().st_size <= LONGEST_BYTES
            yield WaitingMail(path.name, path.read_bytes() if is_short else None)
        except FileNotFoundError:
            # Another reader has put it away meanwhile.
            return
        except OSError:
            yield WaitingMail(path.name, None)

    def put_away(self, mail: WaitingMail, *, is_odd: bool) -> None:
        """Move the file, in one step, and never over another."""
        folder = self.folder / ("odd" if is_odd else "done")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            (self.folder / mail.key).rename(_free_place(folder, mail.key))
        except FileNotFoundError:
            return
        except OSError as error:
            raise BoxUnreadable(f"bounces.folder: {_reason(error)}") from None


def _free_place(folder: Path, name: str) -> Path:
    place, number = folder / name, 1
    while place.exists():
        number += 1
        place = folder / f"{name}.{number}"
    return place


class ImapBox:
    """A mailbox read by IMAP; what was read is marked as answered, and an odd mail with a flag as well.

    Every server keeps these two marks, and a person who opens a mail in the same mailbox sets neither.
    """

    def __init__(self, settings: BounceSettings) -> None:
        self.settings = settings
        self._connection: imaplib.IMAP4 | None = None

    def __enter__(self) -> Self:
        try:
            self._connection = _connect(self.settings)
            self._do("SELECT", self._connection.select, f'"{self.settings.mailbox}"')
        except (imaplib.IMAP4.error, OSError) as error:
            self._close()
            raise BoxUnreadable(f"bounces.host: {_reason(error)}") from None
        except ValueError:
            # Not its own words, which hold a part of the password.
            raise BoxUnreadable("bounces.user and bounces.password: IMAP takes plain letters only") from None
        except BoxUnreadable:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def waiting(self) -> Iterator[WaitingMail]:
        """The mails without the mark, each fetched when its turn has come."""
        found = self._uid("SEARCH", "UNANSWERED", "UNDELETED")
        for uid in (found[0] or b"").split():
            content = self._fetch(uid.decode())
            if content is not None:
                yield content

    def _fetch(self, uid: str) -> WaitingMail | None:
        """One mail; None when it was deleted meanwhile."""
        said = _SIZE.search(_flat(self._uid("FETCH", uid, "(RFC822.SIZE)")))
        if said is None:
            return None
        if int(said.group(1)) > LONGEST_BYTES:
            return WaitingMail(uid, None)
        # PEEK, so that the mail does not count as seen.
        found = [part[1] for part in self._uid("FETCH", uid, "(BODY.PEEK[])") if isinstance(part, tuple)]
        return WaitingMail(uid, found[0]) if found else None

    def put_away(self, mail: WaitingMail, *, is_odd: bool) -> None:
        """Mark the mail in one step; nothing is moved or deleted."""
        self._uid("STORE", mail.key, "+FLAGS.SILENT", r"(\Answered \Flagged)" if is_odd else r"(\Answered \Seen)")

    def _uid(self, command: str, *arguments: str) -> Any:
        connection = self._connection
        if connection is None:
            raise BoxUnreadable("bounces.host: there is no connection")
        return self._do(command, connection.uid, command, *arguments)

    def _do(self, command: str, call: Any, *arguments: str) -> Any:
        try:
            answer, data = call(*arguments)
        except (imaplib.IMAP4.error, OSError) as error:
            raise BoxUnreadable(f"bounces.host: {command}: {_reason(error)}") from None
        if answer != "OK":
            raise BoxUnreadable(f"bounces.host: the server refuses {command}")
        return data

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.logout()
            except (imaplib.IMAP4.error, OSError):
                connection.shutdown()


def _connect(settings: BounceSettings) -> imaplib.IMAP4:
    context = ssl.create_default_context()
    if settings.tls == "tls":
        connection: imaplib.IMAP4 = imaplib.IMAP4_SSL(
            settings.host, settings.port, ssl_context=context, timeout=TIMEOUT_SECONDS
        )
    else:
        connection = imaplib.IMAP4(settings.host, settings.port, timeout=TIMEOUT_SECONDS)
    try:
        if settings.tls == "starttls":
            connection.starttls(context)
        connection.login(settings.user, settings.password)
    except (imaplib.IMAP4.error, OSError, ValueError):
        connection.shutdown()
        raise
    return connection


def _flat(data: Any) -> bytes:
    return b" ".join(part if isinstance(part, bytes) else b"".join(part) for part in data if part)


def _reason(error: Exception) -> str:
    # A server may repeat the name that somebody signs in with, which is an address.
    return re.sub(r"\S+@\S+", "(address)", f"{type(error).__name__}: {error}")[:200]
