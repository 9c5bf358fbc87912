"""The distribution of the change in each group: density, box and single patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from typing import TYPE_CHECKING

from registry.figures.drawing import Drawing
from registry.figures.header import Header
from registry.figures.placement import balanced, text_width
from registry.figures.raincloud_labels import LABELS, RaincloudLabels
from registry.figures.raincloud_marks import COLUMNS, MOST_POINTS, SMALLEST_DENSITY, Cloud, cloud, rows
from registry.figures.scale import AXIS_MM, draw_change_axis, draw_nothing
from registry.figures.sheet import Sheet, line_height
from registry.figures.style import (
    AXIS_POINTS,
    BAR_POINTS,
    INK,
    MARGIN_MM,
    SINGLE_COLUMN_MM,
    SMALL_POINTS,
    TEXT_POINTS,
    GroupStyle,
    tint,
)
from registry.figures.subject import IMPORTANT_POINTS, Group, Subject, counted
from registry.numbers import number, share
from registry.statistics.results import Absent, Proportion

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["raincloud"]

DENSITY_MM = 9.0
BOX_MM = 2.4
POINTS_MM = 4.0
BETWEEN_MM = 0.9
BETWEEN_ROWS_MM = 2.4
BESIDE_MM = 3.0
GUIDE_INK = "#a8a8a8"


def raincloud(groups: Sequence[Group], *, subject: Subject) -> Drawing:
    """The changes of each group as half a violin, a box and points; cheap whatever the number of patients."""
    labels = LABELS[subject.language]
    clouds = tuple(cloud(group) for group in groups)
    title = labels.title.format(item=subject.item, months=subject.months)
    header = subject.header(width=SINGLE_COLUMN_MM, title=title, note=_note(clouds, labels))
    layout = _Layout(clouds=clouds, subject=subject, header=header)
    return Drawing(
        name="raincloud",
        language=subject.language,
        title=title,
        description=_description(clouds, labels, subject),
        caption=labels.caption.format(months=subject.months)
        + subject.words.space
        + _note(clouds, labels)
        + subject.words.stop,
        width=SINGLE_COLUMN_MM,
        height=layout.height,
        columns=COLUMNS,
        rows=tuple(row for one in clouds for row in rows(one)),
        draw=partial(_draw, layout=layout, labels=labels),
    )


def _note(clouds: Sequence[Cloud], labels: RaincloudLabels) -> str:
    note = labels.note.format(points=IMPORTANT_POINTS)
    if any(0 < one.n < SMALLEST_DENSITY for one in clouds):
        note += labels.no_density.format(smallest=SMALLEST_DENSITY)
    if any(one.n > MOST_POINTS for one in clouds):
        note += labels.sample.format(drawn=MOST_POINTS)
    return note


def _description(clouds: Sequence[Cloud], labels: RaincloudLabels, subject: Subject) -> str:
    words = subject.words
    told = [words.group.format(group=one.label, told=_told(one, labels, subject)) for one in clouds]
    return words.space.join([labels.reading, *told])


def _told(one: Cloud, labels: RaincloudLabels, subject: Subject) -> str:
    if one.box is None:
        return subject.words.nothing
    return labels.told.format(
        n=one.n,
        median=number(one.box.median),
        q1=number(one.box.q1),
        q3=number(one.box.q3),
        points=IMPORTANT_POINTS,
        improved=counted(one.improved, subject.words),
        worse=counted(one.worse, subject.words),
    )


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where everything stands, in millimetres from the lower left corner."""

    clouds: tuple[Cloud, ...]
    subject: Subject
    header: Header

    @cached_property
    def names(self) -> tuple[tuple[str, ...], ...]:
        return tuple(balanced(one.label, points=TEXT_POINTS, width=self.right - MARGIN_MM) for one in self.clouds)

    @cached_property
    def beside(self) -> tuple[tuple[str, ...], ...]:
        return tuple(_beside(one, self.subject) for one in self.clouds)

    @cached_property
    def left(self) -> float:
        return MARGIN_MM + text_width("\N{MINUS SIGN}100", SMALL_POINTS) / 2

    @cached_property
    def right(self) -> float:
        widest = max((text_width(line, SMALL_POINTS) for lines in self.beside for line in lines), default=0.0)
        return SINGLE_COLUMN_MM - MARGIN_MM - max(widest, 12.0) - BESIDE_MM

    @cached_property
    def tops(self) -> tuple[float, ...]:
        """The upper edge of each row, and at the end that of the axis."""
        heights = (self._row_height(place) for place in range(len(self.clouds)))
        below = [*accumulate(heights, initial=0.0)]
        return tuple(self.bottom + below[-1] - height for height in below)

    def _row_height(self, place: int) -> float:
        marks = _density_mm(self.clouds[place]) + BOX_MM + POINTS_MM + 2 * BETWEEN_MM
        words = len(self.names[place]) * line_height(TEXT_POINTS)
        return max(words + marks, len(self.beside[place]) * line_height(SMALL_POINTS)) + BETWEEN_ROWS_MM

    @property
    def bottom(self) -> float:
        return MARGIN_MM + AXIS_MM

    @property
    def height(self) -> float:
        return self.tops[0] + self.header.height


def _beside(one: Cloud, subject: Subject) -> tuple[str, ...]:
    """What stands at the right of a group: its n, and how many improved and became worse."""
    words = subject.words
    lines = [words.n.format(n=one.n)]
    for word, found in ((words.improved, one.improved), (words.worse, one.worse)):
        if not isinstance(found, Absent):
            lines += [word, _with_percent(found)]
    return tuple(lines)


def _with_percent(found: Proportion) -> str:
    return f"{found.k} ({share(found.value, digits=0 if found.n < 100 else 1)})"


def _draw(sheet: Sheet, *, layout: _Layout, labels: RaincloudLabels) -> None:
    layout.header.draw(sheet)
    rows_mm = layout.tops[0] - layout.bottom
    axes = sheet.axes(
        left=layout.left, bottom=layout.bottom, width=layout.right - layout.left, height=max(rows_mm, 0.1)
    )
    axes.set_ylim(layout.bottom, layout.bottom + max(rows_mm, 0.1))
    draw_change_axis(
        sheet,
        axes,
        layout.subject.words,
        title=labels.axis,
        bottom=layout.bottom,
        left=layout.left,
        right=layout.right,
    )
    tallest = max((height for one in layout.clouds for _, height in one.density), default=1.0)
    for place, one in enumerate(layout.clouds):
        _draw_row(sheet, axes, layout, place, one, tallest=tallest)


def _draw_row(sheet: Sheet, axes: Axes, layout: _Layout, place: int, one: Cloud, *, tallest: float) -> None:
    style, top, names = sheet.look(one.group, place), layout.tops[place], layout.names[place]
    words_mm = len(names) * line_height(TEXT_POINTS)
    sheet.lines_of_text(
        MARGIN_MM, top - words_mm / 2, names, anchor="left", points=TEXT_POINTS, colour=style.text_colour
    )
    beside = layout.beside[place]
    middle = top - words_mm / 2 - (len(beside) - len(names)) / 2 * line_height(SMALL_POINTS)
    sheet.lines_of_text(
        layout.right + BESIDE_MM, middle, beside, anchor="left", points=SMALL_POINTS, colour=style.text_colour
    )
    base = top - words_mm - _density_mm(one)
    if one.box is None:
        draw_nothing(sheet, layout.subject.words, across=(layout.left + layout.right) / 2, up=base - BOX_MM)
        return
    _draw_guides(axes, low=layout.tops[place + 1], high=top - words_mm)
    _draw_density(axes, one, style, base=base, tallest=tallest)
    _draw_box(axes, one, style, middle=base - BETWEEN_MM - BOX_MM / 2)
    _draw_points(axes, one, style, bottom=base - 2 * BETWEEN_MM - BOX_MM - POINTS_MM)


def _draw_guides(axes: Axes, *, low: float, high: float) -> None:
    for change in (-IMPORTANT_POINTS, IMPORTANT_POINTS):
        axes.plot(
            [change, change], [low, high], color=GUIDE_INK, linewidth=AXIS_POINTS, linestyle=(0, (3, 3)), zorder=1
        )
    axes.plot([0, 0], [low, high], color=INK, linewidth=AXIS_POINTS, zorder=1)


def _density_mm(one: Cloud) -> float:
    return DENSITY_MM if one.density else BETWEEN_MM


def _draw_density(axes: Axes, one: Cloud, style: GroupStyle, *, base: float, tallest: float) -> None:
    if not one.density:
        return
    changes = [change for change, _ in one.density]
    heights = [base + DENSITY_MM * height / tallest for _, height in one.density]
    axes.fill_between(
        changes,
        base,
        heights,
        facecolor=tint(style.colour, 0.35),
        edgecolor=style.colour,
        linewidth=0.75,
        gid=f"density-{one.group}",
        zorder=2,
    )


def _draw_box(axes: Axes, one: Cloud, style: GroupStyle, *, middle: float) -> None:
    if one.box is None:
        return
    box, half = one.box, BOX_MM / 2
    axes.plot([box.low, box.high], [middle, middle], color=style.colour, linewidth=0.75, zorder=2)
    corners = ([box.q1, box.q3, box.q3, box.q1], [middle - half, middle - half, middle + half, middle + half])
    outline = axes.fill(*corners, facecolor="white", edgecolor=style.colour, gid=f"box-{one.group}", zorder=3)
    outline[0].set_linewidth(BAR_POINTS)
    median = ([box.median, box.median], [middle - half, middle + half])
    axes.plot(*median, color=style.colour, linewidth=2, solid_capstyle="butt", gid=f"median-{one.group}", zorder=4)


def _draw_points(axes: Axes, one: Cloud, style: GroupStyle, *, bottom: float) -> None:
    axes.plot(
        [change for change, _ in one.points],
        [bottom + POINTS_MM * height for _, height in one.points],
        linestyle="",
        marker=style.marker,
        markersize=1.8,
        markeredgewidth=0.4,
        color=style.colour,
        markerfacecolor=style.colour if style.is_filled else "white",
        alpha=0.6,
        clip_on=False,
        gid=f"points-{one.group}",
        zorder=2,
    )
