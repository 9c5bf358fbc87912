"""Tables as CSV: RFC 4180, UTF-8 with a byte order mark, and no text that a spreadsheet would compute."""

import csv
from codecs import BOM_UTF8
from collections.abc import Iterable
from io import StringIO
from typing import IO

from registry.services.exports.cells import Cell, RenderedCells

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula, or skip before one;
# in full width too, as a Japanese Excel reads them.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARK = "'"


def harmless(cell: Cell) -> Cell:
    """The cell, an apostrophe before a text that would be computed; a number stays a number, a negative one too."""
    return _MARK + cell if isinstance(cell, str) and cell.startswith(FORMULA_SIGNS) else cell


class CsvTable:
    """A table that is written row by row; a cell of None is empty."""

    def __init__(self, file: IO[bytes], columns: Iterable[str]) -> None:
        self._file = file
        self._cells = RenderedCells(_rendered)
        # The mark tells Excel that the text is UTF-8: without it Japanese words turn into signs.
        self._file.write(BOM_UTF8)
        self.n_rows = -1
        self.write(columns)

    def write(self, row: Iterable[Cell]) -> None:
        """Add a row."""
        self._file.write((",".join(map(self._cells.__getitem__, row)) + "\r\n").encode())
        self.n_rows += 1

    def finish(self) -> None:
        """Hand everything to the file, which stays open."""
        self._file.flush()


def _rendered(cell: Cell) -> str:
    if cell is None:
        return ""
    line = StringIO()
    csv.writer(line).writerow([harmless(cell)])
    return line.getvalue().removesuffix("\r\n")
