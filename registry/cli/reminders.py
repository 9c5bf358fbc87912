"""`registry reminders`: the outbox, by hand."""

from collections import Counter

import click

from registry.cli.common import opened, site_code, site_row, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.calendar import add_days
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
from registry.services.forecast import Forecast, forecast
from registry.services.outbox import FAILED, Dispatch, send_due_reminders
from registry.storage.models import ReminderState

_TROUBLES = (ReminderState.REJECTED, ReminderState.DEFERRED, ReminderState.UNKNOWN, FAILED)


@click.group("reminders")
def reminders_commands() -> None:
    """Reminders to patients."""


@reminders_commands.command()
@with_settings
def send(settings: Settings) -> None:
    """Send everything that is due now: what the scheduler does every minute, once."""
    keys = load_keys(settings.security.key_file)
    with opened(settings) as database, transport_of(settings.mail) as transport:
        outcomes = send_due_reminders(Dispatch(database, settings, keys, transport, clock_of(settings)))
    click.echo(", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())) or "Nothing is due.")
    if any(outcomes[trouble] for trouble in _TROUBLES):
        raise SystemExit(1)


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
