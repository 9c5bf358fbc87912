"""registry.statistics.survival and survival_tests against printed results."""

from __future__ import annotations

import pytest

from registry.statistics.event_table import EventTable, Outcome
from registry.statistics.survival import cumulative_incidence
from registry.statistics.survival_tests import ChiSquareTest, log_rank_test

EVENT, CENSORED = Outcome.EVENT, Outcome.CENSORED


def test_kaplan_meier_of_53_patients() -> None:
    # Events at 4, 6, 7, 15 and 16 months, nobody censored before 12: S(12) = 0.9434.
    table = EventTable.from_counts([*((month, EVENT, 1) for month in (4, 6, 7, 15, 16)), (24, CENSORED, 48)])

    (found,) = cumulative_incidence(table, at=[12])

    assert isinstance(found.incidence, float)
    assert 1 - found.incidence == pytest.approx(0.9434, abs=5e-5)
    assert (found.n_at_risk, found.n_events) == (50, 3)


# Freireich et al., Blood 1963;21:699-716: weeks of remission in leukaemia. The shares in remission, log-rank 16.79
# and the expected 19.25 and 10.75 stand in Kleinbaum and Klein, Survival Analysis, 3rd ed., chapter 2.
SIX_MP = EventTable.from_counts(
    [
        *((week, EVENT, n) for week, n in ((6, 3), (7, 1), (10, 1), (13, 1), (16, 1), (22, 1), (23, 1))),
        *((week, CENSORED, n) for week, n in ((6, 1), (9, 1), (10, 1), (11, 1), (17, 1), (19, 1), (20, 1), (25, 1))),
        *((week, CENSORED, n) for week, n in ((32, 2), (34, 1), (35, 1))),
    ]
)
PLACEBO = EventTable.from_counts(
    (week, EVENT, n)
    for week, n in (
        (1, 2), (2, 2), (3, 1), (4, 2), (5, 2), (8, 4), (11, 2), (12, 2), (15, 1), (17, 1), (22, 1), (23, 1)
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("week", "surviving"),
    [(6, 0.8571), (7, 0.8067), (10, 0.7529), (13, 0.6902), (16, 0.6275), (22, 0.5378), (23, 0.4482)],
)
def test_remission_under_6_mp(week: float, surviving: float) -> None:
    (found,) = cumulative_incidence(SIX_MP, at=[week])

    assert isinstance(found.incidence, float)
    assert 1 - found.incidence == pytest.approx(surviving, abs=5e-5)


def test_log_rank_of_remission() -> None:
    result = log_rank_test([SIX_MP, PLACEBO])

    assert isinstance(result, ChiSquareTest)
    assert result.chi_square == pytest.approx(16.79, abs=0.005)
    assert result.observed == (9, 21)
    assert result.expected == pytest.approx((19.25, 10.75), abs=0.005)
