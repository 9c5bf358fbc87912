"""What the figures of a report share: whose scores of what, and the words that all of them use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from registry.figures.header import Header
from registry.numbers import percent
from registry.statistics.responders import proportion
from registry.statistics.results import Absent, Proportion
from registry.statistics.score_table import ScoreTable

# The minimal important change in points; worse by as much is worse.
IMPORTANT_POINTS = 15
# The scale of every change: what a score from 0 to 100 can rise or fall.
LARGEST_CHANGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The scores of one group before and after, as counts."""

    code: str
    label: str
    table: ScoreTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Which item is shown, how long after the operation, and in which language."""

    language: str
    item: str
    months: int
    is_demonstration: bool

    @property
    def words(self) -> CommonWords:
        """The words of its language that all figures share."""
        return COMMON[self.language]

    def header(self, *, width: float, title: str, note: str) -> Header:
        """What stands above a figure of this width."""
        warning = self.words.demonstration if self.is_demonstration else ""
        return Header(width=width, title=title, note=note, warning=warning)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonWords:
    """Words that stand on more than one figure."""

    demonstration: str
    nothing: str
    improved: str
    worse: str
    n: str
    group: str
    separator: str
    comma: str
    space: str
    stop: str


COMMON = {
    "en": CommonWords(
        demonstration="DEMO - synthetic data",
        nothing="Nobody has both scores",
        improved="improved",
        worse="worse",
        n="n = {n}",
        group="{group}: {told}.",
        separator="; ",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "ja": CommonWords(
        demonstration="DEMO - synthetic data（架空のデータ）",
        nothing="術前・術後の両方の回答がありません",
        improved="改善",
        worse="悪化",
        n="n＝{n}",
        group="{group}：{told}。",
        separator="；",
        comma="、",
        space="",
        stop="。",
    ),
}


def improved(table: ScoreTable) -> Proportion | Absent:
    """The share of those with both scores whose score fell by the minimal important change or more."""
    return _share_of_changes(table, (change for change in table.change_counts if change <= -IMPORTANT_POINTS))


def worse(table: ScoreTable) -> Proportion | Absent:
    """The share of those with both scores whose score rose by the minimal important change or more."""
    return _share_of_changes(table, (change for change in table.change_counts if change >= IMPORTANT_POINTS))


def _share_of_changes(table: ScoreTable, changes: Iterable[int]) -> Proportion | Absent:
    counts = table.change_counts
    return proportion(sum(counts[change] for change in changes), table.n_both)


def counted(found: Proportion | Absent, words: CommonWords) -> str:
    """A share with its counts, or that there is none."""
    return words.nothing if isinstance(found, Absent) else percent(found.k, found.n)
