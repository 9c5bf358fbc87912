"""Two groups side by side. Witness of the numbers: tests/reference (R)."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.results import Absent, Proportion, Reason, Summary
from registry.statistics.table_one import binary_balance, continuous_balance, level_balance

claim = settings(deadline=None, database=None)
ages = st.dictionaries(st.integers(20, 90), st.integers(1, 30), min_size=2, max_size=8)
levels = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 30), min_size=2)
both = st.fixed_dictionaries({True: st.integers(1, 40), False: st.integers(1, 40)})


def test_difference_is_in_standard_deviations() -> None:
    result = continuous_balance({60: 2, 70: 2}, {50: 3, 60: 3})

    assert result.standardised_difference == pytest.approx(10 / sqrt((100 / 3 + 30) / 2))


def test_unknown_values_are_counted_and_left_out() -> None:
    result = continuous_balance({60: 2, 70: 2, None: 7}, {50: 3, 60: 3})

    assert (result.first.n_missing, result.second.n_missing) == (7, 0)
    assert isinstance(result.first.summary, Summary)
    assert result.first.summary.n == 4
    assert result.first.quartiles == (60.0, 70.0)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({}, Reason.NO_ANSWERS),
        ({None: 9}, Reason.NO_ANSWERS),
        ({60: 1}, Reason.FEWER_THAN_TWO),
    ],
    ids=["empty", "everyone unknown", "one patient"],
)
def test_mean_that_has_no_spread_has_no_difference(second: dict[int | None, int], reason: Reason) -> None:
    known: dict[int | None, int] = {60: 2, 70: 2}

    assert continuous_balance(known, second).standardised_difference == Absent(reason=reason)
    assert continuous_balance(second, known).standardised_difference == Absent(reason=reason)


def test_groups_without_variation_have_no_difference() -> None:
    assert continuous_balance({60: 9}, {50: 9}).standardised_difference == Absent(reason=Reason.NO_VARIATION)


def test_binary_difference_has_a_sign() -> None:
    result = binary_balance({True: 1, False: 3, None: 2}, {True: 3, False: 1})

    assert result.standardised_difference == pytest.approx(-0.5 / sqrt(3 / 16))
    assert isinstance(result.first, Proportion)
    assert (result.first.k, result.first.n, result.n_missing_first, result.n_missing_second) == (1, 4, 2, 0)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({}, {True: 1}, Reason.NO_ANSWERS),
        ({True: 1}, {None: 4}, Reason.NO_ANSWERS),
        ({True: 3}, {False: 3}, Reason.NO_VARIATION),
        ({True: 3}, {True: 5}, Reason.NO_VARIATION),
    ],
)
def test_binary_difference_is_absent(
    first: dict[bool | None, int], second: dict[bool | None, int], reason: Reason
) -> None:
    assert binary_balance(first, second).standardised_difference == Absent(reason=reason)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({}, {"a": 3, "b": 2}, Reason.NO_ANSWERS),
        ({"a": 3, "b": 2}, {None: 3}, Reason.NO_ANSWERS),
        ({"a": 3}, {"a": 5}, Reason.NO_VARIATION),
        ({"a": 3}, {"b": 5}, Reason.NO_VARIATION),
        ({"a": 3, "b": 2}, {"c": 3, "d": 3}, Reason.NO_VARIATION),
    ],
    ids=["empty", "everyone unknown", "one level", "a level each", "no level in common"],
)
def test_distance_is_absent(first: dict[str | None, int], second: dict[str | None, int], reason: Reason) -> None:
    assert level_balance(first, second).standardised_difference == Absent(reason=reason)


def test_level_that_nobody_has_is_none() -> None:
    with_it, without = (
        level_balance({"a": 3, "b": 2, "z": 0}, {"a": 1, "b": 2}),
        level_balance({"a": 3, "b": 2}, {"a": 1, "b": 2}),
    )

    assert with_it == without
    assert [level.level for level in with_it.levels] == ["a", "b"]


def test_shares_are_of_those_whose_level_is_known() -> None:
    result = level_balance({"a": 3, "b": 1, None: 6}, {"b": 2, "c": 2})

    assert [(level.n_first, level.proportion_first) for level in result.levels] == [(3, 0.75), (1, 0.25), (0, 0.0)]
    assert (result.n_first, result.n_missing_first, result.n_missing_second) == (4, 6, 0)


def test_shares_of_a_group_without_anyone_are_absent() -> None:
    result = level_balance({"a": 3, "b": 1}, {})

    assert {level.proportion_second for level in result.levels} == {Absent(reason=Reason.NO_ANSWERS)}


def distance(first: Mapping[str, int], second: Mapping[str, int]) -> float | Absent:
    return level_balance(dict(first.items()), dict(second.items())).standardised_difference


def difference(first: Mapping[int, int], second: Mapping[int, int]) -> float:
    found = continuous_balance(dict(first.items()), dict(second.items())).standardised_difference
    assert not isinstance(found, Absent)
    return found


@claim
@given(first=both, second=both)
def test_two_levels_are_as_far_apart_as_the_binary_form_says(first: dict[bool, int], second: dict[bool, int]) -> None:
    one, two = ({str(answer): n for answer, n in counts.items()} for counts in (first, second))

    binary = binary_balance(dict(first.items()), dict(second.items())).standardised_difference

    assert not isinstance(binary, Absent)
    assert distance(one, two) == pytest.approx(abs(binary), rel=1e-12)


@claim
@given(first=levels, second=levels)
def test_names_of_the_levels_and_the_order_of_the_groups_do_not_matter(
    first: dict[str, int], second: dict[str, int]
) -> None:
    one, two = ({chr(ord("z") - ord(name)): n for name, n in counts.items()} for counts in (first, second))

    assert distance(second, first) == distance(one, two) == distance(first, second)


@claim
@given(first=ages, second=ages, shift=st.integers(-20, 20), unit=st.integers(1, 9))
def test_unit_and_origin_do_not_matter_and_swapping_flips_the_sign(
    first: dict[int, int], second: dict[int, int], shift: int, unit: int
) -> None:
    one, two = ({unit * value + shift: n for value, n in counts.items()} for counts in (first, second))

    assert difference(one, two) == difference(first, second) == -difference(second, first)
