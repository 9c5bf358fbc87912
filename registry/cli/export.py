"""`registry export`: the rows, for a statistics program."""

from pathlib import Path

import click

from registry.cli.common import opened, progress_bar, site_row, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.actors import command
from registry.security.keys import load_keys
from registry.services.exports import Asked, ExportChoices, Format, Made, Shape, export_folder


@click.command("export")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="A new or empty folder.")
@click.option("--site", help="Only this site's patients.")
@click.option(
    "--shape",
    type=click.Choice([shape.value for shape in Shape]),
    default="both",
    show_default=True,
    help="Of the scores.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice([kind.value for kind in Format]),
    multiple=True,
    default=["csv"],
    show_default=True,
    help="For which program; can be given several times.",
)
@click.option("--with-dates", is_flag=True, help="Also calendar dates. They make patients easier to find out.")
@click.option("--with-study-ids", is_flag=True, help="Also study IDs: the list that leads from a code to a patient.")
@click.option("--with-texts", is_flag=True, help="Also procedures in free words, which may name somebody.")
@with_settings
def export(
    settings: Settings,
    *,
    folder: Path,
    site: str | None,
    shape: str,
    formats: tuple[str, ...],
    with_dates: bool,
    with_study_ids: bool,
    with_texts: bool,
) -> None:
    """Write scores and operations into a folder, pseudonymous unless asked otherwise."""
    choices = ExportChoices(
        shape=Shape(shape),
        formats=frozenset(map(Format, formats)),
        with_dates=with_dates,
        with_study_ids=with_study_ids,
        with_texts=with_texts,
    )
    now = clock_of(settings)()
    of_site = settings.site(site) if site else settings.sites[0]
    with opened(settings) as database, progress_bar("Exporting") as progress:
        asked = Asked(
            settings=settings,
            keys=load_keys(settings.security.key_file),
            choices=choices,
            site=of_site.code if site else None,
            site_id=site_row(database, of_site.code) if site else None,
            today=now.astimezone(of_site.zone).date(),
            now=now,
            progress=progress,
        )
        made = export_folder(database, asked=asked, folder=folder, by=command("export"))
    click.echo(_said(folder, made))


def _said(folder: Path, made: Made) -> str:
    counted = (
        f"{made.tally.n_patients} patients, {made.tally.n_operations} operations, {sum(made.n_rows.values())} rows"
    )
    return f"{folder}: {counted} in {len(made.files) + 1} files; SHA-256 {made.files_sha256}"
