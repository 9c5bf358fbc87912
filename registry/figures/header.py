"""What stands above a figure: its title, a note on what is drawn, and the mark of a demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from registry.figures.placement import balanced, text_width
from registry.figures.sheet import Sheet, line_height
from registry.figures.style import MARGIN_MM, QUIET_INK, SMALL_POINTS, TEXT_POINTS

TITLE_POINTS = TEXT_POINTS + 1
# Bold letters are wider than the plain ones that text_width knows.
BOLD_WIDTH = 1.15
WARNING_MM = 5.4
ABOVE_MM = 1.2
BELOW_MM = 2.0


# Without slots: the cached properties keep their value in the instance.
@dataclass(frozen=True, kw_only=True)
class Header:
    """The words above a figure of this width; without a warning it is no demonstration."""

    width: float
    title: str
    note: str
    warning: str

    @cached_property
    def title_lines(self) -> tuple[str, ...]:
        """The title in lines that fit."""
        return balanced(self.title, points=TITLE_POINTS * BOLD_WIDTH, width=self.width - 2 * MARGIN_MM)

    @cached_property
    def note_lines(self) -> tuple[str, ...]:
        """The note in lines that fit."""
        return balanced(self.note, points=SMALL_POINTS, width=self.width - 2 * MARGIN_MM)

    @property
    def height(self) -> float:
        """How much of the sheet it takes, from the upper edge."""
        words = len(self.title_lines) * line_height(TITLE_POINTS) + len(self.note_lines) * line_height(SMALL_POINTS)
        warning = WARNING_MM + ABOVE_MM if self.warning else 0.0
        return ABOVE_MM + warning + words + BELOW_MM

    def draw(self, sheet: Sheet) -> None:
        """Put it at the top of the sheet."""
        top = sheet.height - ABOVE_MM
        if self.warning:
            draw_warning(sheet, self.warning, top=top)
            top -= WARNING_MM + ABOVE_MM
        for line in self.title_lines:
            sheet.word(MARGIN_MM, top - line_height(TITLE_POINTS) / 2, line, points=TITLE_POINTS, is_bold=True)
            top -= line_height(TITLE_POINTS)
        for line in self.note_lines:
            sheet.word(MARGIN_MM, top - line_height(SMALL_POINTS) / 2, line, points=SMALL_POINTS, colour=QUIET_INK)
            top -= line_height(SMALL_POINTS)


def draw_warning(sheet: Sheet, words: str, *, top: float) -> None:
    """Words in a box at the right edge, under this height."""
    right, bottom = sheet.width - MARGIN_MM, top - WARNING_MM
    left = right - BOLD_WIDTH * text_width(words, TEXT_POINTS) - 3
    ink = sheet.warning_ink
    sheet.line([left, right, right, left, left], [bottom, bottom, top, top, bottom], colour=ink, points=0.75)
    middle = ((left + right) / 2, (bottom + top) / 2)
    sheet.word(*middle, words, anchor="center", colour=ink, is_bold=True)
