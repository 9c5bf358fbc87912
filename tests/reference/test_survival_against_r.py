"""registry.statistics.survival and survival_tests against R: survival.R wrote survival_r.csv (survival, cmprsk).

All agree to 1e-8 relative. The last test runs the script again where R and both packages are installed.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from scipy import stats

from registry.statistics.event_table import EventTable, Outcome
from registry.statistics.results import Absent, Estimate
from registry.statistics.survival import IncidencePoint, cumulative_incidence
from registry.statistics.survival_tests import ChiSquareTest, gray_test, log_rank_test
from tests.reference.witness import HERE, Key, differing, read_rows, read_witness, run_again

TIMES = (1, 6, 12, 24.5, 36, 48, 60)


def read_tables() -> dict[str, dict[str, EventTable]]:
    rows: defaultdict[tuple[str, str], list[tuple[float, Outcome, int]]] = defaultdict(list)
    for row in read_rows("survival_input.csv"):
        rows[row["cohort"], row["group"]].append((float(row["months"]), Outcome(row["outcome"]), 1))
    found: defaultdict[str, dict[str, EventTable]] = defaultdict(dict)
    for (cohort, group), cells in rows.items():
        found[cohort][group] = EventTable.from_counts(cells)
    return dict(found)


def at(point: IncidencePoint) -> dict[str, float]:
    if isinstance(point.incidence, Absent) or isinstance(point.standard_error, Absent):
        return {}
    numbers = {
        "incidence": point.incidence,
        "cuminc": point.incidence,
        "se": point.standard_error,
        "at_risk": point.n_at_risk,
        "events": point.n_events,
        "deaths": point.n_deaths,
        "censored": point.n_censored,
    }
    if isinstance(point.interval, Estimate):
        numbers |= {"low": point.interval.low, "high": point.interval.high}
    return {f"at{point.months:g}_{name}": value for name, value in numbers.items()}


def both_tests(groups: dict[str, EventTable]) -> dict[str, float]:
    gray, ranks = gray_test(list(groups.values())), log_rank_test(list(groups.values()))
    assert isinstance(gray, ChiSquareTest)
    assert isinstance(ranks, ChiSquareTest)
    numbers = {f"gray_{name}": getattr(gray, name) for name in ("chi_square", "df", "p")}
    numbers |= {f"log_rank_{name}": getattr(ranks, name) for name in ("chi_square", "df", "p")}
    expected = zip(groups, ranks.expected, strict=True)
    return numbers | {f"log_rank_expected_{group}": value for group, value in expected}


def computed() -> dict[Key, float]:
    numbers: dict[Key, float] = {}
    for cohort, groups in read_tables().items():
        for group, table in groups.items():
            for point in cumulative_incidence(table, at=TIMES):
                numbers |= {(cohort, group, name): value for name, value in at(point).items()}
        numbers |= {(cohort, "between", name): value for name, value in both_tests(groups).items()}
    return numbers


WITNESS = read_witness(HERE / "survival_r.csv")
COMPUTED = computed()


@pytest.mark.parametrize("cohort", sorted({key[0] for key in WITNESS}))
def test_statistics_equal_r(cohort: str) -> None:
    assert differing({key: value for key, value in COMPUTED.items() if key[0] == cohort}, WITNESS) == {}


def test_every_number_of_r_is_compared() -> None:
    assert WITNESS.keys() == COMPUTED.keys()


@pytest.mark.parametrize("cohort", ["ties", "days", "large"])
def test_log_rank_test_equals_scipy(cohort: str) -> None:
    groups = list(read_tables()[cohort].values())
    samples = []
    for table in groups:
        times = [(months, outcome is Outcome.EVENT) for months, outcome, n in table.cells for _ in range(n)]
        uncensored = [months for months, happened in times if happened]
        samples.append(stats.CensoredData(uncensored=uncensored, right=[m for m, happened in times if not happened]))

    ours, theirs = log_rank_test(groups), stats.logrank(*samples)

    assert isinstance(ours, ChiSquareTest)
    assert ours.chi_square == pytest.approx(theirs.statistic**2, rel=1e-8)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-8)


def test_r_run_again_gives_the_stored_numbers(tmp_path: Path) -> None:
    again = run_again("survival", inputs=["survival_input.csv"], folder=tmp_path, packages=["survival", "cmprsk"])

    assert again.keys() == WITNESS.keys()
    assert differing(again, WITNESS) == {}
