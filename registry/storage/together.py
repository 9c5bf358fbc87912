"""Changes of several threads in one transaction: made durable together, each of them nevertheless by itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol, TypeVar, cast

from sqlalchemy import Connection

from registry.storage.database import Database

Result = TypeVar("Result")


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
        if self._kept is not None:
            self._kept.close()
            self._kept = None

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
