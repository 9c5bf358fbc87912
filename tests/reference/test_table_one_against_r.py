"""registry.statistics.table_one against R: table_one.R wrote table_one_r.csv, with mahalanobis() for the levels.

All agree to 1e-8 relative. The last test runs the script again where R is installed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from registry.statistics.results import Absent, Summary
from registry.statistics.table_one import Spread, binary_balance, continuous_balance, level_balance
from tests.reference.witness import HERE, Key, differing, read_rows, read_witness, run_again


def values(variable: str, group: str) -> Counter[str | None]:
    rows = [row for row in read_rows("table_one_input.csv") if (row["variable"], row["group"]) == (variable, group)]
    return Counter(row["value"] or None for row in rows)


def numbers_of(variable: str, group: str) -> Counter[int | None]:
    return Counter({value if value is None else int(value): n for value, n in values(variable, group).items()})


def spread(found: Spread) -> dict[str, float]:
    assert isinstance(found.summary, Summary)
    assert not isinstance(found.summary.sd, Absent)
    assert not isinstance(found.quartiles, Absent)
    return {
        "n": found.summary.n,
        "n_missing": found.n_missing,
        "mean": found.summary.mean,
        "sd": found.summary.sd,
        "median": found.summary.median,
        "q1": found.quartiles[0],
        "q3": found.quartiles[1],
    }


def computed() -> dict[Key, float]:
    numbers: dict[Key, float] = {}

    def put(variable: str, sides: Mapping[str, Mapping[str, float]], difference: float | Absent) -> None:
        assert not isinstance(difference, Absent)
        for group, named in {**sides, "between": {"difference": difference}}.items():
            numbers.update({(variable, group, name): value for name, value in named.items()})

    for name in ("age", "weight"):
        age = continuous_balance(numbers_of(name, "without"), numbers_of(name, "with"))
        put(name, {"without": spread(age.first), "with": spread(age.second)}, age.standardised_difference)
    for name in ("female", "smoker"):
        sides = [
            {value if value is None else bool(value): n for value, n in numbers_of(name, group).items()}
            for group in ("without", "with")
        ]
        yes = binary_balance(*sides)
        assert not isinstance(yes.first, Absent)
        assert not isinstance(yes.second, Absent)
        one = {"n": yes.first.n, "n_missing": yes.n_missing_first}
        two = {"n": yes.second.n, "n_missing": yes.n_missing_second}
        put(name, {"without": one, "with": two}, yes.standardised_difference)
    for name in ("region", "earlier", "two"):
        levels = level_balance(values(name, "without"), values(name, "with"))
        one = {"n": levels.n_first, "n_missing": levels.n_missing_first}
        two = {"n": levels.n_second, "n_missing": levels.n_missing_second}
        put(name, {"without": one, "with": two}, levels.standardised_difference)
    return numbers


WITNESS = read_witness(HERE / "table_one_r.csv")


def test_statistics_equal_r() -> None:
    assert differing(computed(), WITNESS) == {}


def test_every_number_of_r_is_compared() -> None:
    assert WITNESS.keys() == computed().keys()


def test_r_run_again_gives_the_stored_numbers(tmp_path: Path) -> None:
    again = run_again("table_one", inputs=["table_one_input.csv"], folder=tmp_path)

    assert again.keys() == WITNESS.keys()
    assert differing(again, WITNESS) == {}
