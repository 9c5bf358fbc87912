"""A sheet of paper in millimetres: matplotlib draws on it, and the words are put in afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Literal

from registry.figures.style import FONT_FAMILY, INK, MM_PER_POINT, TEXT_POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The font that matplotlib brings along: nothing depends on what else this machine has.
OWN_FONT = "DejaVu Sans"

Anchor = Literal["left", "center", "right"]

# matplotlib's settings belong to the process: two threads inside rc_context would undo each other's.
_ONE_AT_A_TIME = Lock()


@contextmanager
def drawing() -> Iterator[None]:
    """The settings under which a sheet is made and written, for one thread at a time."""
    import matplotlib as mpl

    with (
        _ONE_AT_A_TIME,
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "registry", "font.family": OWN_FONT}),
    ):
        yield


class Sheet:
    """A white sheet; positions are in millimetres from its lower left corner. Use it inside drawing()."""

    def __init__(self, *, width: float, height: float) -> None:
        # Here and not above: a process that draws nothing must not load matplotlib.
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        inch = 25.4
        self._figure = Figure(figsize=(width / inch, height / inch), facecolor="white")
        self._surface = self._figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height), zorder=-1)
        self._surface.set_axis_off()
        self._words: dict[str, str] = {}

    def axes(self, *, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes without words or spines on top and at the right."""
        place = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        axes = self._figure.add_axes(place, facecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
        return axes

    def line(self, xs: Sequence[float], ys: Sequence[float], *, colour: str, points: float) -> None:
        """A plain line on the sheet."""
        self._surface.plot(xs, ys, color=colour, linewidth=points, solid_capstyle="butt")

    def mark(self, x: float, y: float, *, marker: str, colour: str, points: float, is_filled: bool = True) -> None:
        """One marker on the sheet."""
        face = colour if is_filled else "white"
        self._surface.plot([x], [y], marker=marker, markersize=points, color=colour, markerfacecolor=face, linestyle="")

    def word(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: Anchor = "left",
        points: float = TEXT_POINTS,
        colour: str = INK,
        is_bold: bool = False,
    ) -> None:
        """One line of text at the height of y, its middle there."""
        # matplotlib would measure the text with the fonts of this machine, warn of every sign they lack and
        # let them move it: it gets a key, and the words come in when the sheet is written.
        key = f"word{len(self._words)}"
        self._words[key] = text
        baseline = y - 0.36 * points * MM_PER_POINT
        weight = "bold" if is_bold else "normal"
        self._surface.text(x, baseline, key, ha=anchor, va="baseline", fontsize=points, color=colour, fontweight=weight)

    def lines_of_text(
        self, x: float, y: float, lines: Sequence[str], *, anchor: Anchor, points: float, colour: str
    ) -> None:
        """Several lines of text, their middle at the height of y."""
        step = line_height(points)
        top = y + (len(lines) - 1) / 2 * step
        for place, text in enumerate(lines):
            self.word(x, top - place * step, text, anchor=anchor, points=points, colour=colour)

    def svg(self, *, name: str, title: str, description: str, language: str) -> bytes:
        """The sheet as SVG, the same bytes for the same content, with a title and a description to hear."""
        written = BytesIO()
        self._figure.savefig(written, format="svg", metadata={"Date": None})
        drawn = written.getvalue().decode("utf-8")
        body = re.sub(r"\s*<!--.*?-->", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
        body = body.replace(f"'{OWN_FONT}'", FONT_FAMILY)
        body = re.sub(r">(word\d+)<", lambda found: f">{escape(self._words[found[1]])}<", body)
        spoken = (
            f'<title id="{name}-title">{escape(title)}</title>\n'
            f' <desc id="{name}-description">{escape(description)}</desc>\n'
        )
        opening = f'<svg role="img" lang="{language}" aria-labelledby="{name}-title {name}-description"'
        body = body.replace("<svg", opening, 1).replace(">\n", f">\n {spoken}", 1)
        return ('<?xml version="1.0" encoding="utf-8"?>\n' + body).encode("utf-8")


def line_height(points: float) -> float:
    """The distance between two lines of text, in millimetres."""
    return 1.25 * points * MM_PER_POINT
