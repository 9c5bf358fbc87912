"""`registry reminders`: the outbox, by hand."""

import click

from registry.cli.common import opened, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
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
