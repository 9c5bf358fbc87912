"""The scale of a change, the same on every figure that has one: from -100 to 100, its directions in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.figures.style import QUIET_INK, SMALL_POINTS
from registry.figures.subject import LARGEST_CHANGE, CommonWords
from registry.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from registry.figures.sheet import Sheet

TICKS = range(-LARGEST_CHANGE, LARGEST_CHANGE + 1, 50)
AXIS_MM = 12.5


def draw_change_axis(
    sheet: Sheet,
    axes: Axes,
    words: CommonWords,
    *,
    title: str,
    bottom: float,
    left: float,
    right: float,
    is_improvement: bool = False,
) -> None:
    """A scale under the axes with its ends in words; as improvement, the better end is at the right."""
    axes.set_xlim(-LARGEST_CHANGE, LARGEST_CHANGE)
    axes.set_xticks(TICKS)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for tick in TICKS:
        across = left + (tick + LARGEST_CHANGE) / (2 * LARGEST_CHANGE) * (right - left)
        sheet.word(across, bottom - 2.8, number(tick, 0), anchor="center", points=SMALL_POINTS)
    ends = (words.worse, words.improved) if is_improvement else (words.improved, words.worse)
    up = bottom - 6.6
    sheet.word(left, up, f"\N{LEFTWARDS ARROW} {ends[0]}", points=SMALL_POINTS, colour=QUIET_INK)
    sheet.word(right, up, f"{ends[1]} \N{RIGHTWARDS ARROW}", anchor="right", points=SMALL_POINTS, colour=QUIET_INK)
    sheet.word((left + right) / 2, bottom - 10.4, title, anchor="center", points=SMALL_POINTS)


def draw_nothing(sheet: Sheet, words: CommonWords, *, across: float, up: float) -> None:
    """That there is nothing to draw."""
    sheet.word(across, up, words.nothing, anchor="center", points=SMALL_POINTS, colour=QUIET_INK)
