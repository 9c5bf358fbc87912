"""Ranks, effects and responses against R: change.R wrote change_r.csv, whose first line names the version of R.

Closed forms agree to 1e-8 relative. R finds the Hodges-Lehmann estimates and their intervals as roots of a step
function, here with tol.root = 1e-10: they lie within 1e-8 points of the order statistics. Fisher's P agrees to 1e-7,
the margin within which R itself calls two tables equally probable. The last test runs the script again.
"""

from __future__ import annotations

import csv
import math
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from registry.statistics.effects import (
    at_ceiling,
    at_floor,
    change_effect,
    correlation,
    percentage_change,
    quartiles,
    standardised_change,
)
from registry.statistics.rank_sums import change_ranks
from registry.statistics.ranks import RankTest
from registry.statistics.responders import proportion
from registry.statistics.response import (
    DEFINITIONS,
    Missing,
    Response,
    compared_responses,
    improvement_curve,
    response,
)
from registry.statistics.results import Absent, Estimate, Proportion, Reason
from registry.statistics.risks import Ratio, RiskComparison, compared_shares
from registry.statistics.score_table import ScoreTable
from registry.statistics.signed_ranks import signed_rank_change
from tests import parts

HERE = Path(__file__).parent
INPUTS = ("cohort_input.csv", "ranks_input.csv", "shares_input.csv")
GROUPS = ("without", "with")
NAMED = dict(zip(("relief30", "relief50", "points15", "reached30", "worse15"), DEFINITIONS, strict=True))
ASSUMED = {missing.name.lower(): missing for missing in Missing}
# Of R's search alone: between the two middle values every point is a root.
ONLY_OF_R = ("_root", "_middle_low", "_middle_high", "_level")

Key = tuple[str, str, str]
Numbers = dict[str, float]


def read_reference(path: Path) -> dict[Key, float]:
    with path.open(encoding="utf-8") as file:
        assert file.readline().startswith("# R version ")
        found = {(row["cohort"], row["group"], row["statistic"]): row["value"] for row in csv.DictReader(file)}
    return {key: float(value) for key, value in found.items() if value != "NA"}


def read_tables(name: str) -> dict[tuple[str, str], ScoreTable]:
    rows: defaultdict[tuple[str, str], list[tuple[int | None, int | None, int]]] = defaultdict(list)
    with (HERE / name).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            before, after = (int(row[moment]) if row[moment] else None for moment in ("before", "after"))
            rows[row["cohort"], row["group"]].append((before, after, 1))
    return {key: ScoreTable.from_counts(cells) for key, cells in rows.items()}


def limits(prefix: str, found: Estimate | Proportion | Absent) -> Numbers:
    if isinstance(found, Absent):
        return {}
    return {f"{prefix}_low": found.low, f"{prefix}_high": found.high}


def valued(prefix: str, found: Estimate | Absent) -> Numbers:
    return {} if isinstance(found, Absent) else {f"{prefix}_value": found.value, **limits(prefix, found)}


def ranked(prefix: str, found: RankTest | Absent) -> Numbers:
    assert isinstance(found, RankTest)
    return {
        f"{prefix}_statistic": found.statistic,
        f"{prefix}_p": found.p,
        f"{prefix}_exact": found.is_exact,
        f"{prefix}_corrected": found.is_continuity_corrected,
    }


def within_group(table: ScoreTable) -> Numbers:
    ranks, r, percentage = signed_rank_change(table), correlation(table), percentage_change(table)
    floor, ceiling = at_floor(table.complete.after_counts), at_ceiling(table.complete.after_counts)
    quarters = quartiles(table.complete.after_counts)
    for found in (ranks, r, percentage, floor, ceiling, quarters):
        assert not isinstance(found, Absent)
    return {
        **ranked("signed_rank", ranks.test),
        **limits("signed_rank", ranks.interval),
        "signed_rank_median": ranks.pseudo_median,
        "signed_rank_n": ranks.n,
        "signed_rank_n_zeros": ranks.n_zeros,
        **valued("d_z", standardised_change(table)),
        "r_value": r.value,
        **limits("r", r.interval),
        "percentage_of_means": percentage.of_means,
        "percentage_of_individuals": percentage.mean_of_individuals,
        "percentage_n": percentage.n,
        "percentage_n_zero_before": percentage.n_zero_before,
        "floor_k": floor.k,
        "ceiling_k": ceiling.k,
        "q1": quarters.first,
        "q3": quarters.third,
    }


def responses(table: ScoreTable) -> Numbers:
    numbers: Numbers = {}
    for definition, rule in NAMED.items():
        for assumption, missing in ASSUMED.items():
            found = response(table, rule, missing=missing)
            assert isinstance(found, Response)
            prefix = f"{definition}_{assumption}"
            numbers |= {f"{prefix}_k": found.share.k, f"{prefix}_n": found.share.n, **limits(prefix, found.share)}
    for assumption in ("left_out", "not_met"):
        curve = improvement_curve(table, missing=ASSUMED[assumption])
        assert not isinstance(curve, Absent)
        shares = {step.at_least: step.value for step in curve}
        numbers |= {f"curve_{cut}_{assumption}": shares[cut] for cut in (-20, 0, 1, 15, 50)}
    return numbers


def ranks_between(first: ScoreTable, second: ScoreTable) -> Numbers:
    found = change_ranks(first, second)
    assert not isinstance(found, Absent)
    return {
        **ranked("rank_sum", found.test),
        **limits("rank_sum", found.shift),
        "rank_sum_median": found.shift.value,
        "superiority_value": found.superiority.value,
        **limits("superiority", found.superiority.interval),
        **valued("g", change_effect(first, second)),
    }


def compared(prefix: str, found: RiskComparison | Absent) -> Numbers:
    assert isinstance(found, RiskComparison)
    numbers = {**valued(f"{prefix}_difference", found.difference), f"{prefix}_fisher_p": found.p}
    for name, ratio in (("risk_ratio", found.risk_ratio), ("odds_ratio", found.odds_ratio)):
        if isinstance(ratio, Ratio):
            numbers |= {**valued(f"{prefix}_{name}", ratio), f"{prefix}_{name}_corrected": ratio.is_corrected}
    return numbers


def responses_between(first: ScoreTable, second: ScoreTable) -> Numbers:
    numbers: Numbers = {}
    for definition in ("relief30", "worse15"):
        for assumption, missing in ASSUMED.items():
            found = compared_responses(first, second, NAMED[definition], missing=missing)
            numbers |= compared(f"{definition}_{assumption}", found)
    return numbers


def share(row: dict[str, str], group: str) -> Proportion:
    found = proportion(int(row[f"k_{group}"]), int(row[f"n_{group}"]))
    assert isinstance(found, Proportion)
    return found


def computed() -> dict[tuple[str, str], Numbers]:
    with_missing = read_tables("cohort_input.csv")
    tables = with_missing | read_tables("ranks_input.csv")
    numbers: defaultdict[tuple[str, str], Numbers] = defaultdict(dict)
    for key, table in tables.items():
        numbers[key] |= within_group(table) if table.n_both >= 5 else {}
        numbers[key] |= responses(table) if key in with_missing else {}
    for cohort in {cohort for cohort, _ in tables} - {"tiny"}:
        first, second = (tables[cohort, group] for group in GROUPS)
        numbers[cohort, "between"] |= ranks_between(first, second)
        numbers[cohort, "between"] |= responses_between(first, second) if (cohort, "with") in with_missing else {}
    with (HERE / "shares_input.csv").open(encoding="utf-8") as file:
        for place, row in enumerate(csv.DictReader(file), start=1):
            found = compared_shares(share(row, "first"), share(row, "second"))
            numbers["shares", str(place)] = compared("shares", found)
    return numbers


REFERENCE = read_reference(HERE / "change_r.csv")
COMPUTED = computed()
# R takes another level, 90 %, because it looks for the limits no further out than the changes themselves.
NARROWED = {key[:2] for key, value in REFERENCE.items() if key[2] == "signed_rank_level" and value < 0.949}


def is_of_r_alone(key: Key) -> bool:
    is_narrowed = key[:2] in NARROWED and key[2] in ("signed_rank_low", "signed_rank_high")
    return key[2].endswith(ONLY_OF_R) or is_narrowed


@pytest.mark.parametrize(("cohort", "group"), sorted(COMPUTED))
def test_statistics_equal_r(cohort: str, group: str) -> None:
    expected = {key[2]: value for key, value in REFERENCE.items() if key[:2] == (cohort, group)}
    expected = {name: value for name, value in expected.items() if not is_of_r_alone((cohort, group, name))}
    ours = COMPUTED[cohort, group]

    assert ours.keys() - expected.keys() <= {"signed_rank_low", "signed_rank_high"}
    for name, value in expected.items():
        tolerance = 1e-7 if name.endswith("fisher_p") else 1e-8
        assert ours[name] == pytest.approx(
            value, rel=tolerance, abs=1e-8 if name.endswith(("low", "high")) else 1e-300
        ), name


@pytest.mark.parametrize("test", ["signed_rank", "rank_sum"])
def test_estimate_of_r_lies_between_the_middle_values(test: str) -> None:
    places = [key[:2] for key in REFERENCE if key[2] == f"{test}_root"]

    assert len(places) > 10
    for place in places:
        low, root, high = (REFERENCE[(*place, f"{test}_{name}")] for name in ("middle_low", "root", "middle_high"))
        assert low - 1e-8 <= root <= high + 1e-8


def test_only_groups_with_hardly_any_distinct_changes_are_narrowed_by_r() -> None:
    expected = [("apart", "with"), ("apart", "without"), ("many_zeros", "without"), ("smallest", "without")]

    assert sorted(NARROWED) == expected


def test_superiority_has_no_interval_exactly_where_the_groups_do_not_overlap() -> None:
    tables = read_tables("ranks_input.csv")
    apart = change_ranks(tables["apart", "without"], tables["apart", "with"])

    assert not isinstance(apart, Absent)
    assert apart.superiority.value == 1.0
    assert apart.superiority.interval == Absent(reason=Reason.NO_OVERLAP)


def test_r_run_again_gives_the_stored_numbers(tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        parts.missing(parts.R_MISSING)
    for name in ("change.R", *INPUTS):
        shutil.copy(HERE / name, tmp_path)

    subprocess.run([rscript, "--vanilla", "change.R"], cwd=tmp_path, check=True, timeout=120)

    again = read_reference(tmp_path / "change_r.csv")
    assert again.keys() == REFERENCE.keys()
    differing = {
        key: (value, again[key])
        for key, value in REFERENCE.items()
        if not math.isclose(value, again[key], rel_tol=1e-8, abs_tol=1e-8)
    }
    assert differing == {}
