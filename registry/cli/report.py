"""`registry report`: the numbers of a report, for people and for programs."""

import json
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import click

from registry.cli.common import opened, site_row, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.services.reports.cohort import CohortResult, check_definition, cohort_report
from registry.services.reports.cohort_data import as_data
from registry.services.reports.cohort_tables import Table
from registry.services.reports.cohort_words import words_of


@click.group("report")
def report_commands() -> None:
    """Reports."""


@report_commands.command()
@click.option("--item", required=True, help="The item, such as low_back.")
@click.option("--timepoint", required=True, help="The timepoint after the operation, such as M12.")
@click.option("--grouping", required=True, help="By what patients are compared, such as lumbar_disease.")
@click.option("--entry", default=None, help="The least score before, or none. Default: the protocol's.")
@click.option("--site", default=None, help="Only this site's patients.")
@click.option("--format", "form", type=click.Choice(["json", "text"]), default="text", show_default=True)
@with_settings
def cohort(
    settings: Settings,
    *,
    item: str,
    timepoint: str,
    grouping: str,
    entry: str | None,
    site: str | None,
    form: str,
) -> None:
    """Compare the groups on one item at one timepoint."""
    study = settings.protocol
    rule = entry if entry is not None else str(study.entry_rule.at_least)
    definition = check_definition(study, item=item, timepoint=timepoint, grouping=grouping, entry=rule)
    now = clock_of(settings)()
    with opened(settings) as database:
        site_id = site_row(database, settings.site(site).code) if site else None
        with database.snapshot() as session:
            result = cohort_report(
                session,
                definition=definition,
                study=study,
                today=now.astimezone(_zone(settings, site)).date(),
                now=now,
                is_demo=settings.demo.enabled,
                site_id=site_id,
            )
    click.echo(json.dumps(as_data(result), indent=2) if form == "json" else _as_text(result, settings))


def _zone(settings: Settings, code: str | None) -> ZoneInfo:
    """The calendar that tells which forms have closed: the site's, or the first one's over all sites."""
    return settings.site(code).zone if code else settings.sites[0].zone


def _as_text(result: CohortResult, settings: Settings) -> str:
    words = words_of(result, settings.protocol)
    lines = [words.question, words.cohort, "", words.primary, words.primary_detail, "", words.sentence, ""]
    for table in words.tables:
        lines += [*_table_lines(table), ""]
    lines += [*words.warnings, *(f"{name}: {value}" for name, value in words.footer)]
    return "\n".join(lines)


def _table_lines(table: Table) -> Iterator[str]:
    """A table in columns as wide as their widest cell."""
    rows = [("", table.columns), *table.rows]
    widths = [max(len(cells[place]) for _, cells in rows) + 2 for place in range(len(table.columns))]
    first = max(len(name) for name, _ in rows) + 2
    yield table.caption
    for name, cells in rows:
        aligned = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield (name.ljust(first) + "".join(aligned)).rstrip()
    if table.note:
        yield table.note
