"""Where everything on the trajectory figure stands, in millimetres from the lower left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from registry.figures.placement import spread, text_width, wrapped
from registry.figures.sheet import line_height
from registry.figures.style import DOUBLE_COLUMN_MM, MARGIN_MM, SMALL_POINTS, TEXT_POINTS

LOWEST, HIGHEST = 0, 100

HEADER_MM = 14.0
PLOT_MM = 68.0
TICK_WORDS_MM = 4.2
AXIS_WORDS_MM = 9.0
TABLE_MM = 14.5
ROW_GAP_MM = 1.2
SCALE_NUMBERS_MM = 9.0
LEADER_MM = 6.0
WIDEST_WORDS_MM = 34.0
WIDEST_END_LABEL_MM = 28.0
INNER_PADDING_MM = 6.0
COLUMN_GAP_MM = 1.5
END_LABEL_GAP_MM = 1.2


# Without slots: the cached properties keep their value in the instance.
@dataclass(frozen=True, kw_only=True)
class Layout:
    """The places that follow from the words and the months."""

    months: tuple[float, ...]
    names: tuple[str, ...]
    ends: tuple[tuple[float, float] | None, ...]
    columns: tuple[tuple[str, ...], ...]
    scale_words: tuple[str, ...]

    @cached_property
    def name_lines(self) -> tuple[tuple[str, ...], ...]:
        """The name of each group, in lines that fit beside the plot."""
        return tuple(wrapped(name, points=TEXT_POINTS, width=WIDEST_END_LABEL_MM) for name in self.names)

    @cached_property
    def row_heights(self) -> tuple[float, ...]:
        """The height of each group's row in the table."""
        return tuple(len(lines) * line_height(SMALL_POINTS) + ROW_GAP_MM for lines in self.row_lines)

    @cached_property
    def row_lines(self) -> tuple[tuple[str, ...], ...]:
        """The name of each group, in lines that fit before its row."""
        return tuple(wrapped(name, points=SMALL_POINTS, width=WIDEST_WORDS_MM) for name in self.names)

    @cached_property
    def row_places(self) -> tuple[float, ...]:
        """The height of the middle of each group's row."""
        tops = accumulate(self.row_heights, initial=0.0)
        below = self.bottom - TABLE_MM
        return tuple(below - top - height / 2 for top, height in zip(tops, self.row_heights, strict=False))

    @property
    def left(self) -> float:
        """The left edge of the plot."""
        words = [*self.scale_words, *(line for lines in self.row_lines for line in lines)]
        return MARGIN_MM + _widest(words, SMALL_POINTS) + SCALE_NUMBERS_MM

    @property
    def right(self) -> float:
        """The right edge of the plot."""
        words = [line for lines in self.name_lines for line in lines]
        return DOUBLE_COLUMN_MM - MARGIN_MM - _widest(words, TEXT_POINTS) - LEADER_MM

    @property
    def bottom(self) -> float:
        """The line of the score 0."""
        return MARGIN_MM + sum(self.row_heights) + TABLE_MM

    @property
    def top(self) -> float:
        """The line of the score 100."""
        return self.bottom + PLOT_MM

    @property
    def height(self) -> float:
        """The height of the sheet."""
        return self.top + HEADER_MM

    @cached_property
    def time_limits(self) -> tuple[float, float]:
        """The months at the left and the right edge of the plot."""
        first, last = min(self.months, default=0.0), max(self.months, default=0.0)
        span = last - first or 1.0
        padding = INNER_PADDING_MM * span / (self.right - self.left - 2 * INNER_PADDING_MM)
        return first - padding, last + padding

    def across(self, months: float) -> float:
        """Where so many months after the operation lie."""
        first, last = self.time_limits
        return self.left + (months - first) / (last - first) * (self.right - self.left)

    def up(self, score: float) -> float:
        """Where a score lies."""
        return self.bottom + (score - LOWEST) / (HIGHEST - LOWEST) * PLOT_MM

    @cached_property
    def column_places(self) -> list[float]:
        """The middle of each month's column of words: under its tick, or as near as the neighbours allow."""
        return spread(
            [self.across(months) for months in self.months],
            [_widest(texts, SMALL_POINTS) + COLUMN_GAP_MM for texts in self.columns],
            low=self.left - SCALE_NUMBERS_MM / 2,
            high=DOUBLE_COLUMN_MM - MARGIN_MM,
        )

    @cached_property
    def end_label_places(self) -> dict[int, float]:
        """The height of the label of each group with a mean: at the last one, or as near as others allow."""
        shown = [(place, end) for place, end in enumerate(self.ends) if end is not None]
        heights = spread(
            [self.up(mean) for _, (_, mean) in shown],
            [len(self.name_lines[place]) * line_height(TEXT_POINTS) + END_LABEL_GAP_MM for place, _ in shown],
            low=self.bottom - 1.5,
            high=self.top + 1.5,
        )
        return {place: height for (place, _), height in zip(shown, heights, strict=True)}


def _widest(words: Sequence[str], points: float) -> float:
    return max((text_width(word, points) for word in words), default=0.0)
