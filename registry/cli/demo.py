"""`registry demo`: a simulated cohort to look around in."""

import click

from registry.cli.common import opened, progress_bar, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.actors import command
from registry.services.demo import load_demo
from registry.storage.database import Database
from registry.storage.enrolments import has_patients


@click.command("demo")
@with_settings
def demo_command(settings: Settings) -> None:
    """Load the demo registry into an empty database."""
    with opened(settings) as database:
        _load(settings, database)


def load_demo_if_empty(settings: Settings) -> None:
    """Load the demo registry unless there are patients already."""
    with opened(settings) as database:
        with database.reading() as session:
            if has_patients(session):
                return
        _load(settings, database)


def _load(settings: Settings, database: Database) -> None:
    with progress_bar("Loading the demo registry") as progress, database.transaction() as session:
        loaded = load_demo(session, settings=settings, now=clock_of(settings)(), by=command("demo"), progress=progress)
    click.echo(f"{loaded.n_patients} simulated patients are loaded.")
