"""The cohort report in words: rows of text that a page and a terminal show alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.domain.study import Study
from registry.numbers import number, p_value, percent, share
from registry.services.reports.cohort import CohortResult, GroupResult
from registry.statistics.results import Absent, Comparison, Estimate, Proportion, Reason, Summary

SMALL_GROUP = 20

_REASONS = {
    Reason.NO_ANSWERS: "not computed: nobody has both scores",
    Reason.FEWER_THAN_TWO: "not computed: fewer than 2 patients",
    Reason.FEWER_THAN_FIVE: "not tested: fewer than 5 patients in a group",
    Reason.NO_VARIATION: "not computed: all values are the same",
    Reason.NO_VARIATION_BEFORE: "not computed: all scores before are the same",
    Reason.NO_RESIDUAL_VARIATION: "not computed: the fit leaves no variation",
    Reason.FEWER_THAN_FIVE_CHANGED: "not tested: the score of fewer than 5 patients changed",
    Reason.ZERO_BEFORE: "not computed: nobody had a score above 0 before",
    Reason.NO_OVERLAP: "not computed: every patient of one group did better than every patient of the other",
    Reason.FULL_LEVERAGE: "not computed: a single patient decides it",
    Reason.RANK_DEFICIENT: "not computed: one covariate is constant or follows from the others",
    Reason.NO_WEIGHT: "not computed: no missing score could change it",
    Reason.NO_EVENTS: "not computed: nobody had the event",
    Reason.NOBODY_AT_RISK: "not computed: nobody was observed so long",
    Reason.NO_COMMON_TIME: "not tested: the groups were not observed at the same times",
}


@dataclass(frozen=True)
class CohortWords:
    """The report in words."""

    question: str
    cohort: str
    primary: str
    primary_detail: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    comparisons: Sequence[tuple[str, str, str]]
    warnings: Sequence[str]
    footer: Sequence[tuple[str, str]]


def words_of(result: CohortResult, study: Study) -> CohortWords:
    """Every number of the report as a reader meets it."""
    grouping = next(found for found in study.groupings if found.code == result.definition.grouping)
    labels = [grouping.label(group.group, "en") for group in result.groups]
    return CohortWords(
        question=_question(result, study),
        cohort=_cohort(result, study),
        primary=_primary(result, labels),
        primary_detail=_primary_detail(result),
        columns=labels,
        rows=_rows(result.groups),
        comparisons=_comparisons(result),
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
    ancova = result.ancova
    if isinstance(ancova, Absent):
        return f"The difference between the groups is {_REASONS[ancova.reason]}."
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
    ancova = result.ancova
    if isinstance(ancova, Absent):
        return ""
    return (
        f"ANCOVA of the score after on the score before and the group: t = {number(ancova.test.t, 2)}, "
        f"df = {ancova.test.df:g}, slope {number(ancova.slope, 2)}."
    )


def _rows(groups: Sequence[GroupResult]) -> list[tuple[str, list[str]]]:
    written: dict[str, Callable[[GroupResult], str]] = {
        "Patients": lambda group: str(group.n_enrolled),
        "With both scores": lambda group: percent(group.n_both, group.n_enrolled),
        "Before, mean (SD)": lambda group: _mean_sd(group.before),
        "Before, median": lambda group: _median(group.before),
        "After, mean (SD)": lambda group: _mean_sd(group.after),
        "After, median": lambda group: _median(group.after),
        "Change, mean (SD)": lambda group: _mean_sd(group.change),
        "Change, 95% CI": _change_interval,
        "Change, paired t test": _change_test,
        "30% less pain or better": lambda group: _share(group.responders[30]),
        "50% less pain or better": lambda group: _share(group.responders[50]),
    }
    return [(name, [write(group) for group in groups]) for name, write in written.items()]


def _mean_sd(found: Summary | Absent) -> str:
    if isinstance(found, Absent):
        return "–"
    deviation = "–" if isinstance(found.sd, Absent) else number(found.sd)
    return f"{number(found.mean)} ({deviation})"


def _median(found: Summary | Absent) -> str:
    return "–" if isinstance(found, Absent) else number(found.median)


def _change_interval(group: GroupResult) -> str:
    change = group.mean_change
    if isinstance(change, Absent):
        return _REASONS[change.reason]
    return f"{number(change.estimate.low)} to {number(change.estimate.high)}"


def _change_test(group: GroupResult) -> str:
    change = group.mean_change
    if isinstance(change, Absent):
        return _REASONS[change.reason]
    if isinstance(change.test, Absent):
        return _REASONS[change.test.reason]
    return f"t = {number(change.test.t, 2)}, df = {change.test.df:g}, P {p_value(change.test.p)}"


def _share(found: Proportion | Absent) -> str:
    if isinstance(found, Absent):
        return "–"
    return f"{percent(found.k, found.n)}, 95% CI {share(found.low)} to {share(found.high)}"


def _comparisons(result: CohortResult) -> list[tuple[str, str, str]]:
    return [
        ("Score after, adjusted for the score before (ANCOVA), primary", *_difference(result.ancova)),
        ("Change, without adjustment (Welch), exploratory", *_difference(result.welch_change)),
    ]


def _difference(found: Comparison | Absent) -> tuple[str, str]:
    if isinstance(found, Absent):
        return _REASONS[found.reason], ""
    estimate = found.estimate
    written = f"{number(estimate.value)} (95% CI, {number(estimate.low)} to {number(estimate.high)})"
    return written, f"t = {number(found.test.t, 2)}, df = {number(found.test.df)}, P {p_value(found.test.p)}"


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
