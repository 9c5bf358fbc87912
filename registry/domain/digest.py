"""The digest of a working day: when it goes to staff, and whether there is anything to tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from registry.domain.sending_hours import EARLIEST, Weekday

NOON = time(12)
"""Later on a day nobody needs to be told what the morning had for them."""
MOST_ATTEMPTS = 4
LEASE = timedelta(minutes=30)
"""An attempt that is not finished after this long belongs to a process that died."""
_FIRST_RETRY = timedelta(minutes=15)
_FREE_DAYS = frozenset({Weekday.SATURDAY, Weekday.SUNDAY})


def is_digest_time(local: datetime, *, at: time) -> bool:
    """Whether the digest of a day may leave at this moment of the hospital: Monday to Friday, before noon."""
    return Weekday.of(local.date()) not in _FREE_DAYS and at <= local.time() < NOON


def problem_of_time(at: time) -> str | None:
    """What is wrong with the time at which digests leave, or None."""
    is_good = at.tzinfo is None and EARLIEST <= at < NOON
    return None if is_good else "must be a time from 05:00 until before 12:00, on the clock of the hospital"


def wait_after(n_attempts: int) -> timedelta | None:
    """How long a digest waits that could not be sent, or None after the last attempt."""
    return None if n_attempts >= MOST_ATTEMPTS else _FIRST_RETRY * 2 ** (n_attempts - 1)


@dataclass(frozen=True)
class DigestCounts:
    """How much there is to do, in the order in which it matters."""

    n_at_risk: int = 0
    n_calls: int = 0
    n_letters: int = 0
    n_returned: int = 0
    n_reviews: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(vars(self).values())

    def in_words(self) -> str:
        """The counts as a subject tells them; what there is none of is left out."""
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        kinds = (
            (self.n_at_risk, "baseline at risk", "baselines at risk"),
            (self.n_calls, "call", "calls"),
            (self.n_letters, "letter", "letters"),
            (self.n_returned, "returned", "returned"),
            (self.n_reviews, "to review", "to review"),
        )
        for count, one, several in kinds:
            if count:
                yield f"{count} {one if count == 1 else several}"
