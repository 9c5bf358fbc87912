"""When no mail may leave although it is due: the clock cannot be trusted, or this may be a copy of the registry."""

from datetime import datetime, timedelta
from enum import StrEnum


class Hold(StrEnum):
    """Why nothing leaves until a person says that it may."""

    ELSEWHERE = "elsewhere"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_BEHIND = "clock_behind"


# Clocks are corrected by seconds; a summer time that was set by hand is an hour.
MOST_BEHIND = timedelta(minutes=5)
# A day that was mistyped, and not the hours of a machine that slept, which its other clock counts as well.
MOST_AHEAD = timedelta(hours=26)


def is_ahead(*, by_wall: timedelta, by_other: timedelta) -> bool:
    """Whether the clock on the wall has gone on by far more than the one that nobody sets."""
    return by_wall - by_other > MOST_AHEAD


def is_behind(now: datetime, *, beat_at: datetime | None) -> bool:
    """Whether it is earlier now than when the scheduler last gave a sign of life."""
    return beat_at is not None and now < beat_at - MOST_BEHIND
