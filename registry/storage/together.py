"""Changes of several threads in one transaction: made durable together, each of them nevertheless by itself."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, TypeVar, cast, get_args

from sqlalchemy import Connection

from registry.storage.database import Database
from registry.storage.outages import DatabaseAway, may_pass

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# Ten minutes, in seconds: an import or a restart is over by then, and a claim is held for longer.
PATIENCE = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# A pause is cut into pieces, so that whoever is told to stop does not sit it out.
_PIECE = 0.2


class Writing(Protocol):
    """What does work in a transaction, and says what came of it once that is durable."""

    def do(self, work: Callable[[Connection], Result]) -> Result:
        """Do work whose changes are kept together, or not at all; it may be begun again from the start."""


@contextmanager
def writing(database: Database) -> Iterator[Writing]:
    """For several threads: together over one connection where there is one writer, and side by side elsewhere."""
    if not database.is_sqlite:
        yield Apart(database)
        return
    together = Together(database)
    try:
        yield together
    finally:
        together.close()


@dataclass(frozen=True)
class Patience:
    """For what has happened outside and must be written down: a database that is away comes back."""

    is_over: Callable[[], bool] = lambda: False
    """Whether to wait no longer, after a last try."""
    sleep: Callable[[float], None] = time.sleep
    seconds: Callable[[], float] = time.monotonic

    def do(self, shared: Writing, work: Callable[[Connection], Result]) -> Result:
        """Do work that may be done twice, again and again with growing pauses while the database is away."""
        began, pause = self.seconds(), _FIRST_PAUSE
        while not self.is_over() and self.seconds() - began < PATIENCE:
            try:
                return shared.do(work)
            except get_args(DatabaseAway) as error:
                if not may_pass(error):
                    raise
                logger.warning("The database is away: what was done is written down in %.0f seconds", pause)
            self._wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return shared.do(work)

    def _wait(self, pause: float) -> None:
        for _ in range(round(pause / _PIECE)):
            if self.is_over():
                return
            self.sleep(_PIECE)


class Apart:
    """A transaction for each work: a server of databases makes durable together what ends at the same moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def do(self, work: Callable[[Connection], Result]) -> Result:
        """Work in a transaction of its own."""
        with self._database.row_transaction() as rows:
            return work(rows)


class Together:
    """Whoever comes first does the work of all who wait: while one change is made durable, the next ones gather."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: Connection | None = None
        self._guard = Lock()
        self._waiting: list[_Work] = []
        self._is_busy = False

    def do(self, work: Callable[[Connection], Result]) -> Result:
        """Work in a transaction with that of others; what others stumble over is not felt here."""
        mine = _Work(work)
        with self._guard:
            self._waiting.append(mine)
            must_wait, self._is_busy = self._is_busy, True
        if must_wait:
            mine.wait()
        if not mine.is_done:
            self._do_what_waits()
        return cast(Result, mine.outcome())

    def close(self) -> None:
        """Give the connection back, in whatever state it is: the pool puts it right."""
        # Let go of first: one that cannot even be closed must not be what the next work is done on.
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _do_what_waits(self) -> None:
        """Everything that has gathered; then it is the turn of the first who has come since."""
        with self._guard:
            works, self._waiting = self._waiting, []
        try:
            self._do_all(works)
        finally:
            with self._guard:
                self._is_busy = bool(self._waiting)
                following = self._waiting[:1]
            for work in following:
                work.wake()

    def _do_all(self, works: "list[_Work]") -> None:
        try:
            self._in_one_transaction(works)
        except BaseException as error:
            if len(works) > 1 and any(work.error for work in works):
                # One of them is at fault, and only its owner is to know.
                for work in works:
                    self._do_all([work])
                return
            for work in works:
                work.error = error
        for work in works:
            work.is_done = True
            work.wake()

    def _in_one_transaction(self, works: "list[_Work]") -> None:
        self._kept = self._kept or self._database.engine.connect()
        try:
            with self._database.row_transaction(self._kept) as rows:
                for work in works:
                    work.run(rows)
        except BaseException:
            # A commit that failed may have left it in the middle of a transaction.
            self.close()
            raise


class _Work:
    """What one thread waits for."""

    def __init__(self, act: Callable[[Connection], object]) -> None:
        self._act = act
        self._result: object = None
        self.error: BaseException | None = None
        self.is_done = False
        self._waits = Lock()
        self._waits.acquire()

    def wait(self) -> None:
        """Until it is done, or its own turn has come."""
        self._waits.acquire()

    def wake(self) -> None:
        self._waits.release()

    def run(self, rows: Connection) -> None:
        self.error = None
        try:
            self._result = self._act(rows)
        except BaseException as error:
            self.error = error
            raise

    def outcome(self) -> object:
        if self.error is not None:
            raise self.error
        return self._result
