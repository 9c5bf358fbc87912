"""A sheet of paper in millimetres: matplotlib draws on it, and it is written as SVG, PDF or PNG."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from registry.figures.fonts import LATIN_FONT, font_order
from registry.figures.style import (
    AXIS_POINTS,
    FONT_FAMILY,
    INK,
    MM_PER_POINT,
    TEXT_POINTS,
    WARNING_INK,
    GroupStyle,
    group_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Anchor = Literal["left", "center", "right"]
Medium = Literal["svg", "pdf", "png"]

# matplotlib's settings belong to the process: two threads inside rc_context would undo each other's.
_ONE_AT_A_TIME = Lock()

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "registry",
    "pdf.fonttype": 42,
    "font.family": LATIN_FONT,
    "hatch.linewidth": 0.6,
}


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """The settings under which a sheet is made and written, for one thread at a time."""
    import matplotlib as mpl

    with _ONE_AT_A_TIME, mpl.rc_context(_SETTINGS):
        yield


class Sheet:
    """A white sheet; positions are in millimetres from its lower left corner. Use it inside one_at_a_time()."""

    def __init__(self, *, width: float, height: float, language: str, medium: Medium, is_grey: bool) -> None:
        # Here and not above: a process that draws nothing must not load matplotlib.
        from matplotlib.figure import Figure

        self.width, self.height, self.is_grey = width, height, is_grey
        inch = 25.4
        self._figure = Figure(figsize=(width / inch, height / inch), facecolor="white")
        self._surface = self._figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height), zorder=-1)
        self._surface.set_axis_off()
        self._is_svg = medium == "svg"
        self._fonts = [LATIN_FONT] if self._is_svg else font_order(language)
        self._words: dict[str, str] = {}

    def look(self, group: str, place: int) -> GroupStyle:
        """How a group looks on this sheet, by its code and its place among the groups of the protocol."""
        return group_style(group, place, is_grey=self.is_grey)

    @property
    def warning_ink(self) -> str:
        """The colour of a warning."""
        return INK if self.is_grey else WARNING_INK

    def axes(self, *, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes without words, or spines on top and at the right; what is drawn on them may pass their edges."""
        place = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        axes = self._figure.add_axes(place, facecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set(linewidth=AXIS_POINTS, color=INK)
        axes.tick_params(width=AXIS_POINTS, length=2.5, color=INK, labelbottom=False, labelleft=False)
        axes.set_axisbelow(True)
        return axes

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        *,
        colour: str,
        points: float,
        style: str | tuple[int, tuple[float, ...]] = "-",
    ) -> None:
        """A line on the sheet."""
        self._surface.plot(xs, ys, color=colour, linewidth=points, linestyle=style, solid_capstyle="butt")

    def mark(self, x: float, y: float, *, marker: str, colour: str, points: float, is_filled: bool = True) -> None:
        """One marker on the sheet."""
        face = colour if is_filled else "white"
        self._surface.plot([x], [y], marker=marker, markersize=points, color=colour, markerfacecolor=face, linestyle="")

    def box(
        self, *, left: float, bottom: float, width: float, height: float, colour: str, face: str, hatch: str = ""
    ) -> None:
        """A rectangle on the sheet, as wide lines and keys need it."""
        from matplotlib.patches import Rectangle

        box = Rectangle((left, bottom), width, height, edgecolor=colour, facecolor=face, linewidth=0.6, hatch=hatch)
        self._surface.add_patch(box)

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
        baseline = y - 0.36 * points * MM_PER_POINT
        self._surface.text(
            x,
            baseline,
            self._placed(text),
            ha=anchor,
            va="baseline",
            fontsize=points,
            color=colour,
            fontweight="bold" if is_bold else "normal",
            fontfamily=self._fonts,
            parse_math=False,
        )

    def _placed(self, text: str) -> str:
        # For SVG matplotlib would measure the text with fonts that the reader need not have, and let them
        # move it: it gets a key, and the words come in when the sheet is written.
        if not self._is_svg:
            return text
        key = f"word{len(self._words)}"
        self._words[key] = text
        return key

    def lines_of_text(
        self,
        x: float,
        y: float,
        lines: Sequence[str],
        *,
        anchor: Anchor,
        points: float,
        colour: str,
        is_bold: bool = False,
    ) -> None:
        """Several lines of text, their middle at the height of y."""
        step = line_height(points)
        top = y + (len(lines) - 1) / 2 * step
        for place, text in enumerate(lines):
            self.word(x, top - place * step, text, anchor=anchor, points=points, colour=colour, is_bold=is_bold)

    def svg(self, *, name: str, title: str, description: str, language: str) -> bytes:
        """The sheet as SVG, with a title and a description to hear."""
        written = BytesIO()
        self._figure.savefig(written, format="svg", metadata={"Date": None})
        drawn = written.getvalue().decode("utf-8")
        body = re.sub(r"\s*<!--.*?-->", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
        body = body.replace(f"'{LATIN_FONT}'", FONT_FAMILY)
        body = re.sub(r">(word\d+)<", lambda found: f">{escape(self._words[found[1]])}<", body)
        spoken = (
            f'<title id="{name}-title">{escape(title)}</title>\n'
            f' <desc id="{name}-description">{escape(description)}</desc>\n'
        )
        opening = f'<svg role="img" lang="{language}" aria-labelledby="{name}-title {name}-description"'
        body = body.replace("<svg", opening, 1).replace(">\n", f">\n {spoken}", 1)
        return ('<?xml version="1.0" encoding="utf-8"?>\n' + body).encode("utf-8")

    def pdf(self, *, metadata: Mapping[str, str]) -> bytes:
        """The sheet as PDF, its fonts inside and its text as text."""
        written = BytesIO()
        # Without a date and a program's version the same sheet gives the same bytes.
        without = {"CreationDate": None, "Producer": None, "Creator": None}
        self._figure.savefig(written, format="pdf", metadata={**metadata, **without})
        return written.getvalue()

    def png(self, *, dpi: int, metadata: Mapping[str, str]) -> bytes:
        """The sheet as PNG with so many points an inch; without transparency, which journals refuse."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        canvas: Any = FigureCanvasAgg(self._figure)
        self._figure.set_dpi(dpi)
        canvas.draw()
        drawn = Image.frombuffer("RGBA", canvas.get_width_height(physical=True), canvas.buffer_rgba())
        about = PngInfo()
        for key, text in metadata.items():
            about.add_itxt(key, text)
        written = BytesIO()
        drawn.convert("L" if self.is_grey else "RGB").save(written, format="PNG", dpi=(dpi, dpi), pnginfo=about)
        return written.getvalue()


def line_height(points: float) -> float:
    """The distance between two lines of text, in millimetres."""
    return 1.25 * points * MM_PER_POINT
