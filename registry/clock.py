"""The one place that reads the clock; everything below it is told the time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from registry.config import Settings

Clock = Callable[[], datetime]


def machine_time() -> datetime:
    """The machine's own time, for waiting and never for deciding what is due."""
    return datetime.now(UTC)


def steady_seconds() -> float:
    """A clock that nobody sets, and that counts the time a machine slept where the system knows it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def clock_of(settings: Settings) -> Clock:
    """The clock of a process: the machine's, or in demo mode the instant at which the demonstration stands still."""
    fixed = settings.demo.now
    if fixed is None:
        return machine_time
    return lambda: fixed.astimezone(UTC)
