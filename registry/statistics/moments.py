"""Means and sums of squares as exact fractions, so that nothing is rounded before the last division."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The n, the mean and the sum of squared deviations from it of one variable."""

    n: int
    mean: Fraction
    squares: Fraction

    @classmethod
    def from_counts(cls, counts: Mapping[int, int]) -> Moments:
        """The moments of a variable given as value -> n.

        Formula: mean = S / n, squares = Q - S^2 / n with S the sum and Q the sum of squares.
        Units: points, and points squared.
        Errors: ValueError when there is no value at all.
        """
        total = sum(value * n for value, n in counts.items())
        squared = sum(value * value * n for value, n in counts.items())
        return cls.from_sums(n=sum(counts.values()), total=total, squared=squared)

    @classmethod
    def from_sums(cls, *, n: int, total: int, squared: int) -> Moments:
        """The moments of n values from their sum and the sum of their squares."""
        if n == 0:
            raise ValueError("there are no values to take the moments of")
        return cls(n=n, mean=Fraction(total, n), squares=Fraction(n * squared - total * total, n))

    @property
    def variance(self) -> Fraction:
        """The sample variance, squares / (n - 1); ZeroDivisionError for a single value."""
        return self.squares / (self.n - 1)

    @property
    def squared_error(self) -> Fraction:
        """The squared standard error of the mean, variance / n."""
        return self.variance / self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMoments:
    """The moments of before and of after in the same patients, and the products of their deviations."""

    before: Moments
    after: Moments
    products: Fraction

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[int, int, int]]) -> PairMoments:
        """The moments of pairs given as (before, after, n), in one pass over them.

        Formula: products = P - S_before * S_after / n with P the sum of before * after.
        Units: points, and points squared.
        Errors: ValueError when there is no pair at all.
        """
        count = before_total = after_total = before_squared = after_squared = multiplied = 0
        for before, after, n in pairs:
            count += n
            before_total += n * before
            after_total += n * after
            before_squared += n * before * before
            after_squared += n * after * after
            multiplied += n * before * after
        return cls(
            before=Moments.from_sums(n=count, total=before_total, squared=before_squared),
            after=Moments.from_sums(n=count, total=after_total, squared=after_squared),
            products=Fraction(count * multiplied - before_total * after_total, count),
        )

    @property
    def n(self) -> int:
        """The number of pairs."""
        return self.before.n

    @property
    def change(self) -> Moments:
        """The moments of after - before; squares = squares(before) + squares(after) - 2 products."""
        return Moments(
            n=self.n,
            mean=self.after.mean - self.before.mean,
            squares=self.before.squares + self.after.squares - 2 * self.products,
        )
