"""The digest to staff on working days: claimed as a row, sent outside every transaction, marked by who holds the claim.

One row for each site and day makes it go out once, however many schedulers there are. What could not be sent is tried
again the same morning, up to four times in all; an attempt whose process died is taken up after its lease. A copy that
a server may have taken is not sent again. At noon whatever is still open is given up, and the log says so.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from registry.clock import Clock
from registry.config import Settings, SiteSettings
from registry.domain.digest import LEASE, MOST_ATTEMPTS, DigestCounts, is_digest_time, wait_after
from registry.mail.digest import DigestSection, DigestWords, written_digest
from registry.mail.transport import MailFailure, OutcomeUnknown, Refused, Transport
from registry.mail.writing import UnsafeHeader
from registry.services.bounced_addresses import bounced_addresses
from registry.services.consent_review import n_decisions_to_review
from registry.services.review import n_answers_to_review
from registry.services.work_list import MOST_ROWS, Section, work_list
from registry.storage.database import Database, Session
from registry.storage.models import Digest, DigestState, Site
from registry.storage.models.base import table_of

logger = logging.getLogger(__name__)

_digest = table_of(Digest).c
_OPEN = (DigestState.CLAIMED, DigestState.PUT_OFF)


@dataclass(frozen=True)
class Digesting:
    """What digests are sent with."""

    database: Database
    settings: Settings
    transport: Transport
    clock: Clock


@dataclass(frozen=True)
class _Claim:
    """A digest that this process may send while nobody has claimed it anew."""

    id: int
    n_attempts: int
    settled: tuple[str, ...] = ()


def send_digests(digesting: Digesting) -> Counter[str]:
    """Send the digest of each site whose time has come and which has not had today's; count what became of them."""
    outcomes: Counter[str] = Counter()
    with digesting.database.reading() as session:
        sites = {row.id: row.code for row in session.execute(select(Site)).scalars()}
    for site_id, code in sites.items():
        try:
            outcomes.update(_of_site(digesting, site_id, digesting.settings.site(code)))
        except Exception:
            # Whatever one site's digest stumbles over, the next site has its own.
            logger.exception("Digest failed: site=%s", code)
    return outcomes


def _of_site(digesting: Digesting, site_id: int, site: SiteSettings) -> Iterator[str]:
    now = digesting.clock()
    local = now.astimezone(site.zone)
    is_time = is_digest_time(local, at=digesting.settings.digest.at)
    yield from _give_up(digesting, site_id, site, before=local.date(), or_today=not is_time)
    if is_time and (claim := _claim(digesting.database, site_id, local.date(), now)):
        yield _send(digesting, claim, site_id, site)


def _give_up(digesting: Digesting, site_id: int, site: SiteSettings, *, before: date, or_today: bool) -> Iterator[str]:
    """End what was not sent in its morning, unless a process may still be at it."""
    now = digesting.clock()
    is_past = _digest.day <= before if or_today else _digest.day < before
    open_ones = (_digest.site_id == site_id, _digest.state.in_(_OPEN), is_past, _digest.next_attempt_at <= now)
    with digesting.database.reading() as session:
        if session.execute(select(_digest.id).where(*open_ones)).first() is None:
            return
    with digesting.database.transaction() as session:
        values = {"state": DigestState.GIVEN_UP, "next_attempt_at": None}
        days = session.execute(update(Digest).where(*open_ones).values(**values).returning(_digest.day)).scalars().all()
    for day in days:
        logger.warning("Digest given up: site=%s day=%s", site.code, day)
        yield DigestState.GIVEN_UP


def _claim(database: Database, site_id: int, day: date, now: datetime) -> _Claim | None:
    """Claim the digest of a day, committed before anything is sent; None when it is done, or another process's."""
    of_day = (_digest.site_id == site_id, _digest.day == day)
    with database.reading() as session:
        row = session.execute(select(_digest.state, _digest.next_attempt_at).where(*of_day)).first()
    if row is None:
        return _first_claim(database, site_id, day, now)
    if row.state not in _OPEN or row.next_attempt_at > now:
        return None
    # An attempt whose process died counts as well: what kills one kills the next.
    waiting = (*of_day, _digest.state.in_(_OPEN), _digest.next_attempt_at <= now, _digest.n_attempts < MOST_ATTEMPTS)
    again = {"state": DigestState.CLAIMED, "n_attempts": _digest.n_attempts + 1, "next_attempt_at": now + LEASE}
    columns = (_digest.id, _digest.n_attempts, _digest.settled)
    with database.transaction() as session:
        found = session.execute(update(Digest).where(*waiting).values(**again).returning(*columns)).first()
    return _Claim(found.id, found.n_attempts, tuple(found.settled)) if found else None


def _first_claim(database: Database, site_id: int, day: date, now: datetime) -> _Claim | None:
    row = {"site_id": site_id, "day": day, "state": DigestState.CLAIMED, "n_attempts": 1, "settled": []}
    statement = insert(Digest).values(**row, next_attempt_at=now + LEASE).returning(_digest.id)
    try:
        with database.transaction() as session:
            return _Claim(session.execute(statement).scalar_one(), 1)
    except IntegrityError:
        return None


def _send(digesting: Digesting, claim: _Claim, site_id: int, site: SiteSettings) -> str:
    now = digesting.clock()
    with digesting.database.reading() as session:
        words = _words(session, digesting.settings, site_id, site, now.astimezone(site.zone).date())
    if words.counts.is_empty:
        return _mark(digesting, claim, DigestState.EMPTY)
    settled, is_put_off = list(claim.settled), False
    for recipient in digesting.settings.digest.to:
        if recipient in settled:
            continue
        if _hand_over(digesting, words, recipient, now):
            settled.append(recipient)
        else:
            is_put_off = True
        # At once, so that a process that dies afterwards sends nobody a second copy; and a slow server costs no claim.
        if not _write(digesting.database, claim, settled=settled, next_attempt_at=digesting.clock() + LEASE):
            return "lost_claim"
    return _put_off(digesting, claim, site) if is_put_off else _mark(digesting, claim, DigestState.SENT)


def _hand_over(digesting: Digesting, words: DigestWords, recipient: str, now: datetime) -> bool:
    """Send one copy; False when it may be tried again."""
    settings = digesting.settings.mail
    place = f"{words.site_code} {words.day} {recipient}"
    # The same at each attempt, so that a second copy after a crash can be recognised.
    name = hashlib.sha256(place.encode()).hexdigest()[:20]
    message_id = f"<digest.{name}@{settings.sender.rpartition('@')[2]}>"
    try:
        mail = written_digest(words, recipient=recipient, settings=settings, message_id=message_id, now=now)
        digesting.transport.send(mail, recipient=recipient, sender=settings.sender)
    except (Refused, OutcomeUnknown, UnsafeHeader) as failure:
        logger.warning("Digest not tried again: site=%s %s", words.site_code, type(failure).__name__)
    except MailFailure as failure:
        logger.warning("Digest put off: site=%s %s", words.site_code, type(failure).__name__)
        return False
    return True


def _put_off(digesting: Digesting, claim: _Claim, site: SiteSettings) -> str:
    wait = wait_after(claim.n_attempts)
    if wait is None:
        logger.warning("Digest given up: site=%s after %s attempts", site.code, claim.n_attempts)
        return _mark(digesting, claim, DigestState.GIVEN_UP)
    return _mark(digesting, claim, DigestState.PUT_OFF, next_attempt_at=digesting.clock() + wait)


def _mark(digesting: Digesting, claim: _Claim, state: DigestState, *, next_attempt_at: datetime | None = None) -> str:
    is_held = _write(digesting.database, claim, state=state, next_attempt_at=next_attempt_at)
    return state if is_held else "lost_claim"


def _write(database: Database, claim: _Claim, **values: object) -> bool:
    held = (_digest.id == claim.id, _digest.n_attempts == claim.n_attempts, _digest.state == DigestState.CLAIMED)
    with database.transaction() as session:
        return session.execute(update(Digest).where(*held).values(**values).returning(_digest.id)).first() is not None


def _words(session: Session, settings: Settings, site_id: int, site: SiteSettings, day: date) -> DigestWords:
    """What staff of a site have to do, by study ID."""
    work = work_list(session, site_id=site_id, study=settings.protocol, zone=site.zone, today=day)
    returned = [found.study_id for found in bounced_addresses(session, site_id=site_id)]
    n_reviews = n_answers_to_review(session, site_id=site_id) + n_decisions_to_review(session, site_id=site_id)
    counts = DigestCounts(work.at_risk.n_rows, work.calls.n_rows, work.letters.n_rows, len(returned), n_reviews)
    base = settings.base_url
    sections = (
        _section("Baseline at risk", work.at_risk, f"{base}/today#at-risk"),
        _section("Call today", work.calls, f"{base}/phone-queue"),
        _section("Letters to send", work.letters, f"{base}/today#letters"),
        DigestSection("Returned mails", len(returned), returned[:MOST_ROWS], f"{base}/bounced"),
        DigestSection("Answers to review", n_reviews, (), f"{base}/answers-to-review"),
        _section("Due in the next 7 days, nothing to do yet", work.due_soon, f"{base}/today#due-soon"),
    )
    return DigestWords(site.code, day, counts, sections, f"{base}/today", settings.demo.enabled)


def _section(title: str, found: Section, url: str) -> DigestSection:
    rows = [f"{task.patient.study_id}  {task.follow_up.timepoint}, due {task.follow_up.due_on}" for task in found.rows]
    return DigestSection(title, found.n_rows, rows, url)
