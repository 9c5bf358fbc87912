"""The responders: which share of each group passes each of the usual cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from registry.figures.drawing import Cell, Drawing
from registry.figures.header import Header
from registry.figures.placement import balanced, text_width
from registry.figures.responders_labels import RESPONDERS, RespondersLabels
from registry.figures.sheet import Sheet, line_height
from registry.figures.style import (
    AXIS_POINTS,
    BAR_POINTS,
    GRID_INK,
    MARGIN_MM,
    QUIET_INK,
    SINGLE_COLUMN_MM,
    SMALL_POINTS,
    GroupStyle,
)
from registry.figures.subject import CommonWords, Group, Subject
from registry.numbers import share
from registry.statistics.responders import proportion
from registry.statistics.responders import responders as responders_of
from registry.statistics.results import Absent, Proportion
from registry.statistics.score_table import ScoreTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["responders"]

PERCENTS = (30, 50)
AT_MOST = 30
COLUMNS = ("criterion", "group", "label", "k", "n", "share", "ci_low", "ci_high")

WIDEST_NAMES_MM = 25.0
WIDEST_BESIDE_MM = 27.0
GAP_MM = 2.5
HEAD_MM = 5.0
ROW_GAP_MM = 1.2
BLOCK_GAP_MM = 1.6
AXIS_MM = 9.0
TICKS = range(0, 101, 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One cut, and the share of each group that passes it."""

    code: str
    label: str
    shares: tuple[Proportion | Absent, ...]


def responders(groups: Sequence[Group], *, subject: Subject) -> Drawing:
    """The shares of responders at each cut as dots, with their Wilson intervals as whiskers."""
    labels = RESPONDERS[subject.language]
    criteria = _criteria([group.table for group in groups], labels)
    title = labels.title.format(item=subject.item, months=subject.months)
    header = subject.header(width=SINGLE_COLUMN_MM, title=title, note=labels.note)
    layout = _Layout(groups=tuple(groups), criteria=criteria, header=header, labels=labels, words=subject.words)
    return Drawing(
        name="responders",
        language=subject.language,
        title=title,
        description=_description(groups, criteria, labels, subject),
        caption=labels.caption.format(months=subject.months),
        width=SINGLE_COLUMN_MM,
        height=layout.height,
        columns=COLUMNS,
        rows=tuple(_rows(groups, criteria)),
        draw=partial(_draw, layout=layout),
    )


def _criteria(tables: Sequence[ScoreTable], labels: RespondersLabels) -> tuple[Criterion, ...]:
    lower = [
        Criterion(
            code=f"{cut}_percent_lower",
            label=labels.percent.format(cut=cut),
            shares=tuple(responders_of(table, at_least_percent=cut) for table in tables),
        )
        for cut in PERCENTS
    ]
    low = Criterion(
        code=f"after_at_most_{AT_MOST}",
        label=labels.at_most.format(cut=AT_MOST),
        shares=tuple(_low_after(table) for table in tables),
    )
    return (*lower, low)


def _low_after(table: ScoreTable) -> Proportion | Absent:
    return proportion(sum(n for _, after, n in table.pairs if after <= AT_MOST), table.n_both)


def _rows(groups: Sequence[Group], criteria: Sequence[Criterion]) -> list[tuple[Cell, ...]]:
    found = []
    for one in criteria:
        for group, measured in zip(groups, one.shares, strict=True):
            numbers: tuple[Cell, ...] = (None, 0, None, None, None)
            if not isinstance(measured, Absent):
                numbers = (measured.k, measured.n, measured.value, measured.low, measured.high)
            found.append((one.code, group.code, group.label, *numbers))
    return found


def _description(
    groups: Sequence[Group], criteria: Sequence[Criterion], labels: RespondersLabels, subject: Subject
) -> str:
    words, told = subject.words, [labels.reading]
    for place, group in enumerate(groups):
        found = [(one.label, one.shares[place]) for one in criteria]
        parts = [
            labels.told.format(label=label, share=_share(measured, labels), k=measured.k, n=measured.n)
            for label, measured in found
            if not isinstance(measured, Absent)
        ]
        told.append(words.group.format(group=group.label, told=words.separator.join(parts) or words.nothing))
    return words.space.join(told)


def _share(found: Proportion, labels: RespondersLabels) -> str:
    digits = 0 if found.n < 100 else 1
    low, high = share(found.low, digits=digits)[:-1], share(found.high, digits=digits)
    return labels.with_interval.format(share=share(found.value, digits=digits), low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where everything stands, in millimetres from the lower left corner."""

    groups: tuple[Group, ...]
    criteria: tuple[Criterion, ...]
    header: Header
    labels: RespondersLabels
    words: CommonWords

    bottom = MARGIN_MM + AXIS_MM

    @cached_property
    def left(self) -> float:
        return MARGIN_MM + _widest(self.names) + GAP_MM

    @cached_property
    def right(self) -> float:
        beside = [self.beside(found) for one in self.criteria for found in one.shares]
        return SINGLE_COLUMN_MM - MARGIN_MM - _widest(beside) - GAP_MM

    def beside(self, found: Proportion | Absent) -> tuple[str, ...]:
        """What stands at the right of a share."""
        if isinstance(found, Absent):
            return balanced(self.words.nothing, points=SMALL_POINTS, width=WIDEST_BESIDE_MM)
        return (_share(found, self.labels), f"{found.k}/{found.n}")

    @cached_property
    def names(self) -> tuple[tuple[str, ...], ...]:
        return tuple(balanced(group.label, points=SMALL_POINTS, width=WIDEST_NAMES_MM) for group in self.groups)

    @cached_property
    def row_heights(self) -> tuple[float, ...]:
        least = max((len(self.beside(found)) for one in self.criteria for found in one.shares), default=2)
        return tuple(max(len(lines), least) * line_height(SMALL_POINTS) + ROW_GAP_MM for lines in self.names)

    @property
    def block_height(self) -> float:
        return HEAD_MM + sum(self.row_heights) + BLOCK_GAP_MM

    def block_top(self, place: int) -> float:
        return self.bottom + (len(self.criteria) - place) * self.block_height

    def row_middle(self, block: int, row: int) -> float:
        above = sum(self.row_heights[:row]) + self.row_heights[row] / 2
        return self.block_top(block) - HEAD_MM - above

    @property
    def height(self) -> float:
        return self.block_top(0) + self.header.height


def _widest(texts: Sequence[Sequence[str]]) -> float:
    return max((text_width(line, SMALL_POINTS) for lines in texts for line in lines), default=0.0)


def _draw(sheet: Sheet, *, layout: _Layout) -> None:
    layout.header.draw(sheet)
    axes = _draw_axes(sheet, layout)
    for block, one in enumerate(layout.criteria):
        head = layout.block_top(block) - HEAD_MM / 2
        sheet.word(MARGIN_MM, head, one.label, points=SMALL_POINTS, is_bold=True)
        for row, found in enumerate(one.shares):
            _draw_row(sheet, axes, layout, middle=layout.row_middle(block, row), row=row, found=found)


def _draw_axes(sheet: Sheet, layout: _Layout) -> Axes:
    top = layout.block_top(0)
    axes = sheet.axes(
        left=layout.left, bottom=layout.bottom, width=layout.right - layout.left, height=top - layout.bottom
    )
    axes.set_xlim(0, 100)
    axes.set_ylim(layout.bottom, top)
    axes.set_xticks(TICKS)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for block in range(len(layout.criteria)):
        low, high = layout.block_top(block + 1) + BLOCK_GAP_MM / 2, layout.block_top(block) - HEAD_MM
        axes.vlines(TICKS, low, high, color=GRID_INK, linewidth=AXIS_POINTS, zorder=1)
    for tick in TICKS:
        across = layout.left + tick / 100 * (layout.right - layout.left)
        sheet.word(across, layout.bottom - 2.8, str(tick), anchor="center", points=SMALL_POINTS)
    middle = (layout.left + layout.right) / 2
    sheet.word(middle, layout.bottom - 6.8, layout.labels.axis, anchor="center", points=SMALL_POINTS)
    return axes


def _draw_row(
    sheet: Sheet, axes: Axes, layout: _Layout, *, middle: float, row: int, found: Proportion | Absent
) -> None:
    group = layout.groups[row]
    style, names = sheet.look(group.code, row), layout.names[row]
    sheet.lines_of_text(MARGIN_MM, middle, names, anchor="left", points=SMALL_POINTS, colour=style.text_colour)
    across, colour = layout.right + GAP_MM, QUIET_INK if isinstance(found, Absent) else style.text_colour
    sheet.lines_of_text(across, middle, layout.beside(found), anchor="left", points=SMALL_POINTS, colour=colour)
    if not isinstance(found, Absent):
        _draw_share(axes, found, style, middle=middle, gid=f"share-{group.code}")


def _draw_share(axes: Axes, found: Proportion, style: GroupStyle, *, middle: float, gid: str) -> None:
    ends = [100 * found.low, 100 * found.high]
    axes.plot(ends, [middle, middle], color=style.colour, linewidth=BAR_POINTS, marker="|", markersize=4, zorder=2)
    axes.plot(
        [100 * found.value],
        [middle],
        linestyle="",
        marker=style.marker,
        markersize=4.5,
        color=style.colour,
        markerfacecolor=style.colour if style.is_filled else "white",
        clip_on=False,
        gid=gid,
        zorder=3,
    )
