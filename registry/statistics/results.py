"""What a statistic returns: numbers with their interval, method and n, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CONFIDENCE_LEVEL = 0.95
SMALLEST_TESTED_GROUP = 5


class Reason(StrEnum):
    """Why a statistic is absent."""

    NO_ANSWERS = "n = 0"
    FEWER_THAN_TWO = "n < 2"
    FEWER_THAN_FIVE = "n < 5"
    NO_VARIATION = "no variation"
    NO_VARIATION_BEFORE = "no variation in before"
    NO_RESIDUAL_VARIATION = "no residual variation"
    FEWER_THAN_FIVE_CHANGED = "n changed < 5"
    ZERO_BEFORE = "before = 0"
    NO_OVERLAP = "no overlap of the groups"
    FULL_LEVERAGE = "one patient decides a coefficient"
    RANK_DEFICIENT = "covariates determine each other"
    NO_WEIGHT = "no weight of the missing"
    NO_EVENTS = "no event"
    NOBODY_AT_RISK = "nobody at risk"
    NO_COMMON_TIME = "no common follow-up"


class Method(StrEnum):
    """How an estimate got its interval."""

    T = "t"
    WELCH = "welch"
    ANCOVA = "ancova"
    WILSON = "wilson"
    EXACT_RANKS = "exact ranks"
    NORMAL_RANKS = "normal approximation of ranks"
    DELONG = "delong, logit"
    LARGE_SAMPLE = "large sample"
    FISHER_Z = "fisher z"
    NEWCOMBE = "newcombe hybrid score"
    LOG = "log"
    HC3 = "hc3"
    INTERACTION = "interaction"
    ANCOVA_COVARIATES = "ancova with covariates"
    DELTA_ADJUSTED = "delta adjusted"
    AALEN_JOHANSEN = "aalen-johansen, complementary log-log"
    BCA = "bca"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A statistic that cannot be computed."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its confidence interval, in the unit of the score."""

    value: float
    low: float
    high: float
    level: float
    method: Method
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TTest:
    """A two-sided t test of the hypothesis that the estimate beside it is 0."""

    t: float
    df: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The distribution of one score, or of its change, in points."""

    n: int
    mean: float
    sd: float | Absent
    median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """The share k / n, from 0 to 1, with its confidence interval."""

    k: int
    n: int
    value: float
    low: float
    high: float
    level: float
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanChange:
    """The mean of after - before within one group; the test is absent where the group is too small."""

    estimate: Estimate
    standard_error: float
    test: TTest | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The first group minus the second."""

    estimate: Estimate
    standard_error: float
    test: TTest
    n_first: int
    n_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedComparison(Comparison):
    """The first group minus the second at equal scores before, with the slope of after on before."""

    slope: float
    r_squared: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryPoint:
    """The mean score of one group so many months after the operation, with its interval."""

    months: float
    n: int
    mean: float | Absent
    interval: Estimate | Absent


def shortage(*sizes: int, needed: int) -> Absent | None:
    """The reason for which groups of these sizes are too few, or None when each holds the number needed."""
    smallest = min(sizes)
    if smallest >= needed:
        return None
    if smallest == 0:
        return Absent(reason=Reason.NO_ANSWERS)
    return Absent(reason=Reason.FEWER_THAN_TWO if smallest < 2 else Reason.FEWER_THAN_FIVE)
