"""What stands in the cells of a report's tables: one result as a reader meets it, or why there is none."""

from registry.numbers import number, p_value, percent, share
from registry.services.reports.cohort_blocks import Distribution
from registry.statistics.effects import Correlation, PercentageChange
from registry.statistics.ranks import RankTest
from registry.statistics.results import Absent, Comparison, Estimate, MeanChange, Proportion, Reason, TTest
from registry.statistics.risks import Ratio
from registry.statistics.signed_ranks import SignedRank

NOTHING = "–"

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


def why(absent: Absent) -> str:
    """Why a number is not there."""
    return _REASONS[absent.reason]


def mean_sd(found: Distribution) -> str:
    """Mean and standard deviation: "50.7 (21.3)"."""
    described = found.summary
    if isinstance(described, Absent):
        return NOTHING
    deviation = NOTHING if isinstance(described.sd, Absent) else number(described.sd)
    return f"{number(described.mean)} ({deviation})"


def median_quartiles(found: Distribution) -> str:
    """Median and quartiles: "52.0 [35.5 to 70.0]"."""
    if isinstance(found.summary, Absent) or isinstance(found.quartiles, Absent):
        return NOTHING
    spread = found.quartiles
    return f"{number(found.summary.median)} [{number(spread.first)} to {number(spread.third)}]"


def share_with_interval(found: Proportion | Absent) -> str:
    """A share with its counts and its interval."""
    if isinstance(found, Absent):
        return NOTHING
    return f"{percent(found.k, found.n)}, 95% CI {share(found.low)} to {share(found.high)}"


def plain_share(found: Proportion | Absent) -> str:
    """A share with its counts."""
    return NOTHING if isinstance(found, Absent) else percent(found.k, found.n)


def with_interval(found: Estimate | Absent, digits: int = 1) -> str:
    """An estimate with its interval, whose level is told where it is not 95 %."""
    if isinstance(found, Absent):
        return why(found)
    level = f"{number(100 * found.level)}% CI" if round(found.level, 4) != _USUAL_LEVEL else "95% CI"
    return f"{number(found.value, digits)} ({level}, {number(found.low, digits)} to {number(found.high, digits)})"


_USUAL_LEVEL = 0.95


def interval_of(found: MeanChange | Absent) -> str:
    """The interval of a mean change."""
    if isinstance(found, Absent):
        return why(found)
    return f"{number(found.estimate.low)} to {number(found.estimate.high)}"


def t_test(found: TTest | Absent) -> str:
    """A t test with its degrees of freedom."""
    if isinstance(found, Absent):
        return why(found)
    return f"t = {number(found.t, 2)}, df = {_df(found.df)}, P {p_value(found.p)}"


def _df(df: float) -> str:
    return f"{df:g}" if df == int(df) else number(df)


def change_test(found: MeanChange | Absent) -> str:
    """The paired t test of a mean change."""
    return why(found) if isinstance(found, Absent) else t_test(found.test)


def rank_test(found: RankTest | Absent, letter: str) -> str:
    """A rank test under the letter that R gives its statistic, and how its P was found."""
    if isinstance(found, Absent):
        return why(found)
    how = "exact" if found.is_exact else "normal approximation"
    return f"{letter} = {found.statistic:g}, P {p_value(found.p)} ({how})"


def signed_rank_test(found: SignedRank | Absent) -> str:
    """The signed-rank test of a group."""
    return why(found) if isinstance(found, Absent) else rank_test(found.test, "V")


def pseudo_median(found: SignedRank | Absent) -> str:
    """The pseudo-median of the changes with its interval."""
    if isinstance(found, Absent):
        return why(found)
    return number(found.pseudo_median) if isinstance(found.interval, Absent) else with_interval(found.interval)


def correlation_cell(found: Correlation | Absent) -> str:
    """A correlation with its interval."""
    if isinstance(found, Absent):
        return why(found)
    return number(found.value, 2) if isinstance(found.interval, Absent) else with_interval(found.interval, 2)


def percentages(found: PercentageChange | Absent) -> str:
    """The change of the means in per cent, and beside it the mean of what each patient changed by."""
    if isinstance(found, Absent):
        return why(found)
    zeros = f"; {found.n_zero_before} with 0 before left out of the second" if found.n_zero_before else ""
    return f"{number(found.of_means)}% / {number(found.mean_of_individuals)}% (n = {found.n}{zeros})"


def difference(found: Comparison | Absent) -> tuple[str, str]:
    """A difference with its interval, and its test."""
    if isinstance(found, Absent):
        return why(found), ""
    return with_interval(found.estimate), t_test(found.test)


def risk_difference(found: Estimate) -> str:
    """A difference of shares in percentage points."""
    points, low, high = (number(100 * value) for value in (found.value, found.low, found.high))
    return f"{points} ({low} to {high})"


def ratio(found: Ratio | Absent) -> str:
    """A ratio with its interval; a mark where an empty cell was filled."""
    if isinstance(found, Absent):
        return why(found)
    mark = "*" if found.is_corrected else ""
    return f"{number(found.value, 2)} ({number(found.low, 2)} to {number(found.high, 2)}){mark}"
