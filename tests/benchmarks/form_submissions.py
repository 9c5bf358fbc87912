"""A patient's visit (GET a question, POST its answer, durable commit) beside bare Flask and a bare driver."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.benchmarks.servers import Visitor, both
from tests.parts import find_postgresql
from tests.postgresql import Cluster

CLIENTS = 4
SENDERS = 8
OPEN_CLIENTS = 16
ROUNDS = 5
SECONDS = 3.0

Patients = dict[str, list[Visitor]]


def main() -> None:
    """Measure the visits, the POST alone on each database, and the waits at half of the capacity."""
    with tempfile.TemporaryDirectory() as folder, both(Path(folder), n_patients=OPEN_CLIENTS) as patients:
        first = {name: group[:CLIENTS] for name, group in patients.items()}
        rates = _compared("visits (GET, POST)", first, _visit)
        _print_half_capacity(patients["registry"], rates["registry"] / 2)
        _compared("POST alone, SQLite", {name: group[:SENDERS] for name, group in patients.items()}, Visitor.answer)
    with _on_postgresql() as patients:
        if patients:
            _compared("POST alone, PostgreSQL", patients, Visitor.answer)


def _visit(visitor: Visitor) -> None:
    visitor.look()
    visitor.answer()


@contextmanager
def _on_postgresql() -> Iterator[Patients]:
    """The same on PostgreSQL as it is delivered, where one is installed."""
    binaries = find_postgresql()
    if binaries is None:
        sys.stdout.write("no PostgreSQL is installed: not measured\n")
        yield {}
        return
    with Cluster(binaries, is_durable=True) as cluster, tempfile.TemporaryDirectory() as folder:
        urls = {name: cluster.create(name) for name in ("bare", "registry")}
        with both(Path(folder), n_patients=SENDERS, postgresql=urls) as patients:
            yield patients


def _compared(what: str, patients: Patients, act: Callable[[Visitor], None]) -> dict[str, float]:
    """Let both groups act in turns, print the ratio of the medians, and return how often a second each acted."""
    runs: dict[str, list[float]] = {name: [] for name in patients}
    for round_ in range(ROUNDS + 1):
        for name, group in patients.items():
            rate = _together(group, act)
            if round_:  # the first round warms both up
                runs[name].append(rate)
    rates = {name: statistics.median(measured) for name, measured in runs.items()}
    ratio = rates["registry"] / rates["bare"]
    n_clients = len(patients["registry"])
    sys.stdout.write(
        f"{what}, {n_clients} clients: {ratio:.2f} of the bare form"
        f" ({rates['registry']:.0f} beside {rates['bare']:.0f} a second)\n"
    )
    return rates


def _together(visitors: list[Visitor], act: Callable[[Visitor], None]) -> float:
    """How often a second all clients at once act."""
    counts: list[int] = []
    ends = time.perf_counter() + SECONDS

    def keep_acting(visitor: Visitor) -> None:
        visitor.begin_round()
        count = 0
        while time.perf_counter() < ends:
            act(visitor)
            count += 1
        counts.append(count)

    begun = time.perf_counter()
    _all_at_once([Thread(target=keep_acting, args=(visitor,)) for visitor in visitors])
    return sum(counts) / (time.perf_counter() - begun)


def _print_half_capacity(visitors: list[Visitor], rate: float) -> None:
    """Visits that begin at fixed moments, whether the earlier ones are over or not: a wait counts from its moment."""
    waits: dict[str, list[float]] = {"GET": [], "POST": []}
    begun = time.perf_counter() + 0.1
    n_visits = int(rate * ROUNDS * SECONDS)

    def keep_to_the_clock(visitor: Visitor, first: int) -> None:
        visitor.begin_round()
        for number in range(first, n_visits, len(visitors)):
            due = begun + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            visitor.look()
            seen = time.perf_counter()
            visitor.answer()
            waits["GET"].append(seen - due)
            waits["POST"].append(time.perf_counter() - seen)

    _all_at_once([Thread(target=keep_to_the_clock, args=(one, first)) for first, one in enumerate(visitors)])
    for method, found in waits.items():
        p50, p99 = (1000 * sorted(found)[int(len(found) * share)] for share in (0.5, 0.99))
        sys.stdout.write(f"half of the capacity, {rate:.0f} visits/s, {method}: p50 {p50:.1f} ms, p99 {p99:.1f} ms\n")


def _all_at_once(threads: list[Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
