"""`registry reminders`: the outbox, by hand."""

from collections import Counter

import click

from registry.cli.common import opened, site_code, site_row, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.actors import command
from registry.domain.calendar import add_days
from registry.domain.errors import RegistryError
from registry.domain.sending_guard import Hold
from registry.mail.self_test import refuse_unsafe_mails
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
from registry.services.forecast import Forecast, forecast
from registry.services.outbox import FAILED, Dispatch, send_due_reminders
from registry.services.sender import hold_of, installation, remember, take_up
from registry.services.sender import resume as resume_sending
from registry.storage.models import ReminderState

_TROUBLES = (ReminderState.REJECTED, ReminderState.DEFERRED, ReminderState.UNKNOWN, FAILED)


_WHY = {
    Hold.ELSEWHERE: "this database was served by another installation, of which this may be a copy",
    Hold.CLOCK_AHEAD: "the clock went ahead by more than a day",
    Hold.CLOCK_BEHIND: "the clock is behind the scheduler's last sign of life",
}


class SendingHeld(RegistryError):
    """Mails are due, and none may leave."""


@click.group("reminders")
def reminders_commands() -> None:
    """Reminders to patients."""


@reminders_commands.command()
@with_settings
def send(settings: Settings) -> None:
    """Send everything that is due now: what the scheduler does every minute, once."""
    refuse_unsafe_mails()
    keys, clock, own = load_keys(settings.security.key_file), clock_of(settings), installation(settings)
    with opened(settings) as database, transport_of(settings.mail) as transport:
        with database.transaction() as session:
            take_up(session, own, now=clock())
            hold = hold_of(session, instance=own.instance, now=clock(), is_demo=settings.demo.enabled)
        if hold is not None:
            raise SendingHeld(f"no mail leaves: {_WHY[hold]}; `registry reminders resume` lets them go")
        outcomes = send_due_reminders(Dispatch(database, settings, keys, transport, clock, keep=own.keep))
    click.echo(", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())) or "Nothing is due.")
    if any(outcomes[trouble] for trouble in _TROUBLES):
        raise SystemExit(1)


@reminders_commands.command()
@with_settings
def resume(settings: Settings) -> None:
    """Say that this installation is the one that sends, and that its clock is right."""
    own, now = installation(settings), clock_of(settings)()
    with opened(settings) as database, database.transaction() as session:
        n_remembered = remember(session, own.journal, now=now)
        resume_sending(session, instance=own.instance, by=command("reminders resume"), now=now)
    click.echo(f"Mails leave again; {n_remembered} that had left already were marked as sent.")


@reminders_commands.command()
@click.option("--days", type=click.IntRange(1, 3660), default=60, show_default=True, help="How far to look ahead.")
@click.option("--site", help="The code of the site, where there are several.")
@with_settings
def plan(settings: Settings, *, days: int, site: str | None) -> None:
    """Print what would go out in the coming days, and send nothing."""
    code = site_code(settings, site)
    today = clock_of(settings)().astimezone(settings.site(code).zone).date()
    counted: Counter[str] = Counter()
    with opened(settings) as database:
        site_id = site_row(database, code)
        with database.reading() as session:
            hours = settings.sending_hours
            for mail in forecast(session, site_id=site_id, hours=hours, today=today, days=days):
                click.echo(_line(mail))
                counted["not sent" if mail.reason else "sent"] += 1
    click.echo(f"Until {add_days(today, days)}: {counted['sent']} mails to send, {counted['not sent']} not.")


def _line(mail: Forecast) -> str:
    what = f"{mail.leaves_on} {mail.leaves_on:%a}  {mail.study_id}  {mail.timepoint}  mail {mail.rung + 1}"
    return what if mail.reason is None else f"{what}  not sent: {mail.reason.replace('_', ' ')}"
