"""Connections and transactions: the rules that keep an answer once its receipt was shown."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from registry.domain.errors import RegistryError

__all__ = ["Database", "DatabaseUnusable", "Session"]

# WAL lets readers read while one writes; FULL makes a commit survive a power cut; the rest is law and hygiene.
_SQLITE_RULES = {
    "journal_mode": "wal",
    "synchronous": 2,
    # A long import keeps the others waiting: they wait rather than lose an answer.
    "busy_timeout": 60000,
    "foreign_keys": 1,
    "recursive_triggers": 1,
    "secure_delete": 1,
    "trusted_schema": 0,
    "journal_size_limit": 67108864,
}


class DatabaseUnusable(RegistryError):
    """The database cannot be opened under the rules that protect an answer."""


class Database:
    """The door to the rows: `transaction()` for what changes, `reading()` for what only looks."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url)
        self._reading_engine = self.engine.execution_options(registry_reading=True)
        # SQLite has one writer: waiting here is fair and cheap, waiting for its busy handler is neither.
        self._write_lock: Any = Lock() if self.is_sqlite else nullcontext()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose changes are committed together at the end, or not at all."""
        with self._write_lock, Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only looks, and takes no lock that a writer would wait for."""
        with Session(self._reading_engine, autoflush=False) as session:
            yield session

    def answers(self) -> bool:
        """Whether the database can be read at this moment."""
        try:
            with self.reading() as session:
                session.execute(text("SELECT 1"))
        except OperationalError:
            return False
        return True

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _sqlite_engine(url: str) -> Engine:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise DatabaseUnusable("database.url: name a file, such as sqlite:///data/registry.db")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=20, hide_parameters=True)
    event.listen(engine, "connect", _apply_sqlite_rules)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _apply_sqlite_rules(connection: Any, _record: object) -> None:
    # The driver's own transactions send no BEGIN before a SELECT and lose updates: ours are begun below.
    connection.isolation_level = None
    cursor = connection.cursor()
    for rule, value in _SQLITE_RULES.items():
        cursor.execute(f"PRAGMA {rule} = {value}")
        found = cursor.execute(f"PRAGMA {rule}").fetchone()[0]
        if found != value:
            raise DatabaseUnusable(f"SQLite does not keep {rule} = {value} (it says {found}); use a local disk")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("registry_reading", False)
    # Takes the write lock at once: a read that turns into a write fails with "database is locked".
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _postgresql_engine(url: str) -> Engine:
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        hide_parameters=True,
        pool_size=10,
        connect_args={"options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000"},
    )
