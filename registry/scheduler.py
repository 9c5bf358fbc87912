"""The scheduler: a clock that calls the services once a minute; what is due stands in the database."""

import logging
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, timedelta
from threading import Event
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler

from registry.clock import Clock, machine_time, steady_seconds
from registry.config import Settings
from registry.domain.actors import SCHEDULER
from registry.domain.sending_guard import Hold, is_ahead
from registry.mail.return_box import BoxUnreadable, box_of
from registry.mail.self_test import refuse_unsafe_mails
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
from registry.services.bounces import Reading, read_bounces
from registry.services.digest import Digesting, send_digests
from registry.services.health import beat, note_reading
from registry.services.outbox import Dispatch, send_due_reminders
from registry.services.ping import ping
from registry.services.score_upkeep import refresh_scores
from registry.services.sender import hold_back, hold_of, installation, take_up
from registry.storage.database import Database

logger = logging.getLogger(__name__)

TICK_SECONDS = 60
READ_SECONDS = 300
REFRESH_SECONDS = 300
# A little after the sign of life that it tells of.
PING_AFTER = timedelta(seconds=5)


class _StopSignals:
    """Whether a signal said to stop; a second one while the first is being obeyed changes nothing."""

    def __init__(self) -> None:
        self._is_told = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._tell)

    def _tell(self, _signal: int, _frame: FrameType | None) -> None:
        # No more than this: a handler that takes a lock can meet itself, and the scheduler refuses to be stopped twice.
        self._is_told = True

    def __call__(self) -> bool:
        return self._is_told

    def end(self) -> None:
        """All is done: a signal that comes while Python clears up must not make a failure of it."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_IGN)

    def wait(self) -> None:
        """Return once a signal came."""
        while not self._is_told:
            time.sleep(0.2)


def run_scheduler(settings: Settings, *, clock: Clock) -> None:
    """Send what is due now and every minute from now on, and give a sign of life, until told to stop."""
    refuse_unsafe_mails()
    is_stopping = _StopSignals()
    scheduler = _scheduler_of(_Work(settings, clock, is_stopping))
    scheduler.start()
    is_stopping.wait()
    # The mail that is on its way is finished first; the others are given back.
    scheduler.shutdown(wait=True)
    is_stopping.end()


def _scheduler_of(work: "_Work") -> BackgroundScheduler:
    # Late or missed ticks do no harm: whatever is due is found at the next one, so none is dropped and none doubled.
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler = BackgroundScheduler(timezone=UTC, job_defaults=defaults)
    at_once = machine_time()
    scheduler.add_job(work.dispatch, "interval", seconds=TICK_SECONDS, next_run_time=at_once, id="dispatch reminders")
    # On its own, for a mail may wait ten minutes for its server.
    scheduler.add_job(work.give_sign, "interval", seconds=TICK_SECONDS, next_run_time=at_once, id="give a sign of life")
    scheduler.add_job(work.refresh, "interval", seconds=REFRESH_SECONDS, next_run_time=at_once, id="refresh scores")
    if work.settings.bounces.are_read:
        scheduler.add_job(work.read, "interval", seconds=READ_SECONDS, next_run_time=at_once, id="read bounces")
    else:
        scheduler.add_job(work.forget_reading, id="forget bounces")
    # Each on its own as well: neither a slow mail server nor a slow service outside keeps a patient's mail waiting.
    if work.settings.digest.to:
        scheduler.add_job(work.digest, "interval", seconds=TICK_SECONDS, next_run_time=at_once, id="send digests")
    if work.settings.health.ping_url:
        soon = at_once + PING_AFTER
        scheduler.add_job(work.ping, "interval", seconds=TICK_SECONDS, next_run_time=soon, id="ping")
    return scheduler


class _Work:
    """What a scheduler does again and again."""

    def __init__(self, settings: Settings, clock: Clock, is_stopping: Callable[[], bool]) -> None:
        self.settings, self._clock, self._is_stopping = settings, clock, is_stopping
        self._database = Database(settings.database.url)
        self._keys = load_keys(settings.security.key_file)
        self._guard = _Guard(self._database, settings, clock)
        self._is_well = Event()

    def dispatch(self) -> None:
        """Send what is due, if anything may leave."""
        if self._guard.hold() is not None:
            return
        with transport_of(self.settings.mail) as transport:
            basis = (self._database, self.settings, self._keys, transport, self._clock, self._is_stopping)
            outcomes = send_due_reminders(Dispatch(*basis, keep=self._guard.own.keep))
        if outcomes:
            logger.info("Reminders: %s", _counted(outcomes))

    def give_sign(self) -> None:
        """Write down that the scheduler lives, and what is wrong."""
        hold = self._guard.hold()
        with self._database.transaction() as session:
            alarms = beat(session, now=self._clock(), hold=hold)
        if alarms:
            self._is_well.clear()
            logger.warning("Something is wrong: %s", ", ".join(alarms))
        else:
            self._is_well.set()

    def ping(self) -> None:
        """Tell the service outside of a sign of life without alarms, once; it notices when none comes."""
        if self._is_well.is_set():
            self._is_well.clear()
            ping(self.settings.health.ping_url)

    def digest(self) -> None:
        """Tell staff what is to be done, if anything may leave."""
        if self._guard.hold() is not None:
            return
        with transport_of(self.settings.mail) as transport:
            outcomes = send_digests(Digesting(self._database, self.settings, transport, self._clock))
        if outcomes:
            logger.info("Digests: %s", _counted(outcomes))

    def read(self) -> None:
        """Read what came back."""
        box = box_of(self.settings.bounces)
        _read_returned(
            Reading(self._database, self.settings, self._keys, box, self._clock, SCHEDULER, self._is_stopping)
        )

    def refresh(self) -> None:
        """Bring the rows that reports count up to date; until then reports join the answers of who has changed."""
        today = self._clock().astimezone(self.settings.sites[0].zone).date()
        if n_patients := refresh_scores(self._database, today=today, is_stopping=self._is_stopping):
            logger.info("Scores: %s patients brought up to date", n_patients)

    def forget_reading(self) -> None:
        """What could not be read once is nobody's alarm where nothing is read any longer."""
        with self._database.transaction() as session:
            note_reading(session, has_worked=True, now=self._clock())


class _Guard:
    """Whether mails may leave: asked before each look, for a clock may be set at any moment."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self.own = installation(settings)
        self._database, self._clock, self._is_demo = database, clock, settings.demo.enabled
        self._seen = (clock(), steady_seconds())
        with database.transaction() as session:
            n_remembered = take_up(session, self.own, now=clock())
        if n_remembered:
            logger.warning("Mails that the database had forgotten: %s", n_remembered)

    def hold(self) -> Hold | None:
        """Why nothing may leave now, if so."""
        now, steady = self._clock(), steady_seconds()
        wall, other = now - self._seen[0], timedelta(seconds=steady - self._seen[1])
        self._seen = (now, steady)
        if is_ahead(by_wall=wall, by_other=other):
            with self._database.transaction() as session:
                hold_back(session, reason=Hold.CLOCK_AHEAD, by=SCHEDULER, now=now)
        with self._database.reading() as session:
            return hold_of(session, instance=self.own.instance, now=now, is_demo=self._is_demo)


def _read_returned(reading: Reading) -> None:
    try:
        outcomes = read_bounces(reading)
    except BoxUnreadable as error:
        logger.warning("Returned mails cannot be read: %s", error)
        return
    if outcomes:
        logger.info("Returned mails: %s", _counted(outcomes))


def _counted(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
