"""registry.statistics.missing, selection and precision against R: sensitivity.R wrote sensitivity_r.csv.

R fills in the missing scores and fits again, evaluates the densities itself, and counts the patients up one by one.
All agree to 1e-8 relative. The last test runs the script again where R is installed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from registry.statistics.missing import (
    DifferenceBounds,
    MissingGroup,
    TippingPoint,
    answered_against_missing,
    delta_adjusted,
    difference_bounds,
    tipping_point,
)
from registry.statistics.precision import Precision, precision
from registry.statistics.results import Absent, Estimate, MeanChange
from registry.statistics.score_table import Cell, ScoreTable
from registry.statistics.selection import SelectionEffect, selection_effect
from tests.reference.witness import HERE, Key, differing, read_rows, read_witness, run_again

DELTAS = [(0, 0), (10, 0), (0, 10), (-20, 30)]


def read_tables() -> dict[tuple[str, str], ScoreTable]:
    cells: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
    for row in read_rows("cohort_input.csv"):
        before, after = (int(row[name]) if row[name] else None for name in ("before", "after"))
        cells[row["cohort"], row["group"]].append((before, after, 1))
    return {key: ScoreTable.from_counts(rows) for key, rows in cells.items()}


def selected(table: ScoreTable, *, at_least: int) -> dict[str, float]:
    effect = selection_effect(table, at_least=at_least)
    if isinstance(effect, Absent):
        return {}
    assert isinstance(effect, SelectionEffect)
    numbers = {f"selection{at_least}_rule": effect.change_by_rule, f"selection{at_least}_n": effect.n_entrants}
    if not isinstance(effect.change_by_normal_theory, Absent):
        numbers[f"selection{at_least}_normal"] = effect.change_by_normal_theory
    if isinstance(effect.observed, MeanChange):
        numbers[f"selection{at_least}_observed"] = effect.observed.estimate.value
    return numbers | {"slope": effect.slope}


def of_group(table: ScoreTable) -> dict[str, float]:
    numbers: dict[str, float] = selected(table, at_least=30) | selected(table, at_least=60)
    difference = answered_against_missing(table).standardised_difference
    return numbers if isinstance(difference, Absent) else numbers | {"baseline_difference": difference}


def of_missing(found: MissingGroup) -> dict[str, float]:
    numbers: dict[str, float] = {"n_answered": found.n_answered, "n_missing": found.n_missing}
    if isinstance(found.tipping_delta, Absent) or isinstance(found.imputed_mean, Absent):
        return numbers
    return numbers | {
        "weight": found.weight,
        "tipping_delta": found.tipping_delta,
        "imputed_mean": found.imputed_mean,
    }


def between(first: ScoreTable, second: ScoreTable) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for one, two in DELTAS:
        moved = delta_adjusted(first, second, delta_first=one, delta_second=two)
        assert isinstance(moved, Estimate)
        name = f"delta_{one}_{two}"
        numbers |= {f"{name}_estimate": moved.value, f"{name}_low": moved.low, f"{name}_high": moved.high}
    bounds = difference_bounds(first, second)
    assert isinstance(bounds, DifferenceBounds)
    numbers |= {f"bound_{name}": value for name, value in asdict(bounds).items() if not name.startswith("n_")}
    wide, narrow = precision(first, second), precision(first, second, important_difference=4, wanted_half_width=2)
    assert isinstance(wide, Precision)
    assert isinstance(narrow, Precision)
    return numbers | {
        "half_width": wide.half_width,
        "power15": wide.power,
        "power4": narrow.power,
        "more_for_5": wide.more_per_group,
        "more_for_2": narrow.more_per_group,
    }


def computed() -> dict[Key, float]:
    numbers: dict[Key, float] = {}

    def put(cohort: str, group: str, values: Mapping[str, float]) -> None:
        numbers.update({(cohort, group, name): value for name, value in values.items()})

    tables = read_tables()
    for (cohort, group), table in tables.items():
        put(cohort, group, of_group(table))
    for cohort in {cohort for cohort, _ in tables} - {"tiny"}:
        first, second = tables[cohort, "without"], tables[cohort, "with"]
        tipping = tipping_point(first, second)
        assert isinstance(tipping, TippingPoint)
        put(cohort, "without", of_missing(tipping.first))
        put(cohort, "with", of_missing(tipping.second))
        put(cohort, "between", between(first, second))
    return numbers


WITNESS = read_witness(HERE / "sensitivity_r.csv")
COMPUTED = computed()


def test_statistics_equal_r() -> None:
    assert differing(COMPUTED, WITNESS) == {}


def test_every_number_of_r_is_compared_except_the_sizes_of_groups_too_small() -> None:
    left = WITNESS.keys() - COMPUTED.keys()

    assert {(cohort, name) for cohort, _, name in left} == {("tiny", "n_answered"), ("tiny", "n_missing")}


def test_r_run_again_gives_the_stored_numbers(tmp_path: Path) -> None:
    again = run_again("sensitivity", inputs=["cohort_input.csv"], folder=tmp_path)

    assert again.keys() == WITNESS.keys()
    assert differing(again, WITNESS) == {}
