"""The waterfall: the change of every patient of a small cohort, sorted within each group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from registry.figures.drawing import Cell, Drawing
from registry.figures.header import Header
from registry.figures.placement import balanced, text_width, wrapped
from registry.figures.responders_labels import WATERFALL, WaterfallLabels
from registry.figures.scale import draw_nothing
from registry.figures.sheet import Sheet, line_height
from registry.figures.style import (
    AXIS_POINTS,
    DOUBLE_COLUMN_MM,
    GRID_INK,
    INK,
    MARGIN_MM,
    QUIET_INK,
    SMALL_POINTS,
    TEXT_POINTS,
    GroupStyle,
)
from registry.figures.subject import IMPORTANT_POINTS, Group, Subject
from registry.numbers import number, percent
from registry.statistics.score_table import ScoreTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MOST_BARS", "n_bars", "waterfall"]

# On 174 mm more bars than these cannot be told apart, nor their hatching seen.
MOST_BARS = 150
RESPONDER_PERCENT = 30
LARGEST_PERCENT = 100

COLUMNS = ("group", "label", "place", "before", "after", "change_percent", "class")

PLOT_MM = 56.0
SCALE_WORDS_MM = 10.5
ABOVE_PLOT_MM = 4.0
KEY_MM = 6.0
PANEL_GAP_BARS = 2.0
ENDS_MM = 16.0
TICKS = range(-LARGEST_PERCENT, LARGEST_PERCENT + 1, 50)

Class = Literal["responder", "between", "worse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The change of one patient, in per cent of the score before."""

    before: int
    after: int

    @property
    def percent(self) -> float:
        """The change in per cent; negative is better."""
        return 100 * (self.after - self.before) / self.before

    @property
    def kind(self) -> Class:
        """What the hatching says; compared in whole numbers, so that exactly 30 % counts."""
        if 100 * (self.before - self.after) >= RESPONDER_PERCENT * self.before:
            return "responder"
        return "worse" if self.after - self.before >= IMPORTANT_POINTS else "between"


def n_bars(groups: Sequence[Group]) -> int:
    """How many bars a waterfall of these groups would have."""
    return sum(n for group in groups for before, _, n in group.table.pairs if before > 0)


def waterfall(groups: Sequence[Group], *, subject: Subject) -> Drawing:
    """The percentage changes as bars, the worst first; ValueError for more patients than can be told apart."""
    if n_bars(groups) > MOST_BARS:
        raise ValueError(f"a waterfall has at most {MOST_BARS} bars: {n_bars(groups)}")
    labels = WATERFALL[subject.language]
    panels = tuple(_bars(group.table) for group in groups)
    title = labels.title.format(item=subject.item, months=subject.months)
    header = subject.header(width=DOUBLE_COLUMN_MM, title=title, note=_note(groups, panels, labels))
    layout = _Layout(groups=tuple(groups), panels=panels, subject=subject, header=header)
    return Drawing(
        name="waterfall",
        language=subject.language,
        title=title,
        description=_description(groups, panels, labels, subject),
        caption=labels.caption.format(points=IMPORTANT_POINTS),
        width=DOUBLE_COLUMN_MM,
        height=layout.height,
        columns=COLUMNS,
        rows=tuple(_rows(groups, panels)),
        draw=partial(_draw, layout=layout, labels=labels),
    )


def _bars(table: ScoreTable) -> tuple[Bar, ...]:
    bars = [Bar(before=before, after=after) for before, after, n in table.pairs if before > 0 for _ in range(n)]
    return tuple(sorted(bars, key=lambda bar: (-bar.percent, bar.before)))


def _note(groups: Sequence[Group], panels: Sequence[Sequence[Bar]], labels: WaterfallLabels) -> str:
    note = labels.note
    if n_excluded := sum(group.table.n_both for group in groups) - n_bars(groups):
        note += labels.excluded.format(n=n_excluded)
    if any(bar.percent > LARGEST_PERCENT for bars in panels for bar in bars):
        note += labels.cut
    return note


def _rows(groups: Sequence[Group], panels: Sequence[Sequence[Bar]]) -> Iterator[tuple[Cell, ...]]:
    for group, bars in zip(groups, panels, strict=True):
        for place, bar in enumerate(bars, start=1):
            yield (group.code, group.label, place, bar.before, bar.after, bar.percent, bar.kind)


def _description(
    groups: Sequence[Group], panels: Sequence[Sequence[Bar]], labels: WaterfallLabels, subject: Subject
) -> str:
    words, told = subject.words, [labels.reading]
    for group, bars in zip(groups, panels, strict=True):
        said = _told(bars, labels) if bars else words.nothing
        told.append(words.group.format(group=group.label, told=said))
    return words.space.join(told)


def _told(bars: Sequence[Bar], labels: WaterfallLabels) -> str:
    counts = {kind: sum(bar.kind == kind for bar in bars) for kind in ("responder", "worse")}
    return labels.told.format(
        n=len(bars),
        highest=number(bars[0].percent, 0),
        lowest=number(bars[-1].percent, 0),
        points=IMPORTANT_POINTS,
        responders=percent(counts["responder"], len(bars)),
        worse=percent(counts["worse"], len(bars)),
    )


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where everything stands, in millimetres from the lower left corner; bars are counted from the left."""

    groups: tuple[Group, ...]
    panels: tuple[tuple[Bar, ...], ...]
    subject: Subject
    header: Header

    left = MARGIN_MM + SCALE_WORDS_MM + ENDS_MM
    right = DOUBLE_COLUMN_MM - MARGIN_MM
    bottom = MARGIN_MM + KEY_MM

    @cached_property
    def starts(self) -> tuple[float, ...]:
        """The place of the first bar of each group, and at the end that of one more group."""
        widths = (max(len(bars), self.least_bars) + PANEL_GAP_BARS for bars in self.panels)
        return tuple(accumulate(widths, initial=0.0))

    @cached_property
    def least_bars(self) -> float:
        """How many bars a panel is wide at least, so that the name of its group has room."""
        n = sum(len(bars) for bars in self.panels)
        return max(1.0, 0.5 * n / max(len(self.panels), 1))

    @property
    def n_places(self) -> float:
        """How many bars the axes are wide."""
        return max(self.starts[-1] - PANEL_GAP_BARS, 1.0)

    def across(self, place: float) -> float:
        return self.left + place / self.n_places * (self.right - self.left)

    @cached_property
    def names(self) -> tuple[tuple[str, ...], ...]:
        return tuple(self._name(place) for place in range(len(self.groups)))

    def _name(self, place: int) -> tuple[str, ...]:
        n = self.subject.words.n.format(n=len(self.panels[place]))
        width = self.across(self.starts[place + 1] - PANEL_GAP_BARS) - self.across(self.starts[place])
        label = balanced(self.groups[place].label, points=TEXT_POINTS, width=max(width, 4.0))
        return (*label, n)

    @property
    def top(self) -> float:
        return self.bottom + PLOT_MM

    @property
    def height(self) -> float:
        names_mm = max((len(lines) for lines in self.names), default=0) * line_height(TEXT_POINTS)
        return self.top + ABOVE_PLOT_MM + names_mm + self.header.height

    def up(self, change: float) -> float:
        return self.bottom + (change + LARGEST_PERCENT) / (2 * LARGEST_PERCENT) * PLOT_MM


def _draw(sheet: Sheet, *, layout: _Layout, labels: WaterfallLabels) -> None:
    layout.header.draw(sheet)
    axes = _draw_axes(sheet, layout, labels)
    if not any(layout.panels):
        middle = (layout.left + layout.right) / 2
        draw_nothing(sheet, layout.subject.words, across=middle, up=layout.up(LARGEST_PERCENT / 2))
    for place, bars in enumerate(layout.panels):
        style, start = sheet.look(layout.groups[place].code, place), layout.starts[place]
        across, names = layout.across(start), layout.names[place]
        up = layout.top + 1.5 + len(names) * line_height(TEXT_POINTS) / 2
        sheet.lines_of_text(across, up, names, anchor="left", points=TEXT_POINTS, colour=style.text_colour)
        for offset, bar in enumerate(bars):
            _draw_bar(axes, bar, style, place=start + offset + 0.5)
    _draw_key(sheet, labels)


def _draw_axes(sheet: Sheet, layout: _Layout, labels: WaterfallLabels) -> Axes:
    axes = sheet.axes(left=layout.left, bottom=layout.bottom, width=layout.right - layout.left, height=PLOT_MM)
    axes.set_xlim(0, layout.n_places)
    axes.set_ylim(-LARGEST_PERCENT, LARGEST_PERCENT)
    axes.set_xticks([])
    axes.set_yticks(TICKS)
    axes.spines["bottom"].set_visible(False)
    axes.grid(axis="y", color=GRID_INK, linewidth=AXIS_POINTS)
    axes.axhline(0, color=INK, linewidth=AXIS_POINTS, zorder=3)
    # On white, or it would be lost on dark bars.
    axes.axhline(-RESPONDER_PERCENT, color="white", linewidth=1.75, zorder=3)
    axes.axhline(-RESPONDER_PERCENT, color=QUIET_INK, linewidth=0.75, linestyle=(0, (3, 2)), zorder=3)
    for tick in (*TICKS, -RESPONDER_PERCENT):
        colour = QUIET_INK if tick == -RESPONDER_PERCENT else INK
        sheet.word(
            layout.left - 1.8, layout.up(tick), number(tick, 0), anchor="right", points=SMALL_POINTS, colour=colour
        )
    words, across = layout.subject.words, layout.left - SCALE_WORDS_MM
    for change, word in ((LARGEST_PERCENT, words.worse), (-LARGEST_PERCENT, words.improved)):
        sheet.word(across, layout.up(change), word, anchor="right", points=SMALL_POINTS, colour=QUIET_INK)
    lines = wrapped(labels.up, points=SMALL_POINTS, width=ENDS_MM)
    sheet.lines_of_text(across, layout.up(0), lines, anchor="right", points=SMALL_POINTS, colour=INK)
    return axes


def _draw_bar(axes: Axes, bar: Bar, style: GroupStyle, *, place: float) -> None:
    height = min(bar.percent, LARGEST_PERCENT)
    # Without a height nobody would see the patient whose score stayed the same.
    height = height or 0.6
    face, hatch = _fill(bar.kind, style.colour)
    axes.bar(place, height, width=0.78, facecolor=face, edgecolor=style.colour, hatch=hatch, linewidth=0.5, zorder=2)
    if bar.percent > LARGEST_PERCENT:
        axes.plot([place], [LARGEST_PERCENT], marker="^", markersize=3, color=style.colour, clip_on=False, zorder=4)


def _fill(kind: Class, colour: str) -> tuple[str, str]:
    """The inside of a bar and its hatching."""
    return {"responder": (colour, ""), "between": ("white", ""), "worse": ("white", "//////")}[kind]


def _draw_key(sheet: Sheet, labels: WaterfallLabels) -> None:
    across, middle = MARGIN_MM, MARGIN_MM + 1.4
    kinds: tuple[tuple[Class, str], ...] = (
        ("responder", labels.responder),
        ("between", labels.between),
        ("worse", labels.worse.format(points=IMPORTANT_POINTS)),
    )
    for kind, words in kinds:
        face, hatch = _fill(kind, QUIET_INK)
        sheet.box(left=across, bottom=middle - 1.2, width=5, height=2.4, colour=QUIET_INK, face=face, hatch=hatch)
        sheet.word(across + 6.5, middle, words, points=SMALL_POINTS)
        across += 6.5 + text_width(words, SMALL_POINTS) + 5
