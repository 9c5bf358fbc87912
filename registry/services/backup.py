"""Back-ups: a copy made while the registry runs, checked before it gets its name."""

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from registry.domain.errors import RegistryError
from registry.storage.database import Database

# Rows of this table are only ever added: a copy made between two counts lies between them.
_ONLY_GROWS = "audit_event"


class BackupFailed(RegistryError):
    """No back-up was made; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class BackupResult:
    """A checked copy, and how to recognise it later."""

    file: Path
    made_at: datetime
    n_bytes: int
    sha256: str
    n_rows: Mapping[str, int]
    """Rows of each table in the copy."""


def back_up(*, database: Database, file: Path, now: datetime) -> BackupResult:
    """Copy the registry to a new file while it is in use; the file appears only once the copy has been checked."""
    if not database.is_sqlite:
        raise BackupFailed(
            "the registry is on PostgreSQL: back it up with pg_dump, such as "
            f"pg_dump --format=custom --file={file} {database.url.database}"
        )
    _refuse_unfit(file)
    with _draft_beside(file) as draft:
        n_rows = _copy(Path(database.url.database or ""), draft)
        _to_disk(draft)
        n_bytes, digest = _measure(draft)
        _give_name(draft, file)
    return BackupResult(file=file, made_at=now, n_bytes=n_bytes, sha256=digest, n_rows=n_rows)


def check_copy(file: Path) -> Mapping[str, int]:
    """The rows of each table of a copy; raises when the copy is damaged or a row points to one that is missing."""
    # Nobody writes to a copy: without this, opening it would leave files beside it.
    address = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as copy:
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(10)")]
            if found != ["ok"]:
                raise BackupFailed(f"the copy is damaged: {found[0]}")
            orphan = copy.execute("PRAGMA foreign_key_check").fetchone()
            if orphan is not None:
                raise BackupFailed(f"the copy is not whole: {orphan[0]} points to a missing {orphan[2]}")
            return _n_rows(copy)
    except sqlite3.DatabaseError as error:
        raise BackupFailed(f"the copy is damaged: {error}") from None


def _refuse_unfit(file: Path) -> None:
    if file.exists() or file.is_symlink():
        raise BackupFailed(f"{file} exists already; a back-up never replaces a file")
    if not file.parent.is_dir():
        raise BackupFailed(f"there is no folder {file.parent}")


@contextmanager
def _draft_beside(file: Path) -> Iterator[Path]:
    """An empty file that only its owner may read, under another name, gone at the end whatever happens."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
    except OSError as error:
        raise BackupFailed(f"{file} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def _copy(source: Path, draft: Path) -> Mapping[str, int]:
    """Copy and check; writers go on meanwhile, so the audit trail tells whether the copy is of this moment.

    VACUUM INTO copies one state of the database, but takes it itself: no transaction of ours can hold that state
    still to be counted. The counts of the copy are therefore its own; against the source stands the audit trail.
    """
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)) as registry:
            registry.execute("PRAGMA busy_timeout = 10000")
            before = _n_rows(registry)
            registry.execute("VACUUM INTO ?", (str(draft),))
            after = _n_rows(registry)
    except sqlite3.Error as error:
        raise BackupFailed(f"{source} cannot be copied: {error}") from None
    copied = check_copy(draft)
    if copied.keys() != after.keys():
        raise BackupFailed("the copy does not have the tables of the registry")
    if not before.get(_ONLY_GROWS, 0) <= copied.get(_ONLY_GROWS, 0) <= after.get(_ONLY_GROWS, 0):
        raise BackupFailed("the copy does not have the rows of the registry")
    return copied


def _n_rows(connection: sqlite3.Connection) -> Mapping[str, int]:
    """Rows by table."""
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall()
    quoted = {name: name.replace('"', '""') for (name,) in tables}
    return {
        name: connection.execute(f'SELECT count(*) FROM "{identifier}"').fetchone()[0]  # noqa: S608  (quoted)
        for name, identifier in quoted.items()
    }


def _measure(file: Path) -> tuple[int, str]:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return file.stat().st_size, digest


def _give_name(draft: Path, file: Path) -> None:
    """Give the copy its name, unless a file has got it meanwhile, so that a power cut leaves all of it or nothing."""
    try:
        os.link(draft, file)
    except FileExistsError:
        raise BackupFailed(f"{file} exists already; a back-up never replaces a file") from None
    except OSError:
        # Some file systems, such as those of USB sticks, know no second name.
        _refuse_unfit(file)
        draft.rename(file)
    _to_disk(file.parent)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
