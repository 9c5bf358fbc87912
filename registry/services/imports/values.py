"""Cells as values: each function takes plain text that is not empty, and says why it cannot be taken."""

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE
from registry.domain.quality import is_study_id
from registry.domain.vocabularies import PROCEDURES

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"[0-9]+")
_NEGATIVE = re.compile(r"[-\u2212\u2013][0-9]+")
_FRACTION = re.compile(r"[-\u2212\u2013]?[0-9]*[.,][0-9]+")
_YEAR = re.compile(r"[0-9]{4}")
LONGEST_PROCEDURE = 100

_Choice = TypeVar("_Choice", bound=StrEnum)


class NotTaken(Exception):
    """A cell cannot be taken; the text says why."""


def score(text: str) -> int:
    """A whole number from 0 to 100."""
    if _WHOLE.fullmatch(text):
        if len(text.lstrip("0")) <= len(str(HIGHEST_SCORE)) and int(text) <= HIGHEST_SCORE:
            return int(text)
        raise NotTaken(f"above {HIGHEST_SCORE}; scores go from {LOWEST_SCORE} to {HIGHEST_SCORE}")
    if _NEGATIVE.fullmatch(text):
        raise NotTaken(f"below {LOWEST_SCORE}; scores go from {LOWEST_SCORE} to {HIGHEST_SCORE}")
    if _FRACTION.fullmatch(text):
        raise NotTaken("not a whole number; scores have no decimals")
    raise NotTaken(f"not a number; enter a whole number from {LOWEST_SCORE} to {HIGHEST_SCORE}, or nothing")


def day(text: str) -> date:
    """A day written as YYYY-MM-DD."""
    if not _DAY.fullmatch(text):
        raise NotTaken("not a day written as YYYY-MM-DD, such as 2026-03-09")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NotTaken("there is no such day in the calendar") from None


def year(text: str) -> int:
    """A year of four digits."""
    if not _YEAR.fullmatch(text):
        raise NotTaken("not a year of four digits, such as 1952")
    return int(text)


def study_id(text: str) -> str:
    """A study ID by the registry's one rule."""
    if not is_study_id(text):
        raise NotTaken("not a study ID: letters, digits and . _ / # -, at most 40 without blanks, and no name")
    return text


def procedure(text: str) -> str:
    """The code of a procedure, from its code or its label in any case; any other text stays as written."""
    return _PROCEDURES_BY_WORDS.get(text.casefold()) or _fitting(text, LONGEST_PROCEDURE)


def one_of(kind: type[_Choice], text: str) -> _Choice:
    """A member of a closed list."""
    try:
        return kind(text)
    except ValueError:
        raise NotTaken(f"not one of {', '.join(kind)}") from None


def _fitting(text: str, longest: int) -> str:
    if len(text) > longest:
        raise NotTaken(f"longer than {longest} characters")
    if not text.isprintable():
        raise NotTaken("contains a character that cannot be shown, such as a line break")
    return text


_PROCEDURES_BY_WORDS: Mapping[str, str] = {
    words.casefold(): code for code, (label, _) in PROCEDURES.items() for words in (code, label)
}
