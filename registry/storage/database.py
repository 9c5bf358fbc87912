"""Connections and transactions: the rules that keep an answer once its receipt was shown."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, TimeoutError
from sqlmodel import Session

from registry.domain.errors import RegistryError

__all__ = ["Database", "DatabaseUnusable", "Rows", "Session"]

# What runs a statement. A connection alone costs a patient less waiting; objects need a session.
Rows = Session | Connection

# WAL lets readers read while one writes; FULL makes a commit survive a power cut; the rest is law and hygiene.
_SQLITE_RULES = {
    "journal_mode": "wal",
    "synchronous": 2,
    # A long import keeps the others waiting: they wait rather than lose an answer, and are then asked to send again.
    "busy_timeout": 15000,
    "foreign_keys": 1,
    "recursive_triggers": 1,
    "secure_delete": 1,
    "trusted_schema": 0,
    "journal_size_limit": 67108864,
}


class DatabaseUnusable(RegistryError):
    """The database cannot be opened under the rules that protect an answer."""


class _Turn:
    """The writer's place, taken in turns; who waits too long gives up before a proxy or a patient does."""

    longest_wait = 15.0

    def __init__(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self.longest_wait):
            raise TimeoutError("the writer's place did not become free in time")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Database:
    """The door to the rows: `transaction()` for what changes, `reading()` for what only looks."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url)
        self._reading_engine = _sqlite_reading(self.engine, "BEGIN") if self.is_sqlite else self.engine
        self._looking_engine = _sqlite_reading(self.engine, None) if self.is_sqlite else _autocommitting(self.engine)
        # SQLite has one writer: waiting here is fair and cheap, waiting for its busy handler is neither.
        self._turn: Any = _Turn() if self.is_sqlite else nullcontext()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose changes are committed together at the end, or not at all."""
        with self._turn, Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only looks, and takes no lock that a writer would wait for."""
        with Session(self._reading_engine, autoflush=False) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session that sees one state of the registry in all its statements, whatever is saved meanwhile."""
        with self.reading() as session:
            if not self.is_sqlite:
                # SQLite's reading transactions see one state anyway; PostgreSQL's look anew at every statement.
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def row_transaction(self, kept: Connection | None = None) -> Iterator[Connection]:
        """A transaction for statements alone, without a session's objects: what patients wait for."""
        # Whoever waits for the lock has its connection in hand, and gives it back after the next one was let in.
        with nullcontext(kept) if kept else self.engine.connect() as connection, self._turn, connection.begin():
            yield connection

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """A connection that only looks, for a single statement, which needs no transaction around it."""
        with self._looking_engine.connect() as connection:
            yield connection

    def answers(self) -> bool:
        """Whether the registry's rows can be read at this moment; a database without them cannot."""
        if self.is_sqlite and not Path(self.url.database or "").is_file():
            # Connecting would make an empty file in the place of the one that is missing.
            return False
        try:
            with self.reading() as session:
                return session.execute(text("SELECT 1 FROM site LIMIT 1")).first() is not None
        except DatabaseError:
            return False

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._reading_engine.dispose()
        self._looking_engine.dispose()


def _sqlite_engine(url: str) -> Engine:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise DatabaseUnusable("database.url: name a file, such as sqlite:///data/registry.db")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # As many as there are threads: who waits for the writer holds one, and must not keep the writer from its own.
    engine = create_engine(url, pool_size=20, max_overflow=-1, hide_parameters=True)
    event.listen(engine, "connect", _apply_sqlite_rules)
    # Takes the write lock at once: a read that turns into a write fails with "database is locked".
    _begin_with(engine, "BEGIN IMMEDIATE")
    return engine


def _sqlite_reading(engine: Engine, statement: str | None) -> Engine:
    """The same connections, for those who take no lock."""
    reading = create_engine(engine.url, pool=engine.pool, hide_parameters=True)
    _begin_with(reading, statement)
    return reading


def _autocommitting(engine: Engine) -> Engine:
    """The same connections without a transaction: a round trip before the statement and one after it less."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _begin_with(engine: Engine, statement: str | None) -> None:
    def begin(connection: Any) -> None:
        if statement is not None:
            connection.driver_connection.execute(statement)

    # Not by an event on the engine, which would cost at every statement.
    engine.dialect.do_begin = begin  # type: ignore[assignment, method-assign]


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


def drop_details(error: BaseException) -> None:
    """Keep the first line of what a driver says: PostgreSQL goes on with the values of the row that it refused."""
    error.args = tuple(str(said).partition("\n")[0] for said in error.args)


def _postgresql_engine(url: str) -> Engine:
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        hide_parameters=True,
        pool_size=10,
        connect_args={"options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000"},
    )
    event.listen(engine, "handle_error", _hush)
    return engine


def _hush(context: ExceptionContext) -> None:
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            drop_details(error)
