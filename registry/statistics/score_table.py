"""The counts by (before, after) of one group: at most 101 x 101 cells hold every unadjusted analysis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE
from registry.statistics.moments import PairMoments

Score = int | None
Cell = tuple[Score, Score, int]


# Without slots: the cached properties keep their value in the instance.
@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """How many patients of one group have each pair of scores before and after; None stands for no answer."""

    cells: tuple[Cell, ...]

    @classmethod
    def from_counts(cls, rows: Iterable[Cell]) -> ScoreTable:
        """The table of rows (before, after, n) in any order; rows of the same scores are added together.

        Units: scores are integers from 0 to 100, or None.
        Errors: ValueError for any other score, and for a negative n.
        """
        counts: Counter[tuple[Score, Score]] = Counter()
        for before, after, n in rows:
            if n < 0:
                raise ValueError(f"a count cannot be negative: {n}")
            counts[_checked(before), _checked(after)] += n
        filled = ((before, after, n) for (before, after), n in counts.items() if n)
        return cls(cells=tuple(sorted(filled, key=_place)))

    @classmethod
    def combined(cls, tables: Iterable[ScoreTable]) -> ScoreTable:
        """The table of several groups taken together."""
        return cls.from_counts(chain.from_iterable(table.cells for table in tables))

    def entered(self, *, at_least: int = 30) -> ScoreTable:
        """The patients who meet the entry rule, before >= at_least; without a score before nobody does."""
        return ScoreTable(cells=tuple(c for c in self.cells if c[0] is not None and c[0] >= at_least))

    @cached_property
    def complete(self) -> ScoreTable:
        """The patients with both scores."""
        return ScoreTable(cells=self.pairs)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int, int], ...]:
        """The cells (before, after, n) in which both scores are known."""
        return tuple((b, a, n) for b, a, n in self.cells if b is not None and a is not None)

    @cached_property
    def moments(self) -> PairMoments:
        """The exact moments of the complete pairs; ValueError when there is none."""
        return PairMoments.from_pairs(self.pairs)

    @cached_property
    def n_enrolled(self) -> int:
        """Everyone in the table, with or without answers."""
        return sum(n for _, _, n in self.cells)

    @cached_property
    def n_both(self) -> int:
        """Those with both scores."""
        return sum(n for _, _, n in self.pairs)

    @cached_property
    def before_counts(self) -> dict[int, int]:
        """Score before -> n, over all who have one."""
        return _counts((before, n) for before, _, n in self.cells)

    @cached_property
    def after_counts(self) -> dict[int, int]:
        """Score after -> n, over all who have one."""
        return _counts((after, n) for _, after, n in self.cells)

    @cached_property
    def change_counts(self) -> dict[int, int]:
        """Change after - before -> n, over those with both scores."""
        return _counts((after - before, n) for before, after, n in self.pairs)


def _checked(score: Score) -> Score:
    # `type` and not isinstance: True is an int, and no score.
    if score is None or (type(score) is int and LOWEST_SCORE <= score <= HIGHEST_SCORE):
        return score
    raise ValueError(f"a score is an integer from {LOWEST_SCORE} to {HIGHEST_SCORE}, or None: {score!r}")


def _place(cell: Cell) -> tuple[int, int]:
    """Where a cell stands among the others: unknown scores come last."""
    before, after, _ = cell
    beyond = HIGHEST_SCORE + 1
    return (beyond if before is None else before, beyond if after is None else after)


def _counts(values: Iterable[tuple[Score, int]]) -> dict[int, int]:
    counts: Counter[int] = Counter()
    for value, n in values:
        if value is not None:
            counts[value] += n
    return dict(sorted(counts.items()))
