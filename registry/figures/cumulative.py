"""The cumulative distribution of the improvement: what each responder cut would have said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from typing import TYPE_CHECKING

from registry.figures.cumulative_labels import LABELS, CumulativeLabels
from registry.figures.cumulative_marks import COLUMNS, GUIDES, Curve, Step, curve, rows
from registry.figures.drawing import Drawing
from registry.figures.header import Header
from registry.figures.placement import balanced, wrapped
from registry.figures.scale import AXIS_MM, draw_change_axis, draw_nothing
from registry.figures.sheet import Sheet, line_height
from registry.figures.style import (
    AXIS_POINTS,
    DOUBLE_COLUMN_MM,
    GRID_INK,
    LINE_POINTS,
    MARGIN_MM,
    QUIET_INK,
    SMALL_POINTS,
    GroupStyle,
    is_compared,
    tint,
)
from registry.figures.subject import LARGEST_CHANGE, Group, Subject
from registry.numbers import share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cumulative"]

PLOT_MM = 62.0
ABOVE_PLOT_MM = 8.5
SCALE_WORDS_MM = 8.0
KEY_MM = 9.0
NAMES_MM = 46.0
HEAD_MM = 6.0
ROW_GAP_MM = 1.8
PERCENTS = range(0, 101, 20)


def cumulative(groups: Sequence[Group], *, subject: Subject) -> Drawing:
    """The share of each group with at least so much improvement, and a table of it at the usual cuts."""
    labels = LABELS[subject.language]
    curves = tuple(curve(group) for group in groups)
    title = labels.title.format(item=subject.item, months=subject.months)
    header = subject.header(width=DOUBLE_COLUMN_MM, title=title, note=_note(curves, labels))
    layout = _Layout(curves=curves, labels=labels, header=header)
    return Drawing(
        name="cumulative",
        language=subject.language,
        title=title,
        description=_description(curves, labels, subject),
        caption=labels.caption.format(months=subject.months) + subject.words.space + labels.key,
        width=DOUBLE_COLUMN_MM,
        height=layout.height,
        columns=COLUMNS,
        rows=tuple(row for one in curves for row in rows(one)),
        draw=partial(_draw, layout=layout, labels=labels, subject=subject),
    )


def _note(curves: Sequence[Curve], labels: CumulativeLabels) -> str:
    is_beside = any(not is_compared(one.group, place) for place, one in enumerate(curves))
    return labels.note + (labels.no_band if is_beside else "")


def _description(curves: Sequence[Curve], labels: CumulativeLabels, subject: Subject) -> str:
    words = subject.words
    told = [words.group.format(group=one.label, told=_told(one, labels, subject)) for one in curves]
    return words.space.join([labels.reading, *told])


def _told(one: Curve, labels: CumulativeLabels, subject: Subject) -> str:
    found = [(guide, one.at(guide)) for guide in GUIDES]
    cuts = [f"{_guide(guide, labels)} {subject.words.comma.join(_cell(step, labels))}" for guide, step in found if step]
    if not cuts:
        return subject.words.nothing
    return labels.told.format(n=one.n, n_all=one.n_all, cuts=subject.words.separator.join(cuts))


def _guide(points: int, labels: CumulativeLabels) -> str:
    return labels.guide.format(points=points) if points else labels.not_worse


def _cell(step: Step, labels: CumulativeLabels) -> tuple[str, str, str]:
    """The share with its interval, its counts, and the range that the missing leave."""
    found, digits = step.share, 0 if step.share.n < 100 else 1
    ends = {"low": share(found.low, digits=digits)[:-1], "high": share(found.high, digits=digits)}
    bounds = {"low": share(step.lowest, digits=digits)[:-1], "high": share(step.highest, digits=digits)}
    return (
        labels.with_interval.format(share=share(found.value, digits=digits), **ends),
        f"{found.k}/{found.n}",
        labels.range.format(**bounds),
    )


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where everything stands, in millimetres from the lower left corner."""

    curves: tuple[Curve, ...]
    labels: CumulativeLabels
    header: Header

    left = MARGIN_MM + SCALE_WORDS_MM
    right = DOUBLE_COLUMN_MM - MARGIN_MM - SCALE_WORDS_MM / 2

    @cached_property
    def key_lines(self) -> tuple[str, ...]:
        return balanced(self.labels.key, points=SMALL_POINTS, width=DOUBLE_COLUMN_MM - 2 * MARGIN_MM)

    @cached_property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """What stands before each row of the table: the group, and how many have both scores."""
        return tuple(self._name(one) for one in self.curves)

    def _name(self, one: Curve) -> tuple[str, ...]:
        counts = self.labels.n_of.format(n=one.n, n_all=one.n_all)
        width = NAMES_MM - KEY_MM
        return (
            *balanced(one.label, points=SMALL_POINTS, width=width),
            *wrapped(counts, points=SMALL_POINTS, width=width),
        )

    @cached_property
    def row_tops(self) -> tuple[float, ...]:
        """The upper edge of each row of the table, and at the end the lower one of the last."""
        heights = (max(len(lines), 3) * line_height(SMALL_POINTS) + ROW_GAP_MM for lines in self.names)
        below = list(accumulate(heights, initial=0.0))
        return tuple(self.key_top + below[-1] - height for height in below)

    @property
    def key_top(self) -> float:
        return MARGIN_MM + len(self.key_lines) * line_height(SMALL_POINTS) + 1.0

    @property
    def bottom(self) -> float:
        return self.row_tops[0] + HEAD_MM + AXIS_MM

    @property
    def height(self) -> float:
        return self.bottom + PLOT_MM + ABOVE_PLOT_MM + self.header.height

    def across(self, improvement: float) -> float:
        share_of_width = (improvement + LARGEST_CHANGE) / (2 * LARGEST_CHANGE)
        return self.left + share_of_width * (self.right - self.left)

    def column(self, place: int) -> float:
        """The left edge of a column of the table."""
        width = (DOUBLE_COLUMN_MM - 2 * MARGIN_MM - NAMES_MM) / len(GUIDES)
        return MARGIN_MM + NAMES_MM + place * width


def _draw(sheet: Sheet, *, layout: _Layout, labels: CumulativeLabels, subject: Subject) -> None:
    layout.header.draw(sheet)
    axes = sheet.axes(left=layout.left, bottom=layout.bottom, width=layout.right - layout.left, height=PLOT_MM)
    draw_change_axis(
        sheet,
        axes,
        subject.words,
        title=labels.axis,
        bottom=layout.bottom,
        left=layout.left,
        right=layout.right,
        is_improvement=True,
    )
    _draw_percents(sheet, axes, layout, labels)
    _draw_guides(sheet, axes, layout)
    if not any(one.steps for one in layout.curves):
        # Left of the guides.
        draw_nothing(sheet, subject.words, across=layout.across(-50), up=layout.bottom + PLOT_MM / 2)
    for place, one in enumerate(layout.curves):
        style = sheet.look(one.group, place)
        # The wide bands of a few patients beside the comparison would bury the two that are compared.
        if is_compared(one.group, place):
            _draw_band(axes, one, style)
        _draw_curve(axes, one, style)
    _draw_table(sheet, layout, labels)


def _draw_percents(sheet: Sheet, axes: Axes, layout: _Layout, labels: CumulativeLabels) -> None:
    axes.spines["left"].set_visible(True)
    axes.set_ylim(0, 100)
    axes.set_yticks(PERCENTS)
    axes.grid(axis="y", color=GRID_INK, linewidth=AXIS_POINTS)
    for tick in PERCENTS:
        up = layout.bottom + tick / 100 * PLOT_MM
        sheet.word(layout.left - 1.8, up, str(tick), anchor="right", points=SMALL_POINTS)
    sheet.word(MARGIN_MM, layout.bottom + PLOT_MM + 5.4, labels.up, points=SMALL_POINTS)


def _draw_guides(sheet: Sheet, axes: Axes, layout: _Layout) -> None:
    for guide in GUIDES:
        axes.axvline(guide, color=QUIET_INK, linewidth=AXIS_POINTS, linestyle=(0, (1, 2)), zorder=1)
        above = (layout.across(guide), layout.bottom + PLOT_MM + 1.8)
        sheet.word(*above, str(guide), anchor="center", points=SMALL_POINTS, colour=QUIET_INK)


def _draw_band(axes: Axes, one: Curve, style: GroupStyle) -> None:
    improvements = [step.improvement for step in one.steps]
    lows, highs = ([100 * getattr(step.share, end) for step in one.steps] for end in ("low", "high"))
    band = axes.fill_between(improvements, lows, highs, step="pre", color=style.colour, linewidth=0, zorder=2)
    # Bands that cover each other must both be seen.
    band.set(alpha=0.16, gid=f"band-{one.group}")


def _draw_curve(axes: Axes, one: Curve, style: GroupStyle) -> None:
    axes.plot(
        [step.improvement for step in one.steps],
        [100 * step.share.value for step in one.steps],
        drawstyle="steps-pre",
        color=style.colour,
        linestyle=style.line,
        linewidth=LINE_POINTS,
        clip_on=False,
        gid=f"share-{one.group}",
        zorder=3,
    )


def _draw_table(sheet: Sheet, layout: _Layout, labels: CumulativeLabels) -> None:
    head = layout.row_tops[0] + HEAD_MM / 2
    sheet.word(MARGIN_MM, head, labels.least, points=SMALL_POINTS)
    for place, guide in enumerate(GUIDES):
        sheet.word(layout.column(place), head, _guide(guide, labels), points=SMALL_POINTS)
    for top in layout.row_tops:
        ends = [MARGIN_MM, DOUBLE_COLUMN_MM - MARGIN_MM]
        sheet.line(ends, [top, top], colour=tint(QUIET_INK, 0.5), points=AXIS_POINTS)
    for place, one in enumerate(layout.curves):
        _draw_row(sheet, layout, labels, place, one)
    key = (layout.key_top - 1.0 + MARGIN_MM) / 2
    sheet.lines_of_text(MARGIN_MM, key, layout.key_lines, anchor="left", points=SMALL_POINTS, colour=QUIET_INK)


def _draw_row(sheet: Sheet, layout: _Layout, labels: CumulativeLabels, place: int, one: Curve) -> None:
    style, step = sheet.look(one.group, place), line_height(SMALL_POINTS)
    first = layout.row_tops[place] - ROW_GAP_MM / 2 - step / 2
    key = [MARGIN_MM, MARGIN_MM + KEY_MM - 1.5]
    sheet.line(key, [first, first], colour=style.colour, points=LINE_POINTS, style=style.line)
    for line, text in enumerate(layout.names[place]):
        sheet.word(MARGIN_MM + KEY_MM, first - line * step, text, points=SMALL_POINTS, colour=style.text_colour)
    for column, guide in enumerate(GUIDES):
        if found := one.at(guide):
            for line, text in enumerate(_cell(found, labels)):
                sheet.word(layout.column(column), first - line * step, text, points=SMALL_POINTS)
