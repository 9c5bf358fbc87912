"""The scheduler: a clock that calls the services once a minute; what is due stands in the database."""

import logging
import signal
import time
from datetime import UTC
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler

from registry.clock import Clock, machine_time
from registry.config import Settings
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
from registry.services.health import beat
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database

logger = logging.getLogger(__name__)

TICK_SECONDS = 60


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

    def wait(self) -> None:
        """Return once a signal came."""
        while not self._is_told:
            time.sleep(0.2)


def run_scheduler(settings: Settings, *, clock: Clock) -> None:
    """Send what is due now and every minute from now on, and give a sign of life, until told to stop."""
    is_stopping = _StopSignals()
    database = Database(settings.database.url)
    keys = load_keys(settings.security.key_file)

    def dispatch() -> None:
        with transport_of(settings.mail) as transport:
            outcomes = send_due_reminders(Dispatch(database, settings, keys, transport, clock, is_stopping))
        if outcomes:
            logger.info("Reminders: %s", ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())))

    def give_sign() -> None:
        with database.transaction() as session:
            alarms = beat(session, now=clock())
        if alarms:
            logger.warning("Something is wrong: %s", ", ".join(alarms))

    # Late or missed ticks do no harm: whatever is due is found at the next one, so none is dropped and none doubled.
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler = BackgroundScheduler(timezone=UTC, job_defaults=defaults)
    at_once = machine_time()
    scheduler.add_job(dispatch, "interval", seconds=TICK_SECONDS, next_run_time=at_once, id="dispatch reminders")
    # On its own, for a mail may wait ten minutes for its server.
    scheduler.add_job(give_sign, "interval", seconds=TICK_SECONDS, next_run_time=at_once, id="give a sign of life")
    scheduler.start()
    is_stopping.wait()
    # The mail that is on its way is finished first; the others are given back.
    scheduler.shutdown(wait=True)
