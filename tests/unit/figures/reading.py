"""A figure read back: its words as boxes, its marks on the scales that stand beside them, its numbers as a table."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import combinations
from xml.etree import ElementTree

import pdfplumber

from registry.figures.drawing import Drawing
from registry.figures.placement import text_width
from registry.figures.style import MM_PER_POINT

SVG = "{http://www.w3.org/2000/svg}"

Figure = ElementTree.Element
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Word:
    """A text element as a box, in points, sized on the safe side; x is where it is anchored, y its middle."""

    text: str
    size: float
    x: float
    y: float
    left: float
    right: float
    bottom: float
    top: float

    def overlaps(self, other: Word) -> bool:
        beside = self.left >= other.right or other.left >= self.right
        return not beside and self.top < other.bottom and other.top < self.bottom


def read(drawing: Drawing, *, is_grey: bool = False) -> Figure:
    return ElementTree.fromstring(drawing.svg(is_grey=is_grey))


def words(figure: Figure) -> list[Word]:
    return [word(element) for element in figure.iter(f"{SVG}text")]


def said(figure: Figure) -> set[str]:
    return {word.text for word in words(figure)}


def word(element: ElementTree.Element) -> Word:
    style = element.attrib["style"]
    size = float(re.search(r"(?:font-size|font): (?:\d+ )?([\d.]+)px", style)[1])  # type: ignore[index]
    anchor = re.search(r"text-anchor: (\w+)", style)[1]  # type: ignore[index]
    text = element.text or ""
    width = text_width(text, size) / MM_PER_POINT
    x, y = float(element.attrib["x"]), float(element.attrib["y"])
    left = x - {"start": 0, "middle": width / 2, "end": width}[anchor]
    edges = {"left": left, "right": left + width, "bottom": y + 0.2 * size, "top": y - 0.75 * size}
    return Word(text=text, size=size, x=x, y=y - 0.36 * size, **edges)


def text_of(figure: Figure, tag: str) -> str:
    element = figure.find(f"{SVG}{tag}")
    assert element is not None
    return element.text or ""


def assert_words_are_apart(figure: Figure) -> None:
    placed = words(figure)
    width, height = map(float, figure.attrib["viewBox"].split()[2:])
    clashes = [(a.text, b.text) for a, b in combinations(placed, 2) if a.overlaps(b)]
    outside = [w.text for w in placed if w.left < 0 or w.right > width or w.top < 0 or w.bottom > height]
    assert (clashes, outside) == ([], [])


def scale(figure: Figure, low: str, high: str, *, up: bool = False) -> Scale:
    """What a place on the figure means, by the words that stand at two ticks of its scale."""
    at = {w.text: w.y if up else w.x for w in words(figure) if w.text in (low, high)}
    first, last = (float(tick.replace("−", "-")) for tick in (low, high))
    return lambda place: first + (place - at[low]) / (at[high] - at[low]) * (last - first)


def marks(figure: Figure, gid: str) -> list[tuple[float, float]]:
    """Where the markers of a group of marks stand."""
    return [(float(use.attrib["x"]), float(use.attrib["y"])) for use in _group(figure, gid).iter(f"{SVG}use")]


def corners(figure: Figure, gid: str) -> list[tuple[float, float]]:
    """The corners of the first path of a group of marks."""
    return next(_paths(figure, gid))


def _paths(figure: Figure, gid: str) -> Iterator[list[tuple[float, float]]]:
    for path in _group(figure, gid).iter(f"{SVG}path"):
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path.attrib["d"])]
        yield list(zip(numbers[::2], numbers[1::2], strict=True))


def _group(figure: Figure, gid: str) -> ElementTree.Element:
    found = figure.find(f".//{SVG}g[@id='{gid}']")
    assert found is not None, gid
    return found


def table(drawing: Drawing) -> list[dict[str, str]]:
    """The CSV file as a spreadsheet reads it."""
    return list(csv.DictReader(StringIO(drawing.csv().decode("utf-8-sig"), newline="")))


def pdf_words(pdf: bytes) -> str:
    """The words of a PDF as a reader copies them, without the spaces."""
    with pdfplumber.open(BytesIO(pdf)) as opened:
        return "".join(char["text"] for page in opened.pages for char in page.chars).replace(" ", "")
