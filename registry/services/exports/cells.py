"""Cells of a table, and how each kind of file writes them."""

from collections.abc import Callable

Cell = str | int | None


class RenderedCells(dict[Cell, str]):
    """How cells are written: most of a table's are the same few, and the last thousands are kept."""

    _most_kept = 4096

    def __init__(self, render: Callable[[Cell], str]) -> None:
        super().__init__()
        self._render = render

    def __missing__(self, cell: Cell) -> str:
        if len(self) >= self._most_kept:
            self.clear()
        return self.setdefault(cell, self._render(cell))
