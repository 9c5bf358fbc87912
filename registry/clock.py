"""The one place that reads the clock; everything below it is told the time."""

from collections.abc import Callable
from datetime import UTC, datetime

from registry.config import Settings

Clock = Callable[[], datetime]


def clock_of(settings: Settings) -> Clock:
    """The clock of a process: the machine's, or in demo mode the instant at which the demonstration stands still."""
    fixed = settings.demo.now
    if fixed is None:
        return lambda: datetime.now(UTC)
    return lambda: fixed.astimezone(UTC)
