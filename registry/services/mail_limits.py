"""How many mails may leave at this moment: the provider's limit, and a pause while the server wants none of ours."""

from datetime import datetime, timedelta

from registry.storage import mail_limits
from registry.storage.database import Rows
from registry.storage.mail_limits import Refusals

# Three mails in a row, to three patients, are no accident.
FEWEST_REFUSALS = 3
SHORTEST_PAUSE = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(hours=6)
_WINDOW = timedelta(hours=1)


def held_until(rows: Rows) -> datetime | None:
    """Until when no mail leaves because the server refuses what we send, or who we are; None while it takes mails."""
    found = mail_limits.refusals(rows)
    return _end_of_pause(found) if found.n_mails >= FEWEST_REFUSALS else None


def _end_of_pause(found: Refusals) -> datetime:
    """As long again as the trouble has lasted: the pauses double."""
    if found.first_at is None or found.last_at is None:
        raise AssertionError("a mail that was refused was tried")
    return found.last_at + min(max(found.last_at - found.first_at, SHORTEST_PAUSE), LONGEST_PAUSE)


def most_in_trouble(rows: Rows, *, now: datetime, usual: int) -> int:
    """How many mails may be claimed at once: one by one after a refusal, none in a pause, and one to end it."""
    found = mail_limits.refusals(rows)
    if not found.n_mails:
        return usual
    if found.n_mails < FEWEST_REFUSALS:
        return 1
    return 1 if now >= _end_of_pause(found) and not mail_limits.is_any_held(rows, now=now) else 0


def shares(rows: Rows, *, site_ids: list[int], most_per_hour: int, now: datetime, usual: int) -> list[tuple[int, int]]:
    """Each site with how many of its mails may be claimed now, the one first of which the fewest left lately."""
    if not most_per_hour:
        return [(site_id, usual) for site_id in site_ids]
    left = mail_limits.left_by_site(rows, since=now - _WINDOW, now=now)
    most = min(usual, most_per_hour - left.total())
    return [(site_id, most) for site_id in sorted(site_ids, key=lambda site_id: left[site_id])] if most > 0 else []
