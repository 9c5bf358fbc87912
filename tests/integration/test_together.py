"""Work of several threads in one transaction: durable before anybody hears of it, and nobody feels what others do."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from sqlite3 import OperationalError as SqliteError
from threading import Event
from time import monotonic, sleep

import pytest
from sqlalchemy import Connection, event, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from registry.storage.database import Database
from registry.storage.models import AuditEvent
from registry.storage.models.base import table_of
from registry.storage.together import PATIENCE as LONGEST
from registry.storage.together import Apart, Patience, Together, Writing, writing
from tests.integration.test_prepared import VALUES

EVENT = table_of(AuditEvent)
PATIENCE = 10.0

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def writes(action: str) -> Callable[[Connection], str]:
    """Work that leaves a row."""

    def work(rows: Connection) -> str:
        rows.execute(insert(EVENT), VALUES | {"action": action})
        return action

    return work


def fails(rows: Connection) -> None:
    """Work that leaves a row, and then one that the database refuses."""
    rows.execute(insert(EVENT), VALUES | {"action": "half"})
    rows.execute(insert(EVENT), VALUES | {"subject_id": None})


def found(database: Database) -> list[str]:
    with database.look() as rows:
        return sorted(rows.execute(select(EVENT.c.action)).scalars())


def commits(database: Database) -> list[object]:
    """What is appended to at each commit."""
    seen: list[object] = []
    event.listen(database.engine, "commit", seen.append)
    return seen


class Gathering:
    """A transaction that is held open, behind which the work of other threads gathers."""

    def __init__(self, shared: Together, pool: ThreadPoolExecutor) -> None:
        self._shared, self._pool, self._may_end = shared, pool, Event()
        has_begun = Event()

        def hold(rows: Connection) -> object:
            has_begun.set()
            self._may_end.wait(PATIENCE)
            return writes("held")(rows)

        self.first: Future[object] = pool.submit(shared.do, hold)
        has_begun.wait(PATIENCE)

    def submit(self, *works: Callable[[Connection], object]) -> list[Future[object]]:
        """Have each done by a thread of its own, in this order."""
        return [self._submit(work) for work in works]

    def end(self) -> None:
        self._may_end.set()

    def _submit(self, work: Callable[[Connection], object]) -> Future[object]:
        n_before, begun = len(self._shared._waiting), monotonic()
        future = self._pool.submit(self._shared.do, work)
        while len(self._shared._waiting) == n_before and monotonic() - begun < PATIENCE:
            sleep(0.001)
        return future


@contextmanager
def gathering(shared: Writing) -> Iterator[Gathering]:
    assert isinstance(shared, Together)
    with ThreadPoolExecutor(5) as pool:
        held = Gathering(shared, pool)
        try:
            yield held
        finally:
            held.end()


def test_work_is_done_and_says_what_came_of_it(database: Database) -> None:
    with writing(database) as shared:
        assert [shared.do(writes(name)) for name in ("one", "two")] == ["one", "two"]
    assert found(database) == ["one", "two"]


def test_work_that_fails_leaves_nothing_and_the_next_is_done(database: Database) -> None:
    with writing(database) as shared:
        with pytest.raises(IntegrityError):
            shared.do(fails)
        shared.do(writes("one"))
    assert found(database) == ["one"]


@on_sqlite
def test_what_gathers_behind_a_commit_is_made_durable_by_one(database: Database) -> None:
    seen = commits(database)
    with writing(database) as shared:
        with gathering(shared) as held:
            others = held.submit(writes("b"), writes("c"), writes("d"))
        assert [future.result() for future in (held.first, *others)] == ["held", "b", "c", "d"]
    assert (found(database), len(seen)) == (["b", "c", "d", "held"], 2)


@on_sqlite
def test_many_threads_with_much_work_are_all_served(database: Database) -> None:
    def work_much(thread: int) -> list[str]:
        return [shared.do(writes(f"{thread:02}-{number:03}")) for number in range(50)]

    expected = [[f"{thread:02}-{number:03}" for number in range(50)] for thread in range(8)]
    with writing(database) as shared, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work_much, range(8), timeout=60)) == expected
    assert found(database) == sorted(chain.from_iterable(expected))


@on_sqlite
def test_what_one_stumbles_over_the_others_do_not_feel(database: Database) -> None:
    with writing(database) as shared:
        with gathering(shared) as held:
            before, failing, after = held.submit(writes("b"), fails, writes("d"))
        assert (before.result(), after.result()) == ("b", "d")
        with pytest.raises(IntegrityError):
            failing.result()
    assert found(database) == ["b", "d", "held"]


@on_sqlite
def test_nobody_hears_of_work_that_is_not_durable(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, n_asked = database.engine.dialect.do_commit, []
    is_asked, may_commit = Event(), Event()

    def commit_the_second_late(connection: object) -> None:
        n_asked.append(1)
        if len(n_asked) == 2:
            is_asked.set()
            may_commit.wait(PATIENCE)
        commit(connection)  # type: ignore[arg-type]

    # Patched because no disk is slow enough to look at what happens meanwhile.
    monkeypatch.setattr(database.engine.dialect, "do_commit", commit_the_second_late)
    with writing(database) as shared, gathering(shared) as held:
        others = held.submit(writes("b"), writes("c"))
        held.end()
        is_asked.wait(PATIENCE)
        sleep(0.05)
        heard_of = [future.done() for future in others]
        may_commit.set()
    assert (heard_of, [future.result() for future in others]) == ([False, False], ["b", "c"])


@on_sqlite
def test_a_commit_that_fails_is_told_to_all_of_it_and_keeps_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, n_asked = database.engine.dialect.do_commit, []

    def refuse_the_second(connection: object) -> None:
        n_asked.append(1)
        if len(n_asked) == 2:
            raise OperationalError("COMMIT", None, Exception("disk I/O error"))
        commit(connection)  # type: ignore[arg-type]

    # Patched because no disk fails when a test asks it to.
    monkeypatch.setattr(database.engine.dialect, "do_commit", refuse_the_second)
    with writing(database) as shared:
        with gathering(shared) as held:
            others = held.submit(writes("b"), writes("c"))
        assert [type(future.exception()) for future in others] == [OperationalError] * 2
        shared.do(writes("later"))
    assert found(database) == ["held", "later"]


@on_postgresql
def test_work_that_waits_for_a_lock_of_the_server_keeps_nobody_waiting(database: Database) -> None:
    has_begun, may_end = Event(), Event()

    def wait(_rows: Connection) -> None:
        has_begun.set()
        assert may_end.wait(PATIENCE)

    with writing(database) as shared, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shared.do, wait)
        has_begun.wait(PATIENCE)
        shared.do(writes("one"))
        assert (found(database), waiting.done()) == (["one"], False)
        may_end.set()
        waiting.result()


@on_postgresql
def test_a_connection_that_was_lost_meanwhile_is_replaced_before_the_next_work(database: Database) -> None:
    other = Database(database.url.render_as_string(hide_password=False))
    with writing(database) as shared:
        shared.do(writes("one"))
        with other.transaction() as session:
            ours = "datname = current_database() AND pid <> pg_backend_pid()"
            session.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}"))
        shared.do(writes("two"))
    other.dispose()
    assert found(database) == ["one", "two"]


@on_sqlite
def test_a_connection_that_cannot_even_be_closed_is_replaced_before_the_next_work(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OperationalError("ROLLBACK", None, Exception("disk I/O error"))

    with writing(database) as shared:
        assert isinstance(shared, Together)
        shared.do(writes("one"))
        broken = shared._kept
        assert broken is not None
        # Patched because no connection breaks when a test asks it to.
        with monkeypatch.context() as patched:
            patched.setattr(broken, "close", refuse)
            with pytest.raises(OperationalError):
                shared.do(fails)
        broken.close()
        shared.do(writes("two"))
        assert shared._kept is not broken
    assert found(database) == ["one", "two"]


# A database that is away


class Away:
    """A database that refuses for a while, and whoever waits for it: pauses are counted, and not waited."""

    def __init__(self, database: Database, *, until: float, code: str = "database is locked") -> None:
        self._apart, self._until, self._code = Apart(database), until, code
        self.waited, self.told_after = 0.0, float("inf")
        self.tried_at: list[float] = []
        self.patience = Patience(lambda: self.waited >= self.told_after, self._sleep, lambda: self.waited)

    def do(self, work: Callable[[Connection], object]) -> object:
        self.tried_at.append(round(self.waited))
        if self.waited < self._until:
            error = SqliteError(self._code)
            error.sqlite_errorcode = 5 if "locked" in self._code else 1
            raise OperationalError("BEGIN", None, error)
        return self._apart.do(work)

    def _sleep(self, seconds: float) -> None:
        self.waited += seconds


def insist(away: Away) -> object:
    return away.patience.do(away, writes("one"))  # type: ignore[arg-type]


def test_what_must_be_written_down_is_tried_with_growing_pauses_until_the_database_is_back(database: Database) -> None:
    away = Away(database, until=100.0)

    assert insist(away) == "one"

    assert (away.tried_at, found(database)) == ([0, 1, 3, 7, 15, 31, 63, 123], ["one"])


def test_a_database_that_stays_away_is_not_waited_for_without_end(database: Database) -> None:
    away = Away(database, until=float("inf"))

    with pytest.raises(OperationalError):
        insist(away)

    assert LONGEST <= away.tried_at[-1] <= LONGEST + 60


def test_whoever_is_told_to_stop_tries_once_more_and_waits_no_longer(database: Database) -> None:
    away = Away(database, until=float("inf"))
    away.told_after = 20.0

    with pytest.raises(OperationalError):
        insist(away)

    assert away.tried_at == [0, 1, 3, 7, 15, 20]


def test_what_no_waiting_brings_back_is_not_waited_for(database: Database) -> None:
    away = Away(database, until=float("inf"), code="no such table")

    with pytest.raises(OperationalError):
        insist(away)

    assert away.tried_at == [0]
