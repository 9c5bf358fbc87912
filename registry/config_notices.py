"""The settings of what the registry tells by itself: the digest to staff, and the sign of life to a service outside."""

from datetime import time
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from registry.config_problems import an_address
from registry.domain.digest import problem_of_time

_WRONG = "must be an address such as https://hc.example.org/ping/1234; http:// is taken for this machine alone"


def _a_morning(value: time) -> time:
    if problem := problem_of_time(value):
        raise ValueError(problem)
    return value


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("must be an e-mail address such as followup@example.org")
    return value


def _fit_to_ping(value: str) -> str:
    """An address that a GET can go to without telling its secret to anybody on the way."""
    if not value:
        return value
    is_plain = value.isascii() and value.isprintable() and " " not in value
    try:
        is_good = is_plain and _is_safe(urlsplit(value))
    except ValueError:
        is_good = False
    if not is_good:
        # Without the value, which may hold the secret id of a check.
        raise ValueError(_WRONG)
    return value


def _is_safe(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if not host or "@" in parts.netloc or parts.fragment or parts.port == 0:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Recipient = Annotated[str, AfterValidator(an_address), AfterValidator(_not_empty)]


class DigestSettings(BaseModel):
    """Who is told on working days what is to be done, and when on the clock of the hospital."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: tuple[Recipient, ...] = ()
    at: Annotated[time, AfterValidator(_a_morning)] = time(8, 30)


class HealthSettings(BaseModel):
    """Whom the scheduler tells outside that it lives and nothing is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ping_url: Annotated[str, AfterValidator(_fit_to_ping)] = Field("", repr=False)
