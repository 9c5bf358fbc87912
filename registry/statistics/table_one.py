"""Two groups side by side at the beginning: how far apart they are, in standard deviations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import copysign, sqrt

from registry.statistics.moments import Moments
from registry.statistics.responders import proportion
from registry.statistics.results import Absent, Proportion, Reason, Summary, shortage
from registry.statistics.summary import quantile, summary

Matrix = list[list[Fraction]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One group's distribution with its quartiles, and how many have no known value."""

    summary: Summary | Absent
    quartiles: tuple[float, float] | Absent
    n_missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousBalance:
    """A measured variable in both groups; the difference is in standard deviations, first minus second."""

    first: Spread
    second: Spread
    standardised_difference: float | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryBalance:
    """A yes-or-no variable in both groups; the difference is in standard deviations, first minus second."""

    first: Proportion | Absent
    second: Proportion | Absent
    n_missing_first: int
    n_missing_second: int
    standardised_difference: float | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelShares:
    """One level of a variable: how many of each group have it, of those whose level is known."""

    level: str
    n_first: int
    n_second: int
    proportion_first: float | Absent
    proportion_second: float | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelBalance:
    """A variable with several levels in both groups; the distance has no sign."""

    levels: tuple[LevelShares, ...]
    n_first: int
    n_second: int
    n_missing_first: int
    n_missing_second: int
    standardised_difference: float | Absent


def continuous_balance(first: Mapping[int | None, int], second: Mapping[int | None, int]) -> ContinuousBalance:
    """A measured variable, given as value -> n of each group, with None for unknown.

    Formula: standardised difference = (m1 - m2) / sqrt((s1^2 + s2^2) / 2); quartiles of type 7.
    Units: those of the values (whole numbers; give a weight in 100 g if it has one decimal); the difference in sds.
    Missing data: unknown values are counted and left out.
    Errors: the difference is absent when a group has n < 2 or neither varies.
    Reference: Austin, Stat Med 2009;28:3083-107; Yang and Dalton, SAS Global Forum 2012, 335.
    """
    one, two = _known(first), _known(second)
    return ContinuousBalance(
        first=_spread(one, n_missing=first.get(None, 0)),
        second=_spread(two, n_missing=second.get(None, 0)),
        standardised_difference=_continuous_difference(one, two),
    )


def binary_balance(first: Mapping[bool | None, int], second: Mapping[bool | None, int]) -> BinaryBalance:
    """A yes-or-no variable, given as answer -> n of each group, with None for unknown.

    Formula: standardised difference = (p1 - p2) / sqrt((p1 (1 - p1) + p2 (1 - p2)) / 2); Wilson intervals.
    Units: shares from 0 to 1; the difference in sds.
    Missing data: unknown answers are counted and left out.
    Errors: the difference is absent when a group has n = 0 or neither varies; a share when its group has n = 0.
    Reference: Austin, Stat Med 2009;28:3083-107; Yang and Dalton, SAS Global Forum 2012, 335.
    """
    one, two = _share(first), _share(second)
    return BinaryBalance(
        first=one,
        second=two,
        n_missing_first=first.get(None, 0),
        n_missing_second=second.get(None, 0),
        standardised_difference=_binary_difference(one, two),
    )


def level_balance(first: Mapping[str | None, int], second: Mapping[str | None, int]) -> LevelBalance:
    """A variable with several levels, given as level -> n of each group, with None for unknown.

    Formula: with p the shares of all levels but the last and S their covariance in a group, S[k, k] = p[k] (1 - p[k])
    and S[k, l] = -p[k] p[l], distance = sqrt((p1 - p2)' ((S1 + S2) / 2)^-1 (p1 - p2)); exact until the root.
    Which level is left out changes nothing. With two levels it is the size of the binary form.
    Units: sds, without a sign.
    Missing data: unknown levels are counted and left out; a level that nobody has is no level.
    Errors: the distance is absent when a group has n = 0, or when the covariance cannot be inverted:
    everyone has the same level, or the groups share none.
    Reference: Yang and Dalton, SAS Global Forum 2012, 335.
    """
    names = sorted({name for counts in (first, second) for name, n in counts.items() if name is not None and n})
    n_first, n_second = (sum(counts.get(name, 0) for name in names) for counts in (first, second))
    return LevelBalance(
        levels=tuple(
            LevelShares(
                level=name,
                n_first=first.get(name, 0),
                n_second=second.get(name, 0),
                proportion_first=_level_share(first.get(name, 0), of=n_first),
                proportion_second=_level_share(second.get(name, 0), of=n_second),
            )
            for name in names
        ),
        n_first=n_first,
        n_second=n_second,
        n_missing_first=first.get(None, 0),
        n_missing_second=second.get(None, 0),
        standardised_difference=_distance([first.get(n, 0) for n in names], [second.get(n, 0) for n in names]),
    )


def _known(counts: Mapping[int | None, int]) -> dict[int, int]:
    return {value: n for value, n in counts.items() if value is not None and n}


def _spread(counts: Mapping[int, int], *, n_missing: int) -> Spread:
    found = summary(counts)
    quartiles = (
        found if isinstance(found, Absent) else (quantile(counts, Fraction(1, 4)), quantile(counts, Fraction(3, 4)))
    )
    return Spread(summary=found, quartiles=quartiles, n_missing=n_missing)


def _continuous_difference(first: Mapping[int, int], second: Mapping[int, int]) -> float | Absent:
    if short := shortage(sum(first.values()), sum(second.values()), needed=2):
        return short
    one, two = Moments.from_counts(first), Moments.from_counts(second)
    return _in_deviations(one.mean - two.mean, (one.variance + two.variance) / 2)


def _share(counts: Mapping[bool | None, int]) -> Proportion | Absent:
    yes = counts.get(True, 0)
    return proportion(yes, yes + counts.get(False, 0))


def _binary_difference(first: Proportion | Absent, second: Proportion | Absent) -> float | Absent:
    if isinstance(first, Absent):
        return first
    if isinstance(second, Absent):
        return second
    one, two = Fraction(first.k, first.n), Fraction(second.k, second.n)
    return _in_deviations(one - two, (one * (1 - one) + two * (1 - two)) / 2)


def _in_deviations(difference: Fraction, variance: Fraction) -> float | Absent:
    if variance == 0:
        return Absent(reason=Reason.NO_VARIATION)
    return copysign(sqrt(difference * difference / variance), difference)


def _level_share(n: int, *, of: int) -> float | Absent:
    return n / of if of else Absent(reason=Reason.NO_ANSWERS)


def _distance(first: Sequence[int], second: Sequence[int]) -> float | Absent:
    if short := shortage(sum(first), sum(second), needed=1):
        return short
    one, two = ([Fraction(n, sum(counts)) for n in counts][:-1] for counts in (first, second))
    gaps = [a - b for a, b in zip(one, two, strict=True)]
    solved = _solved(_mean_covariance(one, two), gaps)
    if solved is None:
        return Absent(reason=Reason.NO_VARIATION)
    return sqrt(sum((gap * weight for gap, weight in zip(gaps, solved, strict=True)), Fraction(0)))


def _mean_covariance(first: Sequence[Fraction], second: Sequence[Fraction]) -> Matrix:
    def covariance(shares: Sequence[Fraction], row: int, column: int) -> Fraction:
        return shares[row] * ((row == column) - shares[column])

    places = range(len(first))
    return [[(covariance(first, i, j) + covariance(second, i, j)) / 2 for j in places] for i in places]


def _solved(matrix: Matrix, right: Sequence[Fraction]) -> list[Fraction] | None:
    """The solution of the linear equations by elimination, or None when there is no single one."""
    if not matrix:
        return None
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for place in range(len(rows)):
        pivot = next((row for row in rows[place:] if row[place] != 0), None)
        if pivot is None:
            return None
        rows.remove(pivot)
        pivot = [value / pivot[place] for value in pivot]
        rows = [[v - row[place] * p for v, p in zip(row, pivot, strict=True)] for row in rows]
        rows.insert(place, pivot)
    return [row[-1] for row in rows]
