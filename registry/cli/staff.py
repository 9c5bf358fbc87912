"""`registry staff`: accounts."""

import click

from registry.cli.common import opened, site_code, site_row, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.actors import command
from registry.domain.vocabularies import StaffRole
from registry.services.accounts import add_staff


@click.group("staff")
def staff_commands() -> None:
    """Accounts of staff."""


@staff_commands.command()
@click.argument("name")
@click.option("--display-name", help="How pages and records name the person. Default: NAME.")
@click.option("--site", help="The site's code; needed when there are several.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in StaffRole]),
    default=StaffRole.COORDINATOR.value,
    show_default=True,
)
@click.password_option(envvar="REGISTRY_STAFF_PASSWORD", help="Asked for when not given.")
@with_settings
def add(settings: Settings, *, name: str, display_name: str | None, site: str | None, role: str, password: str) -> None:
    """Give a person an account under the sign-in name NAME."""
    code = site_code(settings, site)
    with opened(settings) as database:
        site_id = site_row(database, code)
        with database.transaction() as session:
            add_staff(
                session,
                site_id=site_id,
                sign_in_name=name,
                display_name=display_name or name,
                password=password,
                role=StaffRole(role),
                by=command("staff add"),
                now=clock_of(settings)(),
            )
    click.echo(f"{name} can sign in at site {code}.")
