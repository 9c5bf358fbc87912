"""registry.statistics.bootstrap against R: bootstrap.R read the very same resamples and wrote bootstrap_r.csv.

The interval agrees to 1e-8 relative. The resamples themselves are kept in bootstrap_resamples.csv; the version of
numpy that drew them is the one that pyproject.toml pins.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from registry.statistics.bootstrap import (
    BootstrapDifference,
    bootstrap_difference,
    resample_plan,
    resampled_differences,
)
from registry.statistics.score_table import Cell, ScoreTable
from tests.reference.witness import HERE, differing, read_rows, read_witness, run_again

SEED, N_RESAMPLES = 20261121, 2_000


def read_tables() -> tuple[ScoreTable, ScoreTable]:
    cells: defaultdict[str, list[Cell]] = defaultdict(list)
    for row in read_rows("bootstrap_input.csv"):
        cells[row["group"]].append((int(row["before"]), int(row["after"]), 1))
    return ScoreTable.from_counts(cells["without"]), ScoreTable.from_counts(cells["with"])


def differences() -> list[float]:
    plan = resample_plan(*read_tables(), seed=SEED, n_resamples=N_RESAMPLES)
    return [value / (plan.n_first * plan.n_second) for value in resampled_differences(plan).tolist()]


WITNESS = read_witness(HERE / "bootstrap_r.csv")


def test_interval_equals_r() -> None:
    found = bootstrap_difference(*read_tables(), seed=SEED, n_resamples=N_RESAMPLES)

    assert isinstance(found, BootstrapDifference)
    named = {
        "estimate": found.estimate.value,
        "z0": found.bias_correction,
        "a": found.acceleration,
        "low": found.estimate.low,
        "high": found.estimate.high,
    }
    ours = {("small", "between", name): value for name, value in named.items()}
    assert differing(ours, WITNESS) == {}
    assert ours.keys() == WITNESS.keys()


def test_seed_draws_the_stored_resamples_again() -> None:
    stored = [float(row["difference"]) for row in read_rows("bootstrap_resamples.csv")]

    assert differences() == pytest.approx(stored, rel=1e-15)


def test_r_run_again_gives_the_stored_numbers(tmp_path: Path) -> None:
    inputs = ("bootstrap_input.csv", "bootstrap_resamples.csv")

    again = run_again("bootstrap", inputs=inputs, folder=tmp_path)

    assert again.keys() == WITNESS.keys()
    assert differing(again, WITNESS) == {}
