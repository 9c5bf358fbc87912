"""The cohort report beside the grouped statement it rests on, and beside the same analysis with pandas, in one run."""

import csv
import gc
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from registry.cli.database import bring_up_to_date
from registry.config import Settings, load_settings
from registry.services.reports.cohort import CohortDefinition, CohortResult, cohort_report
from registry.services.score_upkeep import refresh_scores
from registry.storage.database import Database, Session
from registry.storage.score_triggers import drop_triggers, ensure_triggers
from tests.benchmarks.dispatcher import ROOT
from tests.parts import find_postgresql
from tests.postgresql import Cluster

SIZES = (1_000, 100_000)
ROUNDS = 7
TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
DEFINITION = CohortDefinition(item="low_back", timepoint="M12", grouping="lumbar_disease", entry=None)

# Where pandas, scipy and statsmodels are, if not here: they are no part of the registry.
PANDAS_PYTHON = os.environ.get("BENCH_PANDAS_PYTHON", sys.executable)


def main(sizes: Sequence[int] = SIZES) -> None:
    """Measure registries of these sizes on each database that there is; 1,600,000 patients take minutes."""
    for n_patients in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _measure(f"sqlite:///{folder}/registry.db", n_patients, Path(folder))
    binaries = find_postgresql()
    if binaries is None:
        _print("no PostgreSQL is installed: not measured")
        return
    for n_patients in sizes:
        with Cluster(binaries) as cluster, tempfile.TemporaryDirectory() as folder:
            _measure(cluster.create("registry"), n_patients, None)


def _measure(url: str, n_patients: int, folder: Path | None) -> None:
    with _registry(url) as (settings, database):
        kind = "SQLite" if database.is_sqlite else "PostgreSQL"
        _print(f"{n_patients:,} patients, {kind}")
        seconds = _seconds(lambda: _fill(database, n_patients))
        _print(f"  written in {seconds:.0f} s")
        seconds = _seconds(lambda: _keep(database, n_patients))
        _print(f"  scores kept in {seconds:.0f} s ({n_patients / seconds:,.0f} patients a second)")
        _print_ratio(settings, database)
        _print_changed(settings, database)
        if folder is not None:
            _print_beside_pandas(settings, database, folder / "scores.csv")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        _print(f"  memory of this process so far: {peak:.0f} MiB at its peak")


# The report beside what it rests on


def _print_ratio(settings: Settings, database: Database) -> None:
    # What other programs take of the machine says nothing about SQLite, which works in this process.
    clock = time.process_time if database.is_sqlite else time.perf_counter
    runs: dict[str, list[float]] = {"report": [], "raw": []}
    for round_ in range(ROUNDS + 1):
        gc.collect()
        measured = {
            "report": _seconds(lambda: _report(settings, database), clock),
            "raw": _seconds(lambda: _raw(database), clock),
        }
        if round_:  # the first round warms both up
            for name, seconds in measured.items():
                runs[name].append(seconds)
    report, raw = (statistics.median(runs[name]) for name in ("report", "raw"))
    _print(f"  report: {report / raw:.2f} of its grouped statement ({1000 * report:.1f} beside {1000 * raw:.1f} ms)")


def _print_changed(settings: Settings, database: Database) -> None:
    """What it costs when some have answered since, and nobody has brought the rows up to date."""
    warm = _seconds(lambda: _report(settings, database))
    with database.transaction() as session:
        session.execute(text("UPDATE answer SET score = 100 - score WHERE assessment_id <= 500"))
    changed = _seconds(lambda: _report(settings, database))
    _print(f"  report when some hundreds have changed: {changed / warm:.2f} of the one before")
    refresh_scores(database, today=TODAY, wait=lambda _seconds: None)


def _report(settings: Settings, database: Database) -> CohortResult:
    with database.reading() as session:
        return cohort_report(
            session, definition=DEFINITION, study=settings.protocol, today=TODAY, now=NOW, is_demo=False
        )


_GROUPED = (
    "SELECT stratum_id, count(*) FROM scored_operation WHERE stratum_id IN {strata} GROUP BY stratum_id",
    *(
        "SELECT stratum_id, before, score, count(*) FROM score"
        f" WHERE item = 'low_back' AND timepoint = '{timepoint}' AND stratum_id IN {{strata}}"
        " GROUP BY stratum_id, before, score"
        for timepoint in ("before", "M12")
    ),
)


def _raw(database: Database) -> list[Any]:
    """The counts by the driver alone."""
    with database.reading() as session:
        driver: Any = session.connection().connection.driver_connection
        cursor = driver.cursor()
        strata = "(SELECT id FROM stratum WHERE is_first)"
        found = [cursor.execute(words.format(strata=strata)).fetchall() for words in _GROUPED]
        cursor.close()
        return found


# The same with pandas


def _print_beside_pandas(settings: Settings, database: Database, file: Path) -> None:
    if sys.executable == PANDAS_PYTHON and not all(map(importlib.util.find_spec, ("pandas", "statsmodels"))):
        _print(
            "  pandas and statsmodels are not installed: not compared (BENCH_PANDAS_PYTHON names a Python with them)"
        )
        return
    with database.reading() as session:
        _write_csv(session, file)
    script = Path(__file__).with_name("pandas_report.py")
    pandas = [PANDAS_PYTHON, str(script), str(file)]
    words = ["--item", DEFINITION.item, "--timepoint", DEFINITION.timepoint, "--grouping", DEFINITION.grouping]
    own = [sys.executable, "-m", "registry", "report", "cohort", "--entry", "none", "--format", "json", *words]
    whole, other = (min(_seconds_of(command) for _ in range(2)) for command in (own, pandas))
    warm = min(_seconds(lambda: _report(settings, database), time.process_time) for _ in range(3))
    _print(
        f"  pandas, scipy and statsmodels on a CSV: {other:.1f} s, {other / warm:.0f} times the report in the registry"
    )
    _print(f"    and {other / whole:.1f} times `registry report cohort`, its start included ({whole:.1f} s)")


def _seconds_of(command: Sequence[str]) -> float:
    """What a process of its own takes of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _write_csv(session: Session, file: Path) -> None:
    rows = session.execute(
        text(
            "SELECT operation.patient_id, group_code, before.score, after.score FROM operation"
            " JOIN classification ON classification.patient_id = operation.patient_id"
            " LEFT JOIN score AS before ON before.operation_id = operation.id AND before.timepoint = 'before'"
            " LEFT JOIN score AS after ON after.operation_id = operation.id AND after.timepoint = 'M12'"
        )
    )
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["patient", "group", "before", "after"])
        writer.writerows(rows)


# A registry of any size


@contextmanager
def _registry(url: str) -> Iterator[tuple[Settings, Database]]:
    with tempfile.TemporaryDirectory() as folder:
        values = {"DATABASE_URL": url, "SECURITY_KEY_FILE": f"{folder}/key"}
        os.environ.update({f"REGISTRY_{name}": value for name, value in values.items()})
        settings = load_settings(ROOT / "config.toml")
        bring_up_to_date(settings)
        database = Database(settings.database.url)
        try:
            yield settings, database
        finally:
            database.dispose()


# Of each patient: an operation, two forms, the score before and, of nine in ten, the one after; the same at every run.
_BEFORE, _AFTER = "(i * 7919 % 51 + i * 104729 % 50)", "(i * 15485863 % 41 + i * 32452843 % 37)"
_FILLED = (
    "INSERT INTO patient (id, public_id, site_id, study_id, sex, birth_year, language, created_at)"
    " SELECT i, 'p' || i, 1, i || '', 'female', 1950, 'en', '2026-01-01 00:00:00' FROM number",
    "INSERT INTO classification (id, patient_id, grouping_code, group_code, evidence, assessed_by, recorded_at)"
    " SELECT i, i, 'lumbar_disease', CASE i % 2 WHEN 0 THEN 'with' ELSE 'without' END, 'mri', '',"
    " '2026-01-01 00:00:00' FROM number WHERE i % 50 > 0",
    "INSERT INTO operation (id, patient_id, state, operated_on, region, procedure, recorded_at)"
    " SELECT i, i, 'performed', DATE '2025-08-01', 'lumbar', 'fusion', '2026-01-01 00:00:00' FROM number",
    "INSERT INTO follow_up (id, patient_id, operation_id, timepoint, opens_on, due_on, closes_on)"
    " SELECT 2 * i, i, i, 'before', DATE '2025-06-02', DATE '2025-08-01', DATE '2025-08-01' FROM number",
    "INSERT INTO follow_up (id, patient_id, operation_id, timepoint, opens_on, due_on, closes_on)"
    " SELECT 2 * i + 1, i, i, 'M12', DATE '2026-07-18', DATE '2026-08-01', DATE '2026-10-30' FROM number",
    *(
        f"INSERT INTO {table} SELECT {columns} FROM number WHERE {condition}"
        for key, day, score, condition in (
            ("2 * i", "DATE '2025-07-30'", _BEFORE, "i % 20 > 0"),
            ("2 * i + 1", "DATE '2026-08-03'", _AFTER, "i % 10 > 0"),
        )
        for table, columns in (
            (
                "assessment (id, follow_up_id, patient_id, reference, language, started_at, submitted_at)",
                f"{key}, {key}, i, {key} || '', 'en', '2026-01-01 00:00:00', '2026-01-01 00:00:00'",
            ),
            (
                "answer (id, assessment_id, item, version, score, is_skipped, instrument_version, language,"
                " answered_on, recorded_at)",
                f"{key}, {key}, 'low_back', 1, {score}, false, 'v', 'en', {day}, '2026-01-01 00:00:00'",
            ),
        )
    ),
)


def _fill(database: Database, n_patients: int) -> None:
    """Straight into the tables, with neither keys nor triggers; then all are stale, as after an upgrade."""
    with database.engine.connect() as connection:
        numbers = f"SELECT generate_series(1::bigint, {n_patients}) AS i"
        if database.is_sqlite:
            connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
            numbers = (
                "WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number"
                f" WHERE i < {n_patients}) SELECT i FROM number"
            )
        else:
            connection.execute(text("SET session_replication_role = replica"))
        drop_triggers(connection)
        connection.execute(text(f"CREATE TEMPORARY TABLE number AS {numbers}"))
        for statement in _FILLED:
            connection.execute(text(statement.replace("DATE '", "'") if database.is_sqlite else statement))
        ensure_triggers(connection)
        connection.commit()
    database.dispose()
    _gather_statistics(database)


def _gather_statistics(database: Database) -> None:
    """What PostgreSQL does by itself within minutes."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _keep(database: Database, n_patients: int) -> None:
    n_kept = refresh_scores(database, today=TODAY, wait=lambda _seconds: None)
    if n_kept != n_patients:
        raise RuntimeError(f"{n_kept} kept instead of {n_patients}")
    _gather_statistics(database)


def _seconds(act: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    begun = clock()
    act()
    return clock() - begun


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or SIZES)
