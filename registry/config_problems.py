"""What is wrong with a configuration, in words for the person who wrote it."""

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a setting; check its spelling",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotation marks",
    "datetime_parsing": "must be an instant such as 2026-11-20T09:00:00+09:00",
    "datetime_from_date_parsing": "must be an instant such as 2026-11-20T09:00:00+09:00",
    "list_type": "must be a list in square brackets",
    "tuple_type": "must be a list in square brackets",
}


def in_words(error: ValidationError) -> list[str]:
    """Every problem of a validation as one line: where it is, what is wrong, what was given."""
    found = error.errors()
    return [line for details in found if not _follows(details, found) for line in _lines(details)]


def _follows(details: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Whether a list is only too short because its entries could not be read, which is said already."""
    place = details["loc"]
    inner = (other["loc"] for other in found if other is not details)
    return details["type"] == "too_short" and any(loc[: len(place)] == place for loc in inner)


def _lines(details: ErrorDetails) -> list[str]:
    if details["type"] == "value_error":
        reasons = str(details["ctx"]["error"]).splitlines()
        place = _place(details)
        return [f"{place}: {reason}" if place and ": " not in reason else reason for reason in reasons]
    reason = _WORDS.get(details["type"], details["msg"][0].lower() + details["msg"][1:])
    given = "" if details["type"] in ("missing", "extra_forbidden") else _given(details)
    return [f"{_place(details)}: {reason}{given}"]


def _given(details: ErrorDetails) -> str:
    value = details["input"]
    return f" (given: {value!r})" if isinstance(value, str | int | float) else ""


def _place(details: ErrorDetails) -> str:
    """Where the problem is: list entries are counted from 1, as a person counts."""
    place = ""
    for part in details["loc"]:
        place += f" {part + 1}" if isinstance(part, int) else f".{part}" if place else part
    return place
