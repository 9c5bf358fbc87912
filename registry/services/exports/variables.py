"""What a column of an export is: one description from which tables, dictionary and scripts are all made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE
from registry.services.exports import value_words as words
from registry.services.exports.value_words import Value

HIGHEST_AGE = 90
"""Everybody of this age or older has it."""


class Kind(StrEnum):
    """What the cells of a column are."""

    TEXT = "text"
    CODE = "code"
    NUMBER = "whole number"
    DAY = "day"


@dataclass(frozen=True)
class Variable:
    """A column: what it is called, what it holds, what an empty cell means, and where it comes from."""

    name: str
    kind: Kind
    en: str
    ja: str
    source: str
    values: Sequence[Value] = ()
    unit: str = ""
    lowest: int | None = None
    highest: int | None = None
    empty: str = ""
    reason_in: str = ""
    """The column that says why a cell of this one is empty."""
    longest: int = 60
    """How many bytes a text has at most."""

    @property
    def width(self) -> int:
        """How many bytes the longest cell has."""
        codes = [len(str(value.code).encode()) for value in self.values]
        return max(codes) if self.kind == Kind.CODE and codes else self.longest


def column_of(grouping: str) -> str:
    """The column of a grouping, in letters that every program takes."""
    return re.sub(r"[^A-Za-z0-9_]", "_", grouping)


def score_column(item: str, timepoint: str) -> str:
    """The column of a score in the wide table, called as in a file to import."""
    return f"{item}_{timepoint}"


def day_column(timepoint: str) -> str:
    """The column with the day of a timepoint's answers, called as in a file to import."""
    return f"{timepoint}_on"


def text(name: str, en: str, ja: str, source: str, *, empty: str = "", longest: int = 60) -> Variable:
    """A column of free text."""
    return Variable(name, Kind.TEXT, en, ja, source, empty=empty, longest=longest)


def code(name: str, en: str, ja: str, source: str, values: Sequence[Value], *, empty: str = "") -> Variable:
    """A column of codes from a closed list."""
    return Variable(name, Kind.CODE, en, ja, source, values=values, empty=empty)


def flag(name: str, en: str, ja: str, source: str, *, empty: str = "") -> Variable:
    """A column of 0 and 1."""
    return Variable(name, Kind.NUMBER, en, ja, source, values=words.YES_NO, lowest=0, highest=1, empty=empty)


def days(name: str, en: str, ja: str, source: str, *, empty: str = "") -> Variable:
    """A column that counts days."""
    return Variable(name, Kind.NUMBER, en, ja, source, unit="days", empty=empty)


def day(name: str, en: str, ja: str, source: str, *, empty: str = "") -> Variable:
    """A column of calendar days."""
    return Variable(name, Kind.DAY, en, ja, source, empty=empty)


def vas(name: str, en: str, ja: str, *, reason_in: str = "", empty: str = "") -> Variable:
    """A column of scores."""
    return Variable(
        name,
        Kind.NUMBER,
        en,
        ja,
        "answer.score",
        unit="points, higher is worse",
        lowest=LOWEST_SCORE,
        highest=HIGHEST_SCORE,
        empty=empty or f"missing: see {reason_in}",
        reason_in=reason_in,
    )
