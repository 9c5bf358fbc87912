"""The tables of the cohort report: the groups beside each other, within each, responders, and what may be missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.numbers import number, p_value
from registry.services.reports import cells
from registry.services.reports.cohort import CohortResult
from registry.services.reports.cohort_blocks import Between, GroupResult
from registry.statistics.missing import MissingGroup
from registry.statistics.response import Definition, Missing, Points, Reached, Relief, Response
from registry.statistics.results import Absent, Proportion
from registry.statistics.risks import RiskComparison


@dataclass(frozen=True)
class Table:
    """A table of the report: what it says, its columns, and a row of cells under each name."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    note: str = ""


def tables_of(result: CohortResult, labels: Sequence[str]) -> list[Table]:
    """The groups beside each other first: two tests within groups compare nothing."""
    tables = [_between_table(result), _within_table(result, labels), _responders_table(result, labels)]
    if result.definition.entry is not None:
        tables.append(_selection_table(result, labels))
    return [*tables, _missing_table(result, labels)]


def _between_table(result: CohortResult) -> Table:
    found = result.between
    ranks = found.change_ranks
    shift = (cells.why(ranks), "") if isinstance(ranks, Absent) else (cells.with_interval(ranks.shift), "")
    tested = "" if isinstance(ranks, Absent) else cells.rank_test(ranks.test, "U")
    rows = [
        ("Score after, adjusted for the score before (ANCOVA), primary", cells.difference(found.ancova)),
        ("The same with HC3 standard errors, exploratory", cells.difference(found.ancova_robust)),
        ("Change, without adjustment (Welch), exploratory", cells.difference(found.welch_change)),
        ("Score after, without adjustment (Welch), exploratory", cells.difference(found.welch_after)),
        ("Shift of the change (Hodges-Lehmann), exploratory", (shift[0], tested)),
        ("Chance that a patient of the first group improved more, exploratory", (_superiority(found), "")),
        ("Hedges g of the change, exploratory", (cells.with_interval(found.hedges_g, 2), "")),
        ("Slope of after on before, first minus second group, exploratory", _slopes(found)),
    ]
    if result.all_comers is not None:
        rows.append(("All-comers, adjusted for the score before (ANCOVA)", cells.difference(result.all_comers)))
    return Table(
        caption="Between the groups: differences are the first group minus the second; "
        "negative means a lower score, or a larger fall, in the first",
        columns=["Difference", "Test"],
        rows=rows,
        note=_precision(found),
    )


def _superiority(found: Between) -> str:
    ranks = found.change_ranks
    if isinstance(ranks, Absent):
        return cells.why(ranks)
    likely = ranks.superiority
    return number(likely.value, 2) if isinstance(likely.interval, Absent) else cells.with_interval(likely.interval, 2)


def _slopes(found: Between) -> tuple[str, str]:
    slopes = found.ancova_interaction
    if isinstance(slopes, Absent):
        return cells.why(slopes), ""
    return cells.with_interval(slopes.estimate, 2), cells.t_test(slopes.test)


def _precision(found: Between) -> str:
    if isinstance(found.precision, Absent):
        return ""
    known = found.precision
    reached = f"The interval of the primary difference reaches {number(known.half_width)} points to either side; "
    power = f"the power to find {known.important_difference:g} points is {number(100 * known.power, 0)}%. "
    if known.more_per_group == 0:
        return f"{reached}{power}"
    return f"{reached}{power}{known.more_per_group} more answers in each group would give {known.wanted_half_width:g}."


def _within_table(result: CohortResult, labels: Sequence[str]) -> Table:
    written: dict[str, Callable[[GroupResult], str]] = {
        "Patients": lambda group: str(group.n_enrolled),
        "With both scores": lambda group: f"{group.n_both}/{group.n_enrolled}",
        "Before, mean (SD)": lambda group: cells.mean_sd(group.before),
        "Before, median [quartiles]": lambda group: cells.median_quartiles(group.before),
        "Before, at 0 / at 95 or more": lambda group: _ends(group.before.at_floor, group.before.at_ceiling),
        "After, mean (SD)": lambda group: cells.mean_sd(group.after),
        "After, median [quartiles]": lambda group: cells.median_quartiles(group.after),
        "After, at 0 / at 95 or more": lambda group: _ends(group.after.at_floor, group.after.at_ceiling),
        "Change, mean (SD)": lambda group: cells.mean_sd(group.change),
        "Change, 95% CI": lambda group: cells.interval_of(group.mean_change),
        "Change, paired t test": lambda group: cells.change_test(group.mean_change),
        "Change, pseudo-median": lambda group: cells.pseudo_median(group.signed_rank),
        "Change, Wilcoxon signed-rank test": lambda group: cells.signed_rank_test(group.signed_rank),
        "Change, standardised (d_z)": lambda group: cells.with_interval(group.standardised_change, 2),
        "Correlation of before and after": lambda group: cells.correlation_cell(group.correlation),
        "Change of the means / mean of the changes, %": lambda group: cells.percentages(group.percentage),
    }
    groups = [*result.groups, result.everyone]
    return Table(
        caption="Within each group, of patients with both scores; change is after minus before, negative is better. "
        "Tests within a group are descriptive: they do not compare the groups",
        columns=[*labels, "Both groups"],
        rows=[(name, [write(group) for group in groups]) for name, write in written.items()],
    )


def _ends(*shares: Proportion | Absent) -> str:
    return " / ".join(map(cells.plain_share, shares))


def _responders_table(result: CohortResult, labels: Sequence[str]) -> Table:
    rows = [
        (f"{_definition(definition)}{_assumption(missing)}", _risk_cells(result, definition, missing))
        for definition in result.between.responses
        for missing in Missing
        if missing == Missing.LEFT_OUT or definition == Relief(percent=30)
    ]
    return Table(
        caption="Responders: share of the patients with both scores, or where it says “missing” of all with a "
        "score before (for percentages above 0), with 95% confidence intervals. Exploratory",
        columns=[*labels[:2], "Risk difference, points", "Risk ratio", "Odds ratio", "P (Fisher)"],
        rows=rows,
        note=_CORRECTED if any("*" in "".join(found) for _, found in rows) else "",
    )


_CORRECTED = "* 0.5 was added to each cell, because one was empty."


def _risk_cells(result: CohortResult, definition: Definition, missing: Missing) -> list[str]:
    shares = [_share(group.responses[definition][missing]) for group in result.groups[:2]]
    return [*shares, *_risks(result.between.responses[definition][missing])]


def _share(found: Response | Absent) -> str:
    return cells.NOTHING if isinstance(found, Absent) else cells.share_with_interval(found.share)


def _risks(found: RiskComparison | Absent) -> list[str]:
    if isinstance(found, Absent):
        return [cells.why(found), "", "", ""]
    compared = cells.risk_difference(found.difference)
    return [compared, cells.ratio(found.risk_ratio), cells.ratio(found.odds_ratio), p_value(found.p)]


def _definition(found: Definition) -> str:
    if isinstance(found, Relief):
        return f"{found.percent}% less pain or better"
    if isinstance(found, Points):
        return f"{found.points} points less or better"
    return f"{found.at_most} or less after" if isinstance(found, Reached) else f"Worse by {found.points} points or more"


def _assumption(missing: Missing) -> str:
    return "" if missing == Missing.LEFT_OUT else f", missing: {missing.value}"


def _selection_table(result: CohortResult, labels: Sequence[str]) -> Table:
    rows = [
        ("Observed change of those who entered", [cells.mean_sd(group.change) for group in result.groups[:2]]),
        ("Change by the entry rule alone", [_by_rule(group) for group in result.groups[:2]]),
    ]
    return Table(
        caption="What the entry rule alone would do: patients chosen for a high score come down by themselves. "
        "Includes differences in effect",
        columns=labels[:2],
        rows=rows,
    )


def _by_rule(group: GroupResult) -> str:
    found = group.selection
    if found is None:
        return cells.NOTHING
    return cells.why(found) if isinstance(found, Absent) else number(found.change_by_rule)


def _missing_table(result: CohortResult, labels: Sequence[str]) -> Table:
    found = result.between.tipping_point
    if isinstance(found, Absent):
        rows: list[tuple[str, Sequence[str]]] = [("Tipping point", [cells.why(found), ""])]
    else:
        groups = (found.first, found.second)
        rows = [
            (
                "Answered / missing of those with a score before",
                [f"{one.n_answered} / {one.n_missing}" for one in groups],
            ),
            ("Points that would turn the conclusion", [_tipping(one) for one in groups]),
        ]
    return Table(
        caption="Missing answers: by how many points the missing scores of one group would have to differ from what "
        "the answered ones predict before the conclusion turns; positive means worse than predicted",
        columns=labels[:2],
        rows=rows,
        note=_bounds(result.between),
    )


def _tipping(found: MissingGroup) -> str:
    delta = found.tipping_delta
    return cells.why(delta) if isinstance(delta, Absent) else number(delta)


def _bounds(found: Between) -> str:
    if isinstance(found.bounds, Absent):
        return ""
    ends = f"{number(found.bounds.change_low)} to {number(found.bounds.change_high)}"
    return f"Whatever the missing scores after were, the difference of the mean changes lies from {ends} points."
