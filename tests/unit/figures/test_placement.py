"""Where words go."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.figures.placement import balanced, spread, text_width, wrapped

claim = settings(deadline=None, database=None)
things = st.lists(st.tuples(st.floats(-20, 120, allow_nan=False), st.floats(0.5, 8, allow_nan=False)), max_size=8)


def test_things_with_room_stay_where_they_are_wanted() -> None:
    assert spread([30.0, 10.0, 50.0], [5.0, 5.0, 5.0], low=0, high=100) == [30.0, 10.0, 50.0]


def test_two_things_wanted_at_one_place_share_the_way() -> None:
    assert spread([50.0, 50.0], [4.0, 4.0], low=0, high=100) == [48.0, 52.0]


def test_things_wanted_beyond_the_edges_stop_there() -> None:
    assert spread([-3.0, 103.0], [4.0, 6.0], low=0, high=100) == [2.0, 97.0]


def test_nothing_to_place_is_no_place() -> None:
    assert spread([], [], low=0, high=100) == []


@claim
@given(wanted_and_sizes=things)
def test_things_neither_overlap_nor_leave_the_room(wanted_and_sizes: list[tuple[float, float]]) -> None:
    wanted, sizes = [w for w, _ in wanted_and_sizes], [s for _, s in wanted_and_sizes]

    centres = spread(wanted, sizes, low=0, high=100)

    placed = sorted(zip(centres, sizes, strict=True))
    for (lower, lower_size), (upper, upper_size) in pairwise(placed):
        assert upper - lower >= (lower_size + upper_size) / 2 - 1e-9
    for centre, size in placed:
        assert size / 2 - 1e-9 <= centre <= 100 - size / 2 + 1e-9


@claim
@given(wanted_and_sizes=things)
def test_things_keep_their_order(wanted_and_sizes: list[tuple[float, float]]) -> None:
    wanted, sizes = [w for w, _ in wanted_and_sizes], [s for _, s in wanted_and_sizes]

    centres = spread(wanted, sizes, low=0, high=100)

    by_wish = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    assert by_wish == sorted(range(len(wanted)), key=lambda i: centres[i])


def test_japanese_signs_are_as_wide_as_they_are_high() -> None:
    assert text_width("腰痛", 72) == pytest.approx(2 * 25.4)


@claim
@given(text=st.text("ab 腰痛（）、。", max_size=40), width=st.floats(4, 40))
def test_wrapping_loses_no_sign(text: str, width: float) -> None:
    lines = wrapped(text, points=8, width=width)

    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@claim
@given(text=st.text("ab 腰痛", max_size=40), width=st.floats(4, 40))
def test_lines_fit_the_width(text: str, width: float) -> None:
    assert all(text_width(line, 8) <= width for line in wrapped(text, points=8, width=width))


def test_japanese_lines_neither_end_with_an_opening_sign_nor_begin_with_a_closing_one() -> None:
    em = text_width("痛", 8)

    assert wrapped("腰椎疾患（画像）", points=8, width=5.5 * em) == ("腰椎疾患", "（画像）")
    assert wrapped("腰痛、首", points=8, width=2.5 * em) == ("腰痛、", "首")


def test_balanced_lines_leave_no_word_alone() -> None:
    words = "Responders: low-back pain at 12 months"
    em = text_width("m", 9)

    assert wrapped(words, points=9, width=32 * em) == ("Responders: low-back pain at 12", "months")
    assert balanced(words, points=9, width=32 * em) == ("Responders: low-back", "pain at 12 months")


def test_text_in_the_narrowest_lines_can_be_balanced_too() -> None:
    assert balanced("腰痛", points=8, width=1) == ("腰", "痛")


@claim
@given(text=st.text("ab 腰痛（）、。", max_size=60), width=st.floats(4, 40))
def test_balanced_lines_are_no_more_than_they_need_to_be(text: str, width: float) -> None:
    lines = balanced(text, points=8, width=width)

    assert len(lines) == len(wrapped(text, points=8, width=width))
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
