"""registry.statistics against R: cohort.R wrote cohort_r.csv, whose first line names the version of R.

Closed forms agree to 1e-8 relative. The last test runs the script again where R is installed.
"""

from __future__ import annotations

import csv
import math
import shutil
import subprocess
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import pytest

from registry.statistics.comparison import adjusted_difference, change_difference
from registry.statistics.paired import mean_change
from registry.statistics.responders import proportion, responders
from registry.statistics.results import (
    Absent,
    AdjustedComparison,
    Comparison,
    Estimate,
    MeanChange,
    Proportion,
    Reason,
    Summary,
    TTest,
)
from registry.statistics.score_table import ScoreTable
from registry.statistics.summary import quantile, summary, trajectory_point
from tests.parts import R_MISSING, missing

HERE = Path(__file__).parent
RELATIVE_TOLERANCE = 1e-8

Key = tuple[str, str, str]


def read_reference(path: Path) -> dict[Key, float]:
    with path.open(encoding="utf-8") as file:
        version = file.readline()
        assert version.startswith("# R version ")
        return {(row["cohort"], row["group"], row["statistic"]): float(row["value"]) for row in csv.DictReader(file)}


def read_tables() -> dict[tuple[str, str], ScoreTable]:
    rows: defaultdict[tuple[str, str], list[tuple[int | None, int | None, int]]] = defaultdict(list)
    with (HERE / "cohort_input.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["cohort"], row["group"]].append((score(row["before"]), score(row["after"]), 1))
    tables = {key: ScoreTable.from_counts(cells) for key, cells in rows.items()}
    for group in ("without", "with"):
        tables["large_entered", group] = tables["large", group].entered(at_least=30)
    return tables


def score(text: str) -> int | None:
    return int(text) if text else None


def described(prefix: str, counts: dict[int, int]) -> dict[str, float]:
    result = summary(counts)
    assert isinstance(result, Summary)
    assert not isinstance(result.sd, Absent)
    return {
        f"{prefix}_n": result.n,
        f"{prefix}_mean": result.mean,
        f"{prefix}_sd": result.sd,
        f"{prefix}_median": result.median,
        f"{prefix}_q1": quantile(counts, Fraction(1, 4)),
        f"{prefix}_q3": quantile(counts, Fraction(3, 4)),
    }


def with_test(prefix: str, result: MeanChange | Comparison) -> dict[str, float]:
    numbers = {
        f"{prefix}_estimate": result.estimate.value,
        f"{prefix}_low": result.estimate.low,
        f"{prefix}_high": result.estimate.high,
        f"{prefix}_se": result.standard_error,
    }
    if isinstance(result.test, TTest):
        numbers |= {f"{prefix}_{name}": getattr(result.test, name) for name in ("t", "df", "p")}
    return numbers


def shared(prefix: str, result: Proportion | Absent) -> dict[str, float]:
    assert isinstance(result, Proportion)
    return {f"{prefix}_{name}": getattr(result, name) for name in ("k", "n", "value", "low", "high")}


def trajectory(counts: dict[int, int]) -> dict[str, float]:
    point = trajectory_point(counts, months=12)
    assert isinstance(point.interval, Estimate)
    assert not isinstance(point.mean, Absent)
    return {
        "trajectory_n": point.n,
        "trajectory_estimate": point.mean,
        "trajectory_low": point.interval.low,
        "trajectory_high": point.interval.high,
    }


def within_group(table: ScoreTable) -> dict[str, float]:
    change = mean_change(table)
    assert isinstance(change, MeanChange)
    return {
        "n_enrolled": table.n_enrolled,
        "n_both": table.n_both,
        "n_entered": table.entered(at_least=30).n_enrolled,
        **described("before", table.complete.before_counts),
        **described("after", table.complete.after_counts),
        **described("change", table.change_counts),
        **with_test("paired", change),
        **trajectory(table.after_counts),
        **shared("responders30", responders(table, at_least_percent=30)),
        **shared("responders50", responders(table, at_least_percent=50)),
    }


def between_groups(without: ScoreTable, with_disease: ScoreTable) -> dict[str, float]:
    ancova = adjusted_difference(without, with_disease)
    welch = change_difference(without, with_disease)
    if isinstance(ancova, Absent) or isinstance(welch, Absent):
        return {}
    assert isinstance(ancova, AdjustedComparison)
    return {
        **with_test("ancova", ancova),
        "ancova_slope": ancova.slope,
        "ancova_r_squared": ancova.r_squared,
        **with_test("welch", welch),
    }


def computed() -> dict[Key, float]:
    numbers: dict[Key, float] = {}
    tables = read_tables()
    for (cohort, group), table in tables.items():
        numbers |= {(cohort, group, name): value for name, value in within_group(table).items()}
    for cohort in {cohort for cohort, _ in tables}:
        both = between_groups(tables[cohort, "without"], tables[cohort, "with"])
        numbers |= {(cohort, "between", name): value for name, value in both.items()}
    with (HERE / "proportion_input.csv").open(encoding="utf-8") as file:
        for row, share in enumerate(csv.DictReader(file), start=1):
            wilson = shared("wilson", proportion(int(share["k"]), int(share["n"])))
            numbers |= {("proportion", str(row), name): value for name, value in wilson.items()}
    return numbers


REFERENCE = read_reference(HERE / "cohort_r.csv")
COMPUTED = computed()


@pytest.mark.parametrize(("cohort", "group"), sorted({key[:2] for key in COMPUTED}))
def test_statistics_equal_r(cohort: str, group: str) -> None:
    ours = {key: value for key, value in COMPUTED.items() if key[:2] == (cohort, group)}

    assert ours == pytest.approx({key: REFERENCE[key] for key in ours}, rel=RELATIVE_TOLERANCE, abs=1e-12)


def test_every_number_of_r_is_compared_except_the_tests_refused_below_five() -> None:
    refused = {("tiny", group, f"paired_{name}") for group in ("without", "with") for name in ("t", "df", "p")}

    assert REFERENCE.keys() - COMPUTED.keys() == refused


def test_groups_of_two_and_three_are_described_but_not_compared() -> None:
    tables = read_tables()

    result = adjusted_difference(tables["tiny", "without"], tables["tiny", "with"])

    assert result == Absent(reason=Reason.FEWER_THAN_FIVE)
    assert ("tiny", "with", "change_sd") in COMPUTED


def test_r_run_again_gives_the_stored_numbers(tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        missing(R_MISSING)
    for name in ("cohort.R", "cohort_input.csv", "proportion_input.csv"):
        shutil.copy(HERE / name, tmp_path)

    subprocess.run([rscript, "--vanilla", "cohort.R"], cwd=tmp_path, check=True, timeout=120)

    again = read_reference(tmp_path / "cohort_r.csv")
    assert again.keys() == REFERENCE.keys()
    differing = {
        key: (value, again[key])
        for key, value in REFERENCE.items()
        if not math.isclose(value, again[key], rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
    }
    assert differing == {}
