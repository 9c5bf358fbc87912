"""What is wrong with a configuration, in words for the person who wrote it."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

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
    "time_parsing": 'must be a time of day such as "09:00"',
    "datetime_parsing": "must be an instant such as 2026-11-20T09:00:00+09:00",
    "datetime_from_date_parsing": "must be an instant such as 2026-11-20T09:00:00+09:00",
    "list_type": "must be a list in square brackets",
    "tuple_type": "must be a list in square brackets",
}

_NO_HOST = "must name a host in plain letters, such as https://followup.example-hospital.jp"
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


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


def an_address(value: str) -> str:
    """One e-mail address in plain letters, or nothing."""
    if value and not re.fullmatch(r"[!-?A-~]+@[A-Za-z0-9.-]+", value):
        raise ValueError("must be an e-mail address such as followup@example.org")
    return value


def bare_address(value: str) -> str:
    """Where the registry is reached and nothing more: every link begins with it, and one host alone is answered."""
    if not value:
        return value
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("must hold no blanks and no characters that cannot be seen")
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(_NO_HOST) from None
    if problems := list(_beyond_an_address(value, parts)):
        raise ValueError("\n".join(problems))
    return f"{parts.scheme}://{parts.netloc}"


def _beyond_an_address(value: str, parts: SplitResult) -> Iterator[str]:
    host = parts.hostname or ""
    if not (_HOST_NAME.fullmatch(host) or _is_number(host)):
        yield _NO_HOST
    if "@" in parts.netloc:
        yield "must hold no user and no password"
    if not _has_good_port(parts):
        yield "must have a port from 1 to 65535, or none"
    if parts.path not in ("", "/"):
        yield "must end after the host, without a path; the pages have fixed places below it"
    if "?" in value or "#" in value:
        yield "must hold no ? and no #; they would end up inside every link"


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or (_is_number(host) and ip_address(host).is_loopback)


def _has_good_port(parts: SplitResult) -> bool:
    try:
        port = parts.port
    except ValueError:
        return False
    return port != 0 and not parts.netloc.endswith(":")


def problem_of_a_real_address(base_url: str) -> str | None:
    """Why an address cannot be that of a registry with real patients, or None."""
    if not base_url:
        return "give the address that patients reach; the links in mails begin with it"
    parts = urlsplit(base_url)
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        return "must begin with https://; plain http:// is for this machine and the demo alone"
    return None
