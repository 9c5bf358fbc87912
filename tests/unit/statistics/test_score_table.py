"""The count table of one group."""

from __future__ import annotations

import pytest

from registry.statistics.score_table import ScoreTable

ROWS = [(60, 30, 2), (30, 30, 1), (29, 0, 1), (80, None, 3), (None, 10, 1), (None, None, 4)]


def test_everyone_counts_as_enrolled_and_only_pairs_as_both() -> None:
    table = ScoreTable.from_counts(ROWS)

    assert (table.n_enrolled, table.n_both) == (12, 4)


def test_order_and_splitting_of_the_rows_do_not_matter() -> None:
    single = [(before, after, 1) for before, after, n in ROWS for _ in range(n)]

    assert ScoreTable.from_counts(reversed(single)) == ScoreTable.from_counts(ROWS)


def test_entry_rule_keeps_the_score_at_the_threshold_and_drops_the_one_below_and_the_unknown() -> None:
    entered = ScoreTable.from_counts(ROWS).entered(at_least=30)

    assert entered.cells == ((30, 30, 1), (60, 30, 2), (80, None, 3))


def test_margins_hold_everyone_with_that_score() -> None:
    table = ScoreTable.from_counts(ROWS)

    assert table.before_counts == {29: 1, 30: 1, 60: 2, 80: 3}
    assert table.after_counts == {0: 1, 10: 1, 30: 3}
    assert table.change_counts == {-30: 2, -29: 1, 0: 1}


def test_complete_table_keeps_only_pairs() -> None:
    assert ScoreTable.from_counts(ROWS).complete.before_counts == {29: 1, 30: 1, 60: 2}


def test_groups_add_up() -> None:
    table = ScoreTable.from_counts(ROWS)

    combined = ScoreTable.combined([table, table])

    assert (combined.n_enrolled, combined.n_both) == (24, 8)


@pytest.mark.parametrize("score", [-1, 101, 50.0, True, "50"])
def test_anything_but_an_integer_from_0_to_100_is_refused(score: int) -> None:
    with pytest.raises(ValueError, match="integer from 0 to 100"):
        ScoreTable.from_counts([(50, 50, 1), (score, 50, 1)])


def test_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        ScoreTable.from_counts([(50, 50, -1)])


def test_moments_are_exact_for_a_million_patients() -> None:
    # A mean of squares minus a squared mean in floats would lose the variance of 1 in a million here.
    table = ScoreTable.from_counts([(100, 99, 999_999), (99, 99, 1)])

    assert table.moments.before.squares * 1_000_000 == 999_999
    assert table.moments.after.squares == 0


def test_table_without_pairs_has_no_moments() -> None:
    with pytest.raises(ValueError, match="no values"):
        _ = ScoreTable.from_counts([(50, None, 3)]).moments
