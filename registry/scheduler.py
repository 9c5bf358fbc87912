"""The scheduler: a clock that calls the services once a minute; what is due stands in the database."""

import logging
import signal
from datetime import UTC
from threading import Event
from types import FrameType

from apscheduler.schedulers.blocking import BlockingScheduler

from registry.clock import Clock, machine_time
from registry.config import Settings
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
from registry.services.health import beat
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database

logger = logging.getLogger(__name__)

TICK_SECONDS = 60


def run_scheduler(settings: Settings, *, clock: Clock) -> None:
    """Send what is due now and every minute from now on, and give a sign of life, until told to stop."""
    database = Database(settings.database.url)
    keys = load_keys(settings.security.key_file)

    stopping = Event()

    def dispatch() -> None:
        with transport_of(settings.mail) as transport:
            outcomes = send_due_reminders(Dispatch(database, settings, keys, transport, clock, stopping.is_set))
        if outcomes:
            logger.info("Reminders: %s", ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())))

    def give_sign() -> None:
        with database.transaction() as session:
            alarms = beat(session, now=clock())
        if alarms:
            logger.warning("Something is wrong: %s", ", ".join(alarms))

    # Late or missed ticks do no harm: whatever is due is found at the next one, so none is dropped and none doubled.
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler = BlockingScheduler(timezone=UTC, job_defaults=defaults)
    at_once = machine_time()
    scheduler.add_job(dispatch, "interval", seconds=TICK_SECONDS, next_run_time=at_once, id="dispatch reminders")
    # On its own, for a mail may wait ten minutes for its server.
    scheduler.add_job(give_sign, "interval", seconds=TICK_SECONDS, next_run_time=at_once, id="give a sign of life")
    _stop_on_signals(scheduler, stopping)
    scheduler.start()


def _stop_on_signals(scheduler: BlockingScheduler, stopping: Event) -> None:
    """Finish the mail that is on its way, give the others back, and end."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()
        scheduler.shutdown(wait=False)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
