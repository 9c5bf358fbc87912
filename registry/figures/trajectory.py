"""The course of the mean score of each group, before and after the operation, on a true time scale."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from registry.figures.drawing import Drawing
from registry.figures.header import draw_warning
from registry.figures.placement import wrapped
from registry.figures.sheet import Sheet
from registry.figures.style import (
    AXIS_POINTS,
    BAR_POINTS,
    DOUBLE_COLUMN_MM,
    GRID_INK,
    INK,
    LINE_POINTS,
    MARGIN_MM,
    MARKER_POINTS,
    QUIET_INK,
    SMALL_POINTS,
    TEXT_POINTS,
    GroupStyle,
)
from registry.figures.trajectory_labels import TrajectoryLabels
from registry.figures.trajectory_layout import (
    AXIS_WORDS_MM,
    HIGHEST,
    LEADER_MM,
    LOWEST,
    PLOT_MM,
    SCALE_NUMBERS_MM,
    TABLE_MM,
    TICK_WORDS_MM,
    WIDEST_WORDS_MM,
    Layout,
)
from registry.figures.trajectory_words import COLUMNS, Series, answers, description, last_mean, note, rows, tick_word
from registry.statistics.results import Absent, TrajectoryPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Series", "trajectory"]

# About the width of a marker, and never so much that a point comes near its neighbour in time.
DODGE_OF_SPAN = 1 / 50
DODGE_OF_GAP = 1 / 4


def trajectory(series: Sequence[Series], *, labels: TrajectoryLabels, is_demonstration: bool) -> Drawing:
    """The mean scores of each group over time, with 95 % intervals and the number of answers.

    Give the groups in the order of the protocol, with those that have no points, so that each keeps its look.
    """
    layout = _layout(series, labels)
    return Drawing(
        name="trajectory",
        language=labels.language,
        title=labels.title.format(item=labels.item),
        description=description(series, labels),
        caption=labels.caption,
        width=DOUBLE_COLUMN_MM,
        height=layout.height,
        columns=COLUMNS,
        rows=rows(series),
        draw=partial(_draw, layout=layout, series=series, labels=labels, is_demonstration=is_demonstration),
    )


def _draw(
    sheet: Sheet, *, layout: Layout, series: Sequence[Series], labels: TrajectoryLabels, is_demonstration: bool
) -> None:
    _draw_header(sheet, layout, labels, note(series, labels))
    if is_demonstration:
        draw_warning(sheet, labels.demonstration, top=layout.height - 1.2)
    _draw_scale(sheet, layout, labels)
    axes = _draw_axes(sheet, layout)
    if not any(layout.ends):
        middle = (layout.left + layout.right) / 2
        sheet.word(middle, layout.up(50), labels.nothing, anchor="center", colour=QUIET_INK)
    for place, one in enumerate(series):
        dodge = _dodge(layout, place, len(series))
        _draw_series(axes, one, style=sheet.look(one.group, place), dodge=dodge)
    _draw_end_labels(sheet, layout, series)
    _draw_table(sheet, layout, labels, series)


def _layout(series: Sequence[Series], labels: TrajectoryLabels) -> Layout:
    months = tuple(sorted({point.months for one in series for point in one.points}))
    highest = wrapped(labels.highest, points=SMALL_POINTS, width=WIDEST_WORDS_MM)
    lowest = wrapped(labels.lowest, points=SMALL_POINTS, width=WIDEST_WORDS_MM)
    return Layout(
        months=months,
        names=tuple(one.label for one in series),
        ends=tuple(last_mean(one) for one in series),
        columns=tuple((tick_word(moment, labels), *(answers(one, moment) for one in series)) for moment in months),
        scale_words=(*highest, *lowest, labels.answers),
    )


def _dodge(layout: Layout, place: int, n_groups: int) -> float:
    """How far aside, in months, the points of a group are drawn, so that those of the groups stay apart."""
    span = layout.time_limits[1] - layout.time_limits[0]
    nearest = min((later - earlier for earlier, later in pairwise(layout.months)), default=span)
    return (place - (n_groups - 1) / 2) * min(span * DODGE_OF_SPAN, nearest * DODGE_OF_GAP)


def _draw_header(sheet: Sheet, layout: Layout, labels: TrajectoryLabels, under: str) -> None:
    heading = labels.heading.format(item=labels.item)
    sheet.word(MARGIN_MM, layout.height - 3.6, heading, points=TEXT_POINTS + 1, is_bold=True)
    sheet.word(MARGIN_MM, layout.height - 7.8, under, points=SMALL_POINTS, colour=QUIET_INK)


def _draw_scale(sheet: Sheet, layout: Layout, labels: TrajectoryLabels) -> None:
    words_end = layout.left - SCALE_NUMBERS_MM
    for score in range(LOWEST, HIGHEST + 1, 20):
        sheet.word(layout.left - 1.8, layout.up(score), str(score), anchor="right", points=SMALL_POINTS, colour=INK)
    for score, words in ((LOWEST, labels.lowest), (HIGHEST, labels.highest)):
        lines = wrapped(words, points=SMALL_POINTS, width=WIDEST_WORDS_MM)
        sheet.lines_of_text(words_end, layout.up(score), lines, anchor="right", points=SMALL_POINTS, colour=INK)
    arrow = words_end - 0.8
    sheet.line([arrow, arrow], [layout.up(38), layout.up(61)], colour=QUIET_INK, points=0.75)
    sheet.mark(arrow, layout.up(61), marker="^", colour=QUIET_INK, points=3.5)
    sheet.lines_of_text(
        arrow - 2.2, layout.up(50), labels.direction, anchor="right", points=SMALL_POINTS, colour=QUIET_INK
    )


def _draw_axes(sheet: Sheet, layout: Layout) -> Axes:
    axes = sheet.axes(left=layout.left, bottom=layout.bottom, width=layout.right - layout.left, height=PLOT_MM)
    axes.set_xlim(*layout.time_limits)
    axes.set_ylim(LOWEST, HIGHEST)
    axes.set_xticks(layout.months)
    axes.set_yticks(range(LOWEST, HIGHEST + 1, 20))
    axes.grid(axis="y", color=GRID_INK, linewidth=AXIS_POINTS)
    return axes


def _draw_series(axes: Axes, one: Series, *, style: GroupStyle, dodge: float) -> None:
    # A moment without a mean interrupts the line: nan is matplotlib's sign for that.
    means = [float("nan") if isinstance(point.mean, Absent) else point.mean for point in one.points]
    moments = [point.months + dodge for point in one.points]
    for moment, point in zip(moments, one.points, strict=True):
        _draw_interval(axes, moment, point, style)
    axes.plot(
        moments,
        means,
        gid=f"mean-{one.group}",
        color=style.colour,
        linestyle=style.line,
        linewidth=LINE_POINTS,
        marker=style.marker,
        markersize=MARKER_POINTS,
        markerfacecolor=style.colour if style.is_filled else "white",
        markeredgewidth=1.0,
        clip_on=False,
        zorder=4,
    )


def _draw_interval(axes: Axes, moment: float, point: TrajectoryPoint, style: GroupStyle) -> None:
    if isinstance(point.interval, Absent):
        return
    low, high = max(point.interval.low, LOWEST), min(point.interval.high, HIGHEST)
    # A bar that ends on the scale has a cap, one that leaves it the head of an arrow.
    markers = (
        "v" if point.interval.low < LOWEST else "_",
        "^" if point.interval.high > HIGHEST else "_",
    )
    bar = axes.plot([moment, moment], [low, high], linewidth=BAR_POINTS)
    for end, marker in zip((low, high), markers, strict=True):
        bar += axes.plot(moment, end, marker=marker, markersize=3.5, markeredgewidth=BAR_POINTS)
    for part in bar:
        part.set(color=style.colour, clip_on=False, zorder=3)


def _draw_end_labels(sheet: Sheet, layout: Layout, series: Sequence[Series]) -> None:
    words = layout.right + LEADER_MM - 0.8
    for place, end in enumerate(layout.ends):
        if end is None:
            continue
        (months, mean), height = end, layout.end_label_places[place]
        style = sheet.look(series[place].group, place)
        start = layout.across(months + _dodge(layout, place, len(series))) + 1.8
        bend = layout.right + 1.5
        sheet.line(
            [start, bend, bend + 2, words - 0.8],
            [layout.up(mean), layout.up(mean), height, height],
            colour=style.colour,
            points=AXIS_POINTS,
        )
        sheet.lines_of_text(
            words,
            height,
            layout.name_lines[place],
            anchor="left",
            points=TEXT_POINTS,
            colour=style.text_colour,
        )


def _draw_table(sheet: Sheet, layout: Layout, labels: TrajectoryLabels, series: Sequence[Series]) -> None:
    ticks, axis = layout.bottom - TICK_WORDS_MM, layout.bottom - AXIS_WORDS_MM
    for place, months in zip(layout.column_places, layout.months, strict=True):
        sheet.word(place, ticks, tick_word(months, labels), anchor="center", points=SMALL_POINTS)
        tick = layout.across(months)
        if abs(place - tick) > 0.3:
            sheet.line([tick, place], [layout.bottom - 1, ticks + 1.6], colour=QUIET_INK, points=AXIS_POINTS)
    middle = (layout.left + layout.right) / 2
    sheet.word(middle, axis, labels.months_after, anchor="center", points=SMALL_POINTS)
    names_end = layout.left - SCALE_NUMBERS_MM
    sheet.word(names_end, layout.bottom - TABLE_MM + 2, labels.answers, anchor="right", points=SMALL_POINTS)
    for row, one in enumerate(series):
        _draw_row(sheet, layout, one, row)


def _draw_row(sheet: Sheet, layout: Layout, one: Series, row: int) -> None:
    style, y = sheet.look(one.group, row), layout.row_places[row]
    names_end = layout.left - SCALE_NUMBERS_MM
    sheet.lines_of_text(
        names_end,
        y,
        layout.row_lines[row],
        anchor="right",
        points=SMALL_POINTS,
        colour=style.text_colour,
    )
    sheet.mark(
        names_end + 2.6,
        y,
        marker=style.marker,
        colour=style.colour,
        points=3.8,
        is_filled=style.is_filled,
    )
    for place, months in zip(layout.column_places, layout.months, strict=True):
        sheet.word(place, y, answers(one, months), anchor="center", points=SMALL_POINTS)
