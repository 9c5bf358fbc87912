"""Keeping the narrow rows that reports count in line with the answers, in short transactions."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from registry.clock import steady_seconds
from registry.storage import score_check, score_refresh
from registry.storage.database import Database
from registry.storage.score_check import Difference

BATCH_SIZE = 200
"""Patients in one transaction: others wait some hundredths of a second for it."""

Progress = Callable[[int, int], None]
Wait = Callable[[float], object]


def _silent(_n_done: int, _n: int) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a comparison of the kept scores with the answers has shown."""

    n_patients: int
    n_waiting: int
    """Of how many something has changed since; reports know of them, and they are compared once refreshed."""
    wrong: Sequence[Difference]


def refresh_scores(
    database: Database,
    *,
    today: date,
    limit: int | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
    wait: Wait = time.sleep,
) -> int:
    """Bring the kept scores of the patients up to date of whom something has changed, and say how many that were."""
    n_done = 0
    while not is_stopping() and (limit is None or n_done < limit):
        n_wanted = BATCH_SIZE if limit is None else min(BATCH_SIZE, limit - n_done)
        with database.reading() as session:
            # Looked at first: nobody has to wait for a writer who has nothing to write.
            patients = score_refresh.some_changed(session, today=today, limit=n_wanted)
        if not patients:
            break
        _refresh(database, patients, today=today, wait=wait)
        n_done += len(patients)
    return n_done


def rebuild_scores(database: Database, *, today: date, progress: Progress = _silent, wait: Wait = time.sleep) -> int:
    """Make every kept row anew, and remove those that belong to nobody; reports stay exact meanwhile."""
    n_done = 0
    for patients, n_patients in _all_patients(database):
        _refresh(database, patients, today=today, wait=wait)
        n_done += len(patients)
        progress(n_done, n_patients)
    while strays := _strays(database):
        with database.transaction() as session:
            score_refresh.take_turn(session)
            score_refresh.remove(session, strays)
    return n_done


def check_scores(database: Database, *, today: date, progress: Progress = _silent) -> CheckResult:
    """Compare the kept scores of every patient with what the answers say; nothing is changed."""
    n_done, n_waiting, wrong = 0, 0, list[Difference]()
    for patients, n_patients in _all_patients(database):
        with database.reading() as session:
            found = score_check.compared(session, patients, today=today)
        wrong += found.differences
        n_waiting += found.n_waiting
        n_done += len(patients)
        progress(n_done, n_patients)
    wrong += [Difference(None, operation_id) for operation_id in _strays(database)]
    return CheckResult(n_patients=n_done, n_waiting=n_waiting, wrong=wrong)


def _refresh(database: Database, patients: Collection[int], *, today: date, wait: Wait) -> None:
    begun = steady_seconds()
    with database.transaction() as session:
        score_refresh.take_turn(session)
        score_refresh.refresh(session, patients, today=today)
    # As long as it took: on SQLite, whose writers come one at a time, others get theirs between.
    wait(steady_seconds() - begun)


def _all_patients(database: Database) -> Iterator[tuple[Sequence[int], int]]:
    """Every patient in batches, each with how many there are."""
    last = 0
    with database.reading() as session:
        n_patients = score_refresh.count_patients(session)
    while True:
        with database.reading() as session:
            patients = score_refresh.patients_after(session, last=last, limit=BATCH_SIZE)
        if not patients:
            return
        yield patients, max(n_patients, len(patients))
        last = patients[-1]


def _strays(database: Database) -> Sequence[int]:
    with database.reading() as session:
        return score_check.strays(session, limit=BATCH_SIZE)
