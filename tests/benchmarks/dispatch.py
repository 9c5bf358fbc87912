"""Mails to a local SMTP sink beside bare loops, with a slow server, with two schedulers, and among many patients."""

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from operator import truediv

from registry.cli.database import bring_up_to_date
from registry.config import Settings, load_settings
from registry.services.outbox import BATCH_SIZE
from registry.storage import outbox
from registry.storage.database import Database
from registry.storage.outbox import Moment
from tests.benchmarks.crowd import DUE_ON, add_due, add_patients
from tests.benchmarks.dispatcher import NOW, ROOT, Dispatcher, dispatcher
from tests.benchmarks.loops import bare_database, bare_loop, letter_in, plain_loop, written_mail
from tests.benchmarks.sink import sink
from tests.parts import find_postgresql
from tests.postgresql import Cluster

# Many short rounds, for a disk has its moods, and what is compared must meet the same one.
ROUNDS = 20
MAILS = 250
SLOW_MAILS = {1: 60, 8: 480}
SLOW = 0.01
FEW, MANY = 10_000, 1_000_000
DUE = 500


def main() -> None:
    """Measure what a mail costs, what a slow server costs, and what many patients cost."""
    _print_fast_server()
    _print_slow_server()
    _print_two_schedulers()
    _print_what_is_due()


# A fast server


def _print_fast_server() -> None:
    runs: dict[str, list[float]] = {}
    commits = []
    with (
        sink() as port,
        _registry(port) as (environment, database),
        dispatcher(environment) as process,
        bare_database() as rows,
    ):
        settings = _settings()
        letters = [letter_in(language, settings.sites[0]) for language in ("en", "ja")]
        write = partial(written_mail, letters, settings.mail)
        ready = [write(number) for number in range(MAILS)].__getitem__
        for round_ in range(ROUNDS + 1):
            _fill(database, MAILS)
            process.begin()
            said = process.end()
            _expect(said["outcomes"], MAILS)
            as_many, two_each = said["commits"], 2 * MAILS
            seconds = {"registry": said["seconds"]}
            for name, mail, n_commits in (
                ("bare", ready, as_many),
                ("bare, writing", write, as_many),
                ("bare, two commits a mail", ready, two_each),
            ):
                seconds[name] = _seconds(partial(bare_loop, rows, port, mail, MAILS, n_commits=n_commits))
            seconds["plain"] = _seconds(lambda: plain_loop(port, letters, MAILS))
            if round_:  # the first round warms all up
                commits.append(as_many / MAILS)
                for name, taken in seconds.items():
                    runs.setdefault(name, []).append(MAILS / taken)
    ratios = {name: statistics.median(map(truediv, runs["registry"], rates)) for name, rates in runs.items()}
    _print(
        f"mails to a fast server, {statistics.median(commits):.2f} durable commits each:"
        f" {ratios['bare']:.2f} of the bare loop with ready bytes and as many commits,"
        f" {ratios['bare, writing']:.2f} of the one that writes the same MIME,"
        f" {ratios['bare, two commits a mail']:.2f} of the one with two commits a mail,"
        f" {ratios['plain']:.2f} of the plain one"
    )
    for name, rates in runs.items():
        _print(f"  a second, {name}: {statistics.median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f})")
    early, late = said["mebibytes"]
    _print(f"  memory: {early:.1f} MiB after about 2,000 mails, {late:.1f} MiB after {MAILS * (ROUNDS + 1):,}")


# A slow server


def _print_slow_server() -> None:
    rates = {n: _slow_rate(n) for n in SLOW_MAILS}
    _print(
        f"a server that takes 10 ms for each reply: 8 connections {rates[8] / rates[1]:.1f} times one"
        f" ({rates[8]:.0f} beside {rates[1]:.0f} a second)"
    )


def _slow_rate(n_connections: int) -> float:
    n_mails = SLOW_MAILS[n_connections]
    with (
        sink(SLOW) as port,
        _registry(port, n_connections) as (environment, database),
        dispatcher(environment) as process,
    ):
        runs = []
        for _round in range(3):
            _fill(database, n_mails)
            process.begin()
            said = process.end()
            _expect(said["outcomes"], n_mails)
            runs.append(n_mails / said["seconds"])
    return max(runs)


def _print_two_schedulers() -> None:
    binaries = find_postgresql()
    if binaries is None:
        _print("no PostgreSQL is installed: two schedulers not measured")
        return
    rates: dict[int, list[float]] = {1: [], 2: []}
    with (
        Cluster(binaries, is_durable=True) as cluster,
        sink(SLOW) as port,
        _registry(port, url=cluster.create("registry")) as (environment, database),
        dispatcher(environment) as one,
        dispatcher(environment) as other,
    ):
        for round_ in range(4):
            for processes in ([one], [one, other]):
                rate = _rate_together(database, processes)
                if round_:
                    rates[len(processes)].append(rate)
    alone, together = statistics.median(rates[1]), statistics.median(rates[2])
    _print(
        f"two schedulers on PostgreSQL, the slow server: {together / alone:.1f} times one"
        f" ({together:.0f} beside {alone:.0f} a second)"
    )


def _rate_together(database: Database, processes: list[Dispatcher]) -> float:
    n_mails = 200 * len(processes)
    _fill(database, n_mails)
    begun = time.perf_counter()
    for process in processes:
        process.begin()
    outcomes = [process.end()["outcomes"] for process in processes]
    seconds = time.perf_counter() - begun
    if sum(each.get("accepted", 0) for each in outcomes) != n_mails:
        raise RuntimeError(f"{outcomes} instead of {n_mails} accepted")
    return n_mails / seconds


# Many patients


def _print_what_is_due() -> None:
    seconds = {n: _seconds_to_claim(n) for n in (FEW, MANY)}
    _print(
        f"finding and claiming {DUE} due mails among {MANY:,} patients: {seconds[MANY] / seconds[FEW]:.2f} of the time"
        f" among {FEW:,} ({1000 * seconds[MANY]:.1f} beside {1000 * seconds[FEW]:.1f} ms)"
    )


def _seconds_to_claim(n_patients: int) -> float:
    with _registry(1) as (_environment, database):
        path = str(database.url.database)
        add_patients(path, n_patients, n_due=DUE, today=DUE_ON)
        runs = []
        for _round in range(5):
            begun = time.perf_counter()
            n_claimed = _claim_all(database)
            runs.append(time.perf_counter() - begun)
            if n_claimed != DUE:
                raise RuntimeError(f"{n_claimed} found instead of {DUE}")
            with closing(sqlite3.connect(path)) as rows, rows:
                rows.execute("UPDATE reminder SET state = 'planned', next_attempt_at = NULL WHERE state = 'claimed'")
    return statistics.median(runs)


def _claim_all(database: Database) -> int:
    moment, n_claimed = Moment(NOW, DUE_ON), 0
    while True:
        with database.row_transaction() as rows:
            claims = outbox.claim_due(
                rows, site_id=1, moment=moment, lease_ends_at=NOW + timedelta(minutes=30), limit=BATCH_SIZE
            )
        if not claims:
            return n_claimed
        n_claimed += len(claims)


# What they share


@contextmanager
def _registry(port: int, n_connections: int = 4, url: str = "") -> Iterator[tuple[dict[str, str], Database]]:
    """An empty registry whose mails go to a port: what a process of it is started with, and its database."""
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "DATABASE_URL": url or f"sqlite:///{folder}/registry.db",
            "SECURITY_KEY_FILE": f"{folder}/key",
            "MAIL_HOST": "127.0.0.1",
            "MAIL_PORT": str(port),
            "MAIL_TLS": "none",
            "MAIL_CONNECTIONS": str(n_connections),
        }
        environment = {f"REGISTRY_{name}": value for name, value in values.items()}
        os.environ.update(environment)
        settings = _settings()
        bring_up_to_date(settings)
        database = Database(settings.database.url)
        try:
            yield environment, database
        finally:
            database.dispose()


def _settings() -> Settings:
    return load_settings(ROOT / "config.toml")


def _fill(database: Database, n: int) -> None:
    with database.transaction() as session:
        add_due(session, n, now=NOW)


def _expect(outcomes: dict[str, int], n_mails: int) -> None:
    if outcomes != {"accepted": n_mails}:
        raise RuntimeError(f"{outcomes} instead of {n_mails} accepted")


def _seconds(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
