"""`registry import` and `registry backup`: rows in, and a copy out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from registry.cli.common import opened, progress_bar, site_code, site_row, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.actors import command
from registry.services.backup import back_up
from registry.services.imports import ImportProblems, ImportResult, import_patients, open_table

_LONGEST_VALUE = 60


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--site", help="The site's code; needed when there are several.")
@with_settings
def import_file(settings: Settings, *, file: Path, site: str | None) -> None:
    """Take in a CSV file of patients and their scores: all of it, or nothing when a row has a problem."""
    code = site_code(settings, site)
    table = open_table(file)
    now = clock_of(settings)()
    with opened(settings) as database, progress_bar("Importing") as progress:
        site_id = site_row(database, code)
        with listing_problems(), database.transaction() as session:
            result = import_patients(
                session,
                file=table,
                site_id=site_id,
                settings=settings,
                today=now.astimezone(settings.site(code).zone).date(),
                now=now,
                by=command("import"),
                progress=progress,
            )
    click.echo(_said(result))


@contextmanager
def listing_problems() -> Iterator[None]:
    """Print every problem of a table, a line each, before the command ends with how many there are."""
    try:
        yield
    except ImportProblems as error:
        for problem in error.problems:
            place = f"row {problem.row}, {problem.column}" if problem.column else f"row {problem.row}"
            value = f"{problem.value[:_LONGEST_VALUE]!r}: " if problem.value else ""
            click.echo(f"{place}: {value}{problem.reason}", err=True)
        raise


def _said(result: ImportResult) -> str:
    parts = [f"{result.n_added} added", f"{result.n_updated} updated", f"{result.n_already_there} already there"]
    said = ", ".join(parts) + "."
    if result.n_dates_without_scores:
        said += f" {result.n_dates_without_scores} days of a form had no score beside them and were passed over."
    return said


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@with_settings
def backup(settings: Settings, *, file: Path) -> None:
    """Make a checked copy of the database while the registry runs (SQLite)."""
    with opened(settings) as database:
        result = back_up(database=database, file=file, now=clock_of(settings)())
    n_rows = sum(result.n_rows.values())
    click.echo(f"{result.file}: {n_rows} rows in {len(result.n_rows)} tables, checked; SHA-256 {result.sha256}")
