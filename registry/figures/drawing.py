"""A figure before it is on paper: what it says, the numbers behind its marks, and how it is drawn."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from registry.figures.sheet import Medium, Sheet, one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Sequence

Cell = str | int | float | None

# Finer than any line on paper, and the same on machines whose last digits differ.
_CSV_DIGITS = 10
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One figure in one language; the same results give the same bytes in every format."""

    name: str
    language: str
    title: str
    description: str
    """The figure in words with its numbers, for those who hear it."""
    caption: str
    width: float
    height: float
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """The numbers behind the marks, in the units of the axes."""
    draw: Callable[[Sheet], None]

    def svg(self, *, is_grey: bool = False) -> bytes:
        """The figure as SVG, with its title and description to hear."""
        with one_at_a_time():
            sheet = self._drawn("svg", is_grey=is_grey)
            return sheet.svg(name=self.name, title=self.title, description=self.description, language=self.language)

    def pdf(self, *, is_grey: bool = False) -> bytes:
        """The figure as PDF with its fonts inside."""
        with one_at_a_time():
            metadata = {"Title": self.title, "Subject": self.description}
            return self._drawn("pdf", is_grey=is_grey).pdf(metadata=metadata)

    def png(self, *, dpi: int, is_grey: bool = False) -> bytes:
        """The figure as PNG with so many points an inch at its final size."""
        with one_at_a_time():
            metadata = {"Title": self.title, "Description": self.description}
            return self._drawn("png", is_grey=is_grey).png(dpi=dpi, metadata=metadata)

    def csv(self) -> bytes:
        """The numbers behind the marks, as spreadsheets read them."""
        written = StringIO()
        lines = csv.writer(written, lineterminator="\r\n")
        lines.writerow(self.columns)
        lines.writerows(_written(row) for row in self.rows)
        # Without the byte order mark spreadsheets take Japanese for something else.
        return written.getvalue().encode("utf-8-sig")

    def _drawn(self, medium: Medium, *, is_grey: bool) -> Sheet:
        sheet = Sheet(width=self.width, height=self.height, language=self.language, medium=medium, is_grey=is_grey)
        self.draw(sheet)
        return sheet


def _written(row: Sequence[Cell]) -> list[str]:
    return [_cell(value) for value in row]


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # A spreadsheet would run the name of a group that begins like this.
        return f"'{value}" if value.startswith(_STARTS_A_FORMULA) else value
    return str(value) if isinstance(value, int) else f"{value:.{_CSV_DIGITS}g}"
