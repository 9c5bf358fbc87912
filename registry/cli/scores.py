"""`registry scores`: the rows that reports count, made anew or compared with the answers."""

from datetime import date

import click

from registry.cli.common import opened, progress_bar, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.services.score_upkeep import check_scores, rebuild_scores


@click.group("scores")
def scores_commands() -> None:
    """The scores as rows, from which reports count."""


@scores_commands.command()
@with_settings
def rebuild(settings: Settings) -> None:
    """Make all of them anew from the answers, while the registry runs."""
    with opened(settings) as database, progress_bar("Rebuilding") as progress:
        n_patients = rebuild_scores(database, today=_today(settings), progress=progress)
    click.echo(f"The scores of {n_patients} patients were made anew.")


@scores_commands.command()
@with_settings
def check(settings: Settings) -> None:
    """Compare all of them with the answers, and end with status 1 if any is not what they say."""
    with opened(settings) as database, progress_bar("Checking") as progress:
        result = check_scores(database, today=_today(settings), progress=progress)
    click.echo(f"{result.n_patients} patients, of whom {result.n_waiting} wait to be brought up to date.")
    if result.wrong:
        n_wrong = len({wrong.operation_id for wrong in result.wrong})
        click.echo(f"The kept scores of {n_wrong} operations are not what the answers say: `registry scores rebuild`.")
        raise SystemExit(1)
    click.echo("The kept scores are what the answers say.")


def _today(settings: Settings) -> date:
    """The day at the first site: whichever it is, a report of another day is exact as well."""
    return clock_of(settings)().astimezone(settings.sites[0].zone).date()
