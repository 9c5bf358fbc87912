"""What the trajectory figure says of its points: the words under the axis, the note and the description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry.figures.drawing import Cell
from registry.figures.trajectory_labels import TrajectoryLabels
from registry.figures.trajectory_layout import HIGHEST, LOWEST
from registry.statistics.results import Absent, TrajectoryPoint

COLUMNS = ("group", "label", "months", "n", "mean", "ci_low", "ci_high")
NOT_ASKED = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The points of one group, in the order of time."""

    group: str
    label: str
    points: tuple[TrajectoryPoint, ...]


def description(series: Sequence[Series], labels: TrajectoryLabels) -> str:
    """The figure in words, for those who hear it."""
    sentences = [labels.reading.format(lowest=labels.lowest, highest=labels.highest)]
    for one in series:
        points = [_spoken(point, labels) for point in one.points if not isinstance(point.mean, Absent)]
        told = labels.separator.join(points) or labels.nothing
        sentences.append(labels.group.format(group=one.label, points=told))
    return " ".join(sentences)


def _spoken(point: TrajectoryPoint, labels: TrajectoryLabels) -> str:
    at = labels.at_months.format(months=f"{point.months:g}")
    words = {"when": labels.before if point.months <= 0 else at, "mean": f"{point.mean:.1f}", "n": point.n}
    if isinstance(point.interval, Absent):
        return labels.point_without_interval.format(**words)
    low, high = (f"{end:.1f}".replace("-", "\N{MINUS SIGN}") for end in (point.interval.low, point.interval.high))
    return labels.point.format(low=low, high=high, **words)


def rows(series: Sequence[Series]) -> tuple[tuple[Cell, ...], ...]:
    """The numbers behind the marks, a row for each point."""
    return tuple(_row(one, point) for one in series for point in one.points)


def _row(one: Series, point: TrajectoryPoint) -> tuple[Cell, ...]:
    mean = None if isinstance(point.mean, Absent) else point.mean
    ends = (None, None) if isinstance(point.interval, Absent) else (point.interval.low, point.interval.high)
    return (one.group, one.label, point.months, point.n, mean, *ends)


def last_mean(one: Series) -> tuple[float, float] | None:
    """The months and the mean of the last moment that has one."""
    means = [(point.months, point.mean) for point in one.points if not isinstance(point.mean, Absent)]
    return means[-1] if means else None


def tick_word(months: float, labels: TrajectoryLabels) -> str:
    """What stands under a moment of the axis."""
    return labels.before if months <= 0 else f"{months:g}"


def answers(one: Series, months: float) -> str:
    """How many of the group answered at this moment, or a dash where it was not asked."""
    return next((str(point.n) for point in one.points if point.months == months), NOT_ASKED)


def note(series: Sequence[Series], labels: TrajectoryLabels) -> str:
    """What the bars are, and what an arrow head on one says where there is one."""
    leaves = any(
        not isinstance(point.interval, Absent) and (point.interval.low < LOWEST or point.interval.high > HIGHEST)
        for one in series
        for point in one.points
    )
    return labels.interval + labels.beyond if leaves else labels.interval
