"""The cohort report in words: tables of text that a page and a terminal show alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.domain.study import Study
from registry.journal_styles import Style
from registry.numbers import number, p_value
from registry.services.reports import cells
from registry.services.reports.cohort import CohortResult
from registry.services.reports.cohort_tables import Table, tables_of
from registry.services.reports.result_sentence import result_sentence
from registry.statistics.results import Absent, Estimate

SMALL_GROUP = 20


@dataclass(frozen=True)
class CohortWords:
    """The report in words."""

    question: str
    cohort: str
    primary: str
    primary_detail: str
    sentence: str
    """The result as a paper would say it."""
    tables: Sequence[Table]
    warnings: Sequence[str]
    footer: Sequence[tuple[str, str]]


def words_of(result: CohortResult, study: Study, *, style: Style = Style.AMA) -> CohortWords:
    """Every number of the report as a reader meets it."""
    grouping = next(found for found in study.groupings if found.code == result.definition.grouping)
    labels = [grouping.label(group.group, "en") for group in result.groups]
    return CohortWords(
        question=_question(result, study),
        cohort=_cohort(result, study),
        primary=_primary(result, labels),
        primary_detail=_primary_detail(result),
        sentence=result_sentence(result, study, style=style, language="en"),
        tables=tables_of(result, labels),
        warnings=_warnings(result, labels),
        footer=_footer(result),
    )


def _question(result: CohortResult, study: Study) -> str:
    item = next(found for found in study.items if found.code == result.definition.item).words["en"].name
    timepoint = next(found for found in study.timepoints if found.code == result.definition.timepoint)
    return f"{item.capitalize()} {timepoint.months} months after the operation"


def _cohort(result: CohortResult, study: Study) -> str:
    entry = result.definition.entry
    whom = "every patient operated on" if entry is None else f"patients with a score of {entry} or more before"
    return f"First operation of {whom}; VAS from 0 to 100, higher is worse."


def _primary(result: CohortResult, labels: Sequence[str]) -> str:
    """The difference between the groups with its interval and P, before anything within a group."""
    ancova = result.between.ancova
    if isinstance(ancova, Absent):
        return f"The difference between the groups is {cells.why(ancova)}."
    size, interval = abs(ancova.estimate.value), _interval_of_size(ancova.estimate)
    is_lower = ancova.estimate.value < 0
    return (
        f"{labels[0]}, the score after was {number(size)} points {'lower' if is_lower else 'higher'} "
        f"than {labels[1][0].lower()}{labels[1][1:]}, at the same score before "
        f"(95% CI, {interval}; P {p_value(ancova.test.p)})."
    )


def _interval_of_size(estimate: Estimate) -> str:
    """The interval in the direction of the sentence, so that no reader meets a double negative."""
    if estimate.value < 0:
        return f"{number(-estimate.high)} to {number(-estimate.low)}"
    return f"{number(estimate.low)} to {number(estimate.high)}"


def _primary_detail(result: CohortResult) -> str:
    ancova = result.between.ancova
    if isinstance(ancova, Absent):
        return ""
    return (
        f"ANCOVA of the score after on the score before and the group: t = {number(ancova.test.t, 2)}, "
        f"df = {ancova.test.df:g}, slope {number(ancova.slope, 2)}, R\N{SUPERSCRIPT TWO} {number(ancova.r_squared, 2)}."
    )


def _warnings(result: CohortResult, labels: Sequence[str]) -> list[str]:
    small = [
        f"{label}: only {group.n_both} patients have both scores; read the interval, not the P value."
        for group, label in zip(result.groups, labels, strict=True)
        if group.group in result.manifest.compared and 0 < group.n_both < SMALL_GROUP
    ]
    return small + _unreviewed(result.n_unreviewed)


def _unreviewed(n_forms: int) -> list[str]:
    if n_forms == 0:
        return []
    forms = "1 form" if n_forms == 1 else f"{n_forms} forms"
    return [f"{forms} of these patients may have been filled in by a program; nobody has looked at the answers yet."]


def _footer(result: CohortResult) -> list[tuple[str, str]]:
    manifest = result.manifest
    first, second = manifest.compared
    return [
        ("Cut-off", manifest.cut_off.strftime("%Y-%m-%d %H:%M UTC")),
        ("Data (SHA-256)", manifest.data_sha256[:12]),
        ("Instrument", manifest.instrument),
        ("Differences", f"{first} minus {second}; negative means less pain in the first group"),
        ("Registry", f"version {manifest.version}{', DEMO data' if manifest.is_demo else ''}"),
    ]
