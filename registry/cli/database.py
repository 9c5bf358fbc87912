"""`registry database`: the schema."""

import click

from registry.cli.common import reachable, with_settings
from registry.config import Settings
from registry.security.keys import load_keys
from registry.services.sites import ensure_sites
from registry.storage.migrating import upgrade as upgrade_schema


@click.group("database")
def database_commands() -> None:
    """The database's schema."""


@database_commands.command()
@with_settings
def upgrade(settings: Settings) -> None:
    """Bring the database to the schema of this version."""
    bring_up_to_date(settings)
    click.echo("The database is up to date.")


def bring_up_to_date(settings: Settings) -> None:
    """Apply migrations, add a row for each configured site, and make the key file if there is none."""
    load_keys(settings.security.key_file)
    with reachable(settings) as found:
        upgrade_schema(found)
        with found.transaction() as session:
            ensure_sites(session, sites=settings.sites)
