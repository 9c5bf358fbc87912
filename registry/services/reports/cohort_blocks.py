"""The blocks of the cohort report: every unadjusted analysis of one group, and of two groups beside each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.statistics.association import (
    SlopeComparison,
    after_difference,
    robust_adjusted_difference,
    slope_difference,
)
from registry.statistics.comparison import adjusted_difference, change_difference
from registry.statistics.effects import (
    Correlation,
    PercentageChange,
    Quartiles,
    at_ceiling,
    at_floor,
    change_effect,
    correlation,
    percentage_change,
    quartiles,
    standardised_change,
)
from registry.statistics.missing import DifferenceBounds, TippingPoint, difference_bounds, tipping_point
from registry.statistics.paired import mean_change
from registry.statistics.precision import Precision, precision
from registry.statistics.rank_sums import RankComparison, change_ranks
from registry.statistics.response import (
    DEFINITIONS,
    Definition,
    Missing,
    Response,
    responses,
    risks_compared,
)
from registry.statistics.results import (
    Absent,
    AdjustedComparison,
    Comparison,
    Estimate,
    MeanChange,
    Proportion,
    Summary,
)
from registry.statistics.risks import RiskComparison
from registry.statistics.score_table import ScoreTable
from registry.statistics.selection import SelectionEffect, selection_effect
from registry.statistics.signed_ranks import SignedRank, signed_rank_change
from registry.statistics.summary import summary

Responses = Mapping[Definition, Mapping[Missing, Response | Absent]]
"""The responders of a group by every definition, under every assumption about the missing."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How the scores of one moment, or their changes, are spread."""

    summary: Summary | Absent
    quartiles: Quartiles | Absent


@dataclass(frozen=True, kw_only=True)
class ScoreDistribution(Distribution):
    """The same of scores, with the shares at the ends of the scale."""

    at_floor: Proportion | Absent
    at_ceiling: Proportion | Absent


@dataclass(frozen=True, kw_only=True)
class GroupResult:
    """One group: how many, their scores before and after, and how these changed."""

    group: str
    n_enrolled: int
    n_both: int
    before: ScoreDistribution
    after: ScoreDistribution
    change: Distribution
    mean_change: MeanChange | Absent
    signed_rank: SignedRank | Absent
    correlation: Correlation | Absent
    standardised_change: Estimate | Absent
    percentage: PercentageChange | Absent
    responses: Responses
    selection: SelectionEffect | Absent | None
    """What the entry rule alone would produce; None where the report has none."""


@dataclass(frozen=True, kw_only=True)
class Between:
    """The first group minus the second, or beside it."""

    ancova: AdjustedComparison | Absent
    ancova_robust: Comparison | Absent
    ancova_interaction: SlopeComparison | Absent
    welch_change: Comparison | Absent
    welch_after: Comparison | Absent
    change_ranks: RankComparison | Absent
    hedges_g: Estimate | Absent
    responses: Mapping[Definition, Mapping[Missing, RiskComparison | Absent]]
    tipping_point: TippingPoint | Absent
    bounds: DifferenceBounds | Absent
    precision: Precision | Absent


def group_result(group: str, table: ScoreTable, *, everyone: ScoreTable, entry: int | None) -> GroupResult:
    """Everything that is said of one group; of everyone in it only what the entry rule does to them."""
    complete = table.complete
    change = complete.change_counts
    return GroupResult(
        group=group,
        n_enrolled=table.n_enrolled,
        n_both=table.n_both,
        before=_scores(complete.before_counts),
        after=_scores(complete.after_counts),
        change=Distribution(summary=summary(change), quartiles=quartiles(change)),
        mean_change=mean_change(table),
        signed_rank=signed_rank_change(table),
        correlation=correlation(table),
        standardised_change=standardised_change(table),
        percentage=percentage_change(table),
        responses={definition: responses(table, definition) for definition in DEFINITIONS},
        selection=None if entry is None else selection_effect(everyone, at_least=entry),
    )


def between(first: ScoreTable, second: ScoreTable, responses_of: tuple[Responses, Responses]) -> Between:
    """Everything that is said of two groups beside each other, whose responders are known already."""
    ours, theirs = responses_of
    return Between(
        ancova=adjusted_difference(first, second),
        ancova_robust=robust_adjusted_difference(first, second),
        ancova_interaction=slope_difference(first, second),
        welch_change=change_difference(first, second),
        welch_after=after_difference(first, second),
        change_ranks=change_ranks(first, second),
        hedges_g=change_effect(first, second),
        responses={definition: risks_compared(ours[definition], theirs[definition]) for definition in DEFINITIONS},
        tipping_point=tipping_point(first, second),
        bounds=difference_bounds(first, second),
        precision=precision(first, second),
    )


def _scores(counts: Mapping[int, int]) -> ScoreDistribution:
    return ScoreDistribution(
        summary=summary(counts),
        quartiles=quartiles(counts),
        at_floor=at_floor(counts),
        at_ceiling=at_ceiling(counts),
    )
