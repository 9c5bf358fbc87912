"""Reminders on their way: find what is due, claim it, and let several mails leave at once."""

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from threading import Event

from sqlalchemy import Connection
from sqlmodel import col, select

from registry.config import SiteSettings
from registry.services.delivery import (
    GIVE_UP_AFTER,
    LEASE,
    UNKNOWN_RETRY,
    UNREACHABLE,
    UNWELCOME,
    Dispatch,
    deliver,
    make_ready,
    reason_on,
    record,
)
from registry.services.mail_limits import most_in_trouble, shares
from registry.services.sender import installation, remember
from registry.storage import outbox
from registry.storage.database import Rows
from registry.storage.models import Reminder, ReminderState, Site
from registry.storage.outbox import Claim, Moment
from registry.storage.together import writing

__all__ = ["FAILED", "GIVE_UP_AFTER", "LEASE", "UNKNOWN_RETRY", "Dispatch", "reason_on", "send_due_reminders"]

logger = logging.getLogger(__name__)

# Few enough that a killed process keeps few patients waiting for the end of its lease.
BATCH_SIZE = 10
FAILED = "failed"

Sites = dict[int, SiteSettings]


def send_due_reminders(dispatch: Dispatch) -> Counter[str]:
    """Send everything that is due now, over as many connections as the settings allow, and count what became of it."""
    outcomes = _give_up_lost_sendings(dispatch)
    with dispatch.database.reading() as session:
        sites = {row.id: dispatch.settings.site(row.code) for row in session.exec(select(Site))}
    n_lanes = dispatch.settings.mail.n_lanes
    with writing(dispatch.database) as shared:
        # What stops one lane does not keep another from marking its mail: only who is told to stop waits no longer.
        patience = replace(dispatch.patience, is_over=dispatch.is_stopping)
        together = replace(dispatch, writing=shared, patience=patience)
        if n_lanes == 1:
            return +(outcomes + _send_in_turn(together, sites))
        return +(outcomes + _send_side_by_side(together, sites, n_lanes))


def _send_side_by_side(dispatch: Dispatch, sites: Sites, n_lanes: int) -> Counter[str]:
    """Several at once, each with claims of its own; what stops one stops all after the mail that is on its way."""
    stop = Event()
    stoppable = replace(dispatch, is_stopping=lambda: stop.is_set() or dispatch.is_stopping())

    def lane() -> Counter[str]:
        try:
            return _send_in_turn(stoppable, sites)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(n_lanes) as pool:
        lanes = [pool.submit(lane) for _ in range(n_lanes)]
        try:
            return sum((each.result() for each in lanes), Counter())
        finally:
            stop.set()


def _send_in_turn(dispatch: Dispatch, sites: Sites) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for site, batch in _batches(dispatch, sites):
        found = _send_batch(dispatch, batch, site)
        is_unreachable = bool(found[UNREACHABLE])
        found[ReminderState.DEFERRED] += found.pop(UNWELCOME, 0) + found.pop(UNREACHABLE, 0)
        outcomes.update(found)
        if is_unreachable:
            # The others stay planned, and the next look tries one again.
            break
    return outcomes


def _give_up_lost_sendings(dispatch: Dispatch) -> Counter[str]:
    now = dispatch.clock()
    _remember_lost_sendings(dispatch, now)
    with dispatch.database.row_transaction() as rows:
        lost = outbox.give_up_lost_sendings(rows, now=now, next_attempt_at=now + UNKNOWN_RETRY)
        for reminder_id, state in lost.items():
            record(rows, reminder_id, state, now)
    return Counter(lost.values())


def _remember_lost_sendings(dispatch: Dispatch, now: datetime) -> None:
    """Mark those that were handed over all the same: only the journal knows, and it is read only when some are lost."""
    is_lost = (Reminder.state == ReminderState.SENDING, col(Reminder.next_attempt_at) <= now)
    with dispatch.database.reading() as session:
        if session.exec(select(Reminder.id).where(*is_lost).limit(1)).first() is None:
            return
    try:
        with dispatch.database.transaction() as session:
            n_remembered = remember(session, installation(dispatch.settings).journal, now=now)
        if n_remembered:
            logger.warning("Mails that had left and were not marked: %s", n_remembered)
    except OSError:
        # Without it their fate is unknown; everybody else's mail leaves all the same.
        logger.exception("The journal of sent mails cannot be read")


def _batches(dispatch: Dispatch, sites: Sites) -> Iterator[tuple[SiteSettings, list[Claim]]]:
    """Claims in batches, the sites in turn, until nothing is due or the process is told to stop."""
    in_turn = list(sites)
    while not dispatch.is_stopping():
        found = _claim(dispatch, {site_id: sites[site_id] for site_id in in_turn})
        if found is None:
            return
        site_id, batch = found
        in_turn.remove(site_id)
        in_turn.append(site_id)
        yield sites[site_id], batch


def _claim(dispatch: Dispatch, sites: Sites) -> tuple[int, list[Claim]] | None:
    """A batch of the first site that has something due, as large as the limits of the moment allow."""
    return dispatch.do(partial(_claim_in, dispatch=dispatch, sites=sites))


def _claim_in(rows: Connection, *, dispatch: Dispatch, sites: Sites) -> tuple[int, list[Claim]] | None:
    now, most_per_hour = dispatch.clock(), dispatch.settings.mail.most_per_hour
    usual = most_in_trouble(rows, now=now, usual=BATCH_SIZE)
    if not usual:
        return None
    for site_id, limit in shares(rows, site_ids=list(sites), most_per_hour=most_per_hour, now=now, usual=usual):
        batch = _claim_of_site(dispatch, rows, site_id, sites[site_id], limit, now)
        if batch:
            return site_id, batch
    return None


def _claim_of_site(
    dispatch: Dispatch, rows: Rows, site_id: int, site: SiteSettings, limit: int, now: datetime
) -> list[Claim]:
    local, hours = now.astimezone(site.zone), dispatch.settings.sending_hours
    moment = Moment(now, local.date(), hours.admits_first(local), hours.admits_retry(local))
    return outbox.claim_due(rows, site_id=site_id, moment=moment, lease_ends_at=now + LEASE, limit=limit)


def _send_batch(dispatch: Dispatch, batch: list[Claim], site: SiteSettings) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    try:
        make_ready(dispatch, batch, site)
    except Exception:
        # What it was to save is done for each mail by itself, where it can be seen which one is at fault.
        logger.exception("Reminders could not be made ready together")
    for number, claim in enumerate(batch):
        if dispatch.is_stopping() or outcomes[UNWELCOME] or outcomes[UNREACHABLE]:
            # After a refusal for our own sake the limits are asked anew before the next mail.
            dispatch.do(partial(outbox.release, claims=batch[number:], now=dispatch.clock()))
            break
        try:
            outcomes[deliver(dispatch, claim, site)] += 1
        except Exception:
            # Whatever one mail stumbles over, the next patient's is sent; its row is taken up again after the lease.
            logger.exception("Reminder failed: reminder=%s", claim.id)
            outcomes[FAILED] += 1
    return outcomes
