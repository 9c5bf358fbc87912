"""Definitions of response and the missing. Witnesses: tests/reference (R, row by row)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.responders import responders
from registry.statistics.response import (
    DEFINITIONS,
    PRIMARY_DEFINITION,
    Definition,
    ImprovementStep,
    Missing,
    Points,
    Reached,
    Relief,
    Response,
    Worse,
    compared_responses,
    improvement_curve,
    response,
)
from registry.statistics.results import Absent, Reason
from registry.statistics.risks import RiskComparison
from registry.statistics.score_table import ScoreTable

Cells = list[tuple[int | None, int | None, int]]

claim = settings(deadline=None, database=None)
scores = st.none() | st.integers(0, 100)
cells = st.lists(st.tuples(scores, scores, st.integers(1, 9)), min_size=1)
definitions = st.sampled_from(DEFINITIONS)


def table(*rows: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(rows)


def found(scores: ScoreTable, definition: Definition, missing: Missing = Missing.LEFT_OUT) -> Response:
    result = response(scores, definition, missing=missing)
    assert isinstance(result, Response)
    return result


def counted(scores: ScoreTable, definition: Definition, missing: Missing = Missing.LEFT_OUT) -> tuple[int, int]:
    share = found(scores, definition, missing).share
    return share.k, share.n


def shares(scores: ScoreTable, missing: Missing = Missing.LEFT_OUT) -> dict[int, ImprovementStep]:
    curve = improvement_curve(scores, missing=missing)
    assert not isinstance(curve, Absent)
    return {step.at_least: step for step in curve}


@pytest.mark.parametrize(
    ("definition", "met", "just_not_met"),
    [
        (Relief(percent=30), (70, 49), (70, 50)),
        (Relief(percent=50), (61, 30), (61, 31)),
        (Points(points=15), (40, 25), (40, 26)),
        (Reached(at_most=30), (0, 30), (100, 31)),
        (Worse(points=15), (85, 100), (86, 100)),
    ],
)
def test_exactly_the_threshold_counts_and_a_point_less_does_not(
    definition: Definition, met: tuple[int, int], just_not_met: tuple[int, int]
) -> None:
    assert counted(table((*met, 3), (*just_not_met, 4)), definition) == (3, 7)


def test_definitions_of_the_report_are_led_by_the_primary_one() -> None:
    assert list(DEFINITIONS) == [
        Relief(percent=30),
        Relief(percent=50),
        Points(points=15),
        Reached(at_most=30),
        Worse(points=15),
    ]
    assert DEFINITIONS[0] is PRIMARY_DEFINITION


def test_zero_before_is_left_out_of_percentages_under_every_assumption_and_counted() -> None:
    some = table((0, 0, 5), (0, None, 2), (60, 20, 3), (60, 60, 1), (60, None, 4), (None, 10, 8))

    completers, everyone = (found(some, Relief(percent=30), missing) for missing in (Missing.LEFT_OUT, Missing.NOT_MET))

    assert (completers.share.k, completers.share.n, completers.n_missing, completers.n_undefined) == (3, 4, 4, 5)
    assert (everyone.share.k, everyone.share.n, everyone.n_missing, everyone.n_undefined) == (3, 8, 4, 7)


def test_zero_before_is_judged_by_points() -> None:
    some = table((0, 0, 5), (60, 20, 3))

    assert counted(some, Points(points=15)) == (3, 8)
    assert counted(some, Reached(at_most=30)) == (8, 8)
    assert found(some, Worse(points=15)).n_undefined == 0


@pytest.mark.parametrize(
    ("missing", "relief", "worse"),
    [
        (Missing.LEFT_OUT, (3, 5), (2, 5)),
        (Missing.NOT_MET, (3, 9), (2, 9)),
        (Missing.BEST, (7, 9), (2, 9)),
        (Missing.WORST, (3, 9), (6, 9)),
    ],
)
def test_best_case_is_the_best_for_the_patients_also_where_nobody_wishes_to_be_counted(
    missing: Missing, relief: tuple[int, int], worse: tuple[int, int]
) -> None:
    some = table((60, 20, 3), (60, 80, 2), (60, None, 4), (None, 20, 7), (None, None, 7))

    assert counted(some, Relief(percent=30), missing) == relief
    assert counted(some, Worse(points=15), missing) == worse


@pytest.mark.parametrize("missing", Missing)
@pytest.mark.parametrize("rows", [[], [(None, 20, 9)], [(0, 0, 9), (0, None, 9)]], ids=["empty", "no before", "zero"])
def test_nobody_to_judge_is_absent(rows: Cells, missing: Missing) -> None:
    absent = Absent(reason=Reason.NO_ANSWERS)
    many = table((60, 20, 9))

    assert response(table(*rows), Relief(percent=30), missing=missing) == absent
    assert compared_responses(table(*rows), many, Relief(percent=30), missing=missing) == absent
    assert compared_responses(many, table(*rows), Relief(percent=30), missing=missing) == absent


def test_everyone_missing_leaves_only_the_assumptions() -> None:
    nobody = table((60, None, 9))

    assert response(nobody, Points(points=15)) == Absent(reason=Reason.NO_ANSWERS)
    assert counted(nobody, Points(points=15), Missing.NOT_MET) == (0, 9)
    assert counted(nobody, Points(points=15), Missing.BEST) == (9, 9)


@pytest.mark.parametrize(
    ("missing", "first", "second"),
    [(Missing.BEST, (7, 9), (3, 9)), (Missing.WORST, (3, 9), (7, 9)), (Missing.NOT_MET, (3, 9), (3, 9))],
)
def test_best_case_of_a_comparison_is_the_best_for_the_first_group(
    missing: Missing, first: tuple[int, int], second: tuple[int, int]
) -> None:
    some = table((60, 20, 3), (60, 80, 2), (60, None, 4))

    result = compared_responses(some, some, Relief(percent=30), missing=missing)

    assert isinstance(result, RiskComparison)
    assert (result.first.k, result.first.n, result.second.k, result.second.n) == (*first, *second)


def test_groups_below_five_are_not_compared() -> None:
    result = compared_responses(table((60, 20, 4)), table((60, 20, 9)), Points(points=15))

    assert result == Absent(reason=Reason.FEWER_THAN_FIVE)


def test_curve_counts_an_improvement_of_exactly_the_cut() -> None:
    curve = shares(table((60, 45, 2), (60, 60, 1), (50, 60, 1), (50, None, 4), (None, 3, 8)))

    assert list(curve) == list(range(-100, 101))
    assert curve[15] == ImprovementStep(at_least=15, k=2, n=4, value=0.5)
    assert (curve[16].k, curve[0].k, curve[1].k, curve[-10].k, curve[-9].k) == (0, 3, 2, 4, 3)


def test_missing_reach_no_cut_of_the_curve() -> None:
    curve = shares(table((60, 45, 2), (50, 60, 2), (50, None, 4)), Missing.NOT_MET)

    assert (curve[-100].value, curve[15].value, curve[100].value) == (0.5, 0.25, 0.0)


def test_ends_of_the_scale_are_on_the_curve() -> None:
    curve = shares(table((100, 0, 1), (0, 100, 1)))

    assert (curve[100].k, curve[-99].k, curve[-100].k) == (1, 1, 2)


def test_nobody_has_no_curve() -> None:
    assert improvement_curve(table()) == Absent(reason=Reason.NO_ANSWERS)
    assert improvement_curve(table((60, None, 5))) == Absent(reason=Reason.NO_ANSWERS)
    assert improvement_curve(table((None, 5, 5)), missing=Missing.NOT_MET) == Absent(reason=Reason.NO_ANSWERS)


@pytest.mark.parametrize("missing", [Missing.BEST, Missing.WORST])
def test_curve_of_a_bound_is_refused(missing: Missing) -> None:
    with pytest.raises(ValueError, match="no curve"):
        improvement_curve(table((60, 20, 5)), missing=missing)


@claim
@given(rows=cells, percent=st.integers(1, 100))
def test_completers_by_percentage_are_the_responders(rows: Cells, percent: int) -> None:
    result = response(table(*rows), Relief(percent=percent))

    expected = responders(table(*rows), at_least_percent=percent)
    assert (result if isinstance(result, Absent) else result.share) == expected


@claim
@given(rows=cells, definition=definitions)
def test_bounds_enclose_every_other_assumption(rows: Cells, definition: Definition) -> None:
    results = {missing: response(table(*rows), definition, missing=missing) for missing in Missing}
    values = {missing: result.share.value for missing, result in results.items() if isinstance(result, Response)}

    for value in values.values():
        assert (
            min(values[Missing.BEST], values[Missing.WORST])
            <= value
            <= max(values[Missing.BEST], values[Missing.WORST])
        )
    if values:
        assert (values[Missing.BEST] >= values[Missing.WORST]) or not definition.is_favourable
        assert values[Missing.NOT_MET] == min(values[Missing.BEST], values[Missing.WORST])


@claim
@given(rows=cells, definition=definitions, missing=st.sampled_from(Missing))
def test_everyone_with_a_score_before_is_accounted_for(rows: Cells, definition: Definition, missing: Missing) -> None:
    result = response(table(*rows), definition, missing=missing)

    if isinstance(result, Response):
        with_before = sum(table(*rows).before_counts.values())
        expected = table(*rows).n_both if missing is Missing.LEFT_OUT else with_before
        assert result.share.n + result.n_undefined == expected


@claim
@given(rows=cells)
def test_curve_falls_and_agrees_with_the_definition_in_points(rows: Cells) -> None:
    curve = improvement_curve(table(*rows))

    if not isinstance(curve, Absent):
        assert all(lower.k >= higher.k for lower, higher in pairwise(curve))
        for step in curve:
            assert counted(table(*rows), Points(points=step.at_least)) == (step.k, step.n)
