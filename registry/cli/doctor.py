"""`registry doctor`: whether the registry works, as one line for each thing that does not."""

import click

from registry.cli.common import opened, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.services.health import SAID, health_of
from registry.storage.score_triggers import missing_triggers


@click.command()
@with_settings
def doctor(settings: Settings) -> None:
    """Say what is wrong, and end with status 1 if anything is."""
    with opened(settings) as database, database.reading() as session:
        health = health_of(session, now=clock_of(settings)())
        missing = missing_triggers(session)
    for alarm in health.alarms:
        click.echo(SAID[alarm])
    if missing:
        click.echo(
            f"Reports may be wrong, for triggers are missing ({', '.join(missing)}): `registry database upgrade`."
        )
    if health.beat_at is not None:
        click.echo(f"The scheduler gave its last sign at {health.beat_at:%Y-%m-%d %H:%M:%S} UTC.")
    if health.alarms or missing:
        raise SystemExit(1)
    click.echo("Nothing is wrong.")
