"""The marks of the raincloud: the density, the box and the points of each group's changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import exp, pi, sqrt
from random import Random

from registry.figures.drawing import Cell
from registry.figures.subject import Group, improved, worse
from registry.statistics.moments import Moments
from registry.statistics.results import Absent, Proportion
from registry.statistics.summary import quantile

# A density of fewer shows the shape of chance.
SMALLEST_DENSITY = 15
# More points hide each other, and a figure of a million patients must cost what one of a thousand costs.
MOST_POINTS = 500
SEED = 20231201
# Scores are whole numbers that many people round: a narrower kernel would draw the rounding.
NARROWEST_KERNEL = 2.0
WHISKER_OF_RANGE = Fraction(3, 2)

COLUMNS = ("group", "label", "mark", "change", "height", "k", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The quartiles, and the outermost changes within one and a half times their distance from them."""

    low: int
    q1: float
    median: float
    q3: float
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The marks of one group; density and points are (change, height), the height of a point from 0 to 1."""

    group: str
    label: str
    n: int
    density: tuple[tuple[int, float], ...]
    box: Box | None
    points: tuple[tuple[int, float], ...]
    improved: Proportion | Absent
    worse: Proportion | Absent


def cloud(group: Group) -> Cloud:
    """The marks of a group, from its counts of changes."""
    counts = group.table.change_counts
    return Cloud(
        group=group.code,
        label=group.label,
        n=group.table.n_both,
        density=tuple(_density(counts)),
        box=_box(counts) if counts else None,
        points=tuple(_points(counts, seed=f"{SEED} {group.code}")),
        improved=improved(group.table),
        worse=worse(group.table),
    )


def rows(one: Cloud) -> Iterator[tuple[Cell, ...]]:
    """The numbers behind the marks of a group."""
    name = (one.group, one.label)
    yield from ((*name, "density", change, height, None, None) for change, height in one.density)
    if one.box:
        places = ("low", "q1", "median", "q3", "high")
        yield from ((*name, f"box_{place}", getattr(one.box, place), None, None, one.n) for place in places)
    yield from ((*name, "point", change, height, None, None) for change, height in one.points)
    for word, share in (("improved", one.improved), ("worse", one.worse)):
        k = None if isinstance(share, Absent) else share.k
        yield (*name, word, None, None, k, one.n)


def _density(counts: Mapping[int, int]) -> Iterator[tuple[int, float]]:
    """A Gaussian kernel density with Silverman's width (R density(), bw.nrd0), from the least to the largest change."""
    n = sum(counts.values())
    if n < SMALLEST_DENSITY or len(counts) < 2:
        return
    width = max(_kernel_width(counts, n), NARROWEST_KERNEL)
    scale = n * width * sqrt(2 * pi)
    for at in range(min(counts), max(counts) + 1):
        yield at, sum(k * exp(-(((at - change) / width) ** 2) / 2) for change, k in counts.items()) / scale


def _kernel_width(counts: Mapping[int, int], n: int) -> float:
    deviation = sqrt(Moments.from_counts(counts).variance)
    between = quantile(counts, Fraction(3, 4)) - quantile(counts, Fraction(1, 4))
    return float(0.9 * min(deviation, between / 1.34 or deviation) * n**-0.2)


def _box(counts: Mapping[int, int]) -> Box:
    q1, median, q3 = (quantile(counts, Fraction(quarter, 4)) for quarter in (1, 2, 3))
    reach = float(WHISKER_OF_RANGE) * (q3 - q1)
    within = [change for change in counts if q1 - reach <= change <= q3 + reach]
    return Box(low=min(within), q1=q1, median=median, q3=q3, high=max(within))


def _points(counts: Mapping[int, int], *, seed: str) -> Iterator[tuple[int, float]]:
    """All the changes, or a sample of them without replacement, each at a height that keeps them apart."""
    chance = Random(seed)  # noqa: S311 - the same picture each time is what it is for
    n = sum(counts.values())
    ends, changes = list(accumulate(counts.values())), list(counts)
    drawn = range(n) if n <= MOST_POINTS else sorted(chance.sample(range(n), MOST_POINTS))
    for place in drawn:
        yield changes[bisect_right(ends, place)], chance.random()
