"""`registry bounces`: mails that came back, by hand."""

import click

from registry.cli.common import opened, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.actors import command
from registry.mail.return_box import box_of
from registry.security.keys import load_keys
from registry.services.bounces import Outcome, Reading, read_bounces


@click.group("bounces")
def bounces_commands() -> None:
    """Mails that came back."""


@bounces_commands.command()
@with_settings
def read(settings: Settings) -> None:
    """Read what came back: what the scheduler does every five minutes, once."""
    keys = load_keys(settings.security.key_file)
    box = box_of(settings.bounces)
    with opened(settings) as database:
        reading = Reading(database, settings, keys, box, clock_of(settings), command("bounces read"))
        outcomes = read_bounces(reading)
    click.echo(", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())) or "Nothing came back.")
    if outcomes[Outcome.ERROR]:
        raise SystemExit(1)
