"""Who counts as a responder, by which definition, and what becomes of those who did not answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE
from registry.statistics.responders import proportion
from registry.statistics.results import Absent, Proportion, Reason
from registry.statistics.risks import RiskComparison, compared_shares
from registry.statistics.score_table import ScoreTable

LARGEST_CHANGE = HIGHEST_SCORE - LOWEST_SCORE


class Missing(StrEnum):
    """What is assumed of patients with a score before and none after."""

    LEFT_OUT = "left out"
    NOT_MET = "counted as not meeting the definition"
    BEST = "best case"
    WORST = "worst case"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """The score fell by at least this percentage of the score before; not defined for before = 0."""

    percent: int
    is_favourable = True

    def is_defined(self, before: int) -> bool:
        """Whether a patient with this score before can be judged."""
        return before > 0

    def is_met(self, before: int, after: int) -> bool:
        """Whether this pair of scores counts, in whole numbers."""
        return 100 * (before - after) >= self.percent * before


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """The score fell by at least so many points."""

    points: int
    is_favourable = True

    def is_defined(self, before: int) -> bool:
        """Whether a patient with this score before can be judged: always."""
        return True

    def is_met(self, before: int, after: int) -> bool:
        """Whether this pair of scores counts."""
        return before - after >= self.points


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The score after is at most this, whatever it was before."""

    at_most: int
    is_favourable = True

    def is_defined(self, before: int) -> bool:
        """Whether a patient with this score before can be judged: always."""
        return True

    def is_met(self, before: int, after: int) -> bool:
        """Whether this pair of scores counts."""
        return after <= self.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """The score rose by at least so many points: what nobody wishes for."""

    points: int
    is_favourable = False

    def is_defined(self, before: int) -> bool:
        """Whether a patient with this score before can be judged: always."""
        return True

    def is_met(self, before: int, after: int) -> bool:
        """Whether this pair of scores counts."""
        return after - before >= self.points


Definition = Relief | Points | Reached | Worse
PRIMARY_DEFINITION = Relief(percent=30)
DEFINITIONS: tuple[Definition, ...] = (
    PRIMARY_DEFINITION,
    Relief(percent=50),
    Points(points=15),
    Reached(at_most=30),
    Worse(points=15),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The share that meets a definition, how many gave no score after, and for how many it is not defined."""

    share: Proportion
    n_missing: int
    n_undefined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovementStep:
    """How many of n patients improved by at least so many points; a negative number allows to get worse."""

    at_least: int
    k: int
    n: int
    value: float


def response(table: ScoreTable, definition: Definition, *, missing: Missing = Missing.LEFT_OUT) -> Response | Absent:
    """The share of patients who meet a definition, with its Wilson interval.

    Formula: k / n with k those who meet it; see proportion().
    Units: a share from 0 to 1.
    Missing data: without a score before nobody is counted. With a score before and none after, patients are left out
    (completers), or stay in n: as not meeting the definition, or all as in the best or the worst case for them. For a
    percentage, before = 0 is left out under every assumption; n_undefined says how many of those who would else be
    counted. n_missing counts the others without a score after, whether they are in n or not.
    Errors: absent when there is no such patient.
    Reference: see proportion(); percentages: Dworkin et al., J Pain 2008;9:105-21.
    """
    return responses(table, definition)[missing]


def responses(table: ScoreTable, definition: Definition) -> Mapping[Missing, Response | Absent]:
    """The same under every assumption about the missing, from one pass over the cells.

    Formula, units, missing data, errors and reference: see response().
    """
    tally = _Tally.of(table, definition)
    return {missing: _response(tally, definition, missing) for missing in Missing}


def compared_responses(
    first: ScoreTable, second: ScoreTable, definition: Definition, *, missing: Missing = Missing.LEFT_OUT
) -> RiskComparison | Absent:
    """The share of the first group that meets a definition against that of the second.

    Formula, units, errors and reference: see compared_shares().
    Missing data: as in response(). The best case is the best for the first group: its missing patients fared as well
    as can be and those of the second as badly; the worst case is the reverse.
    """
    return risks_compared(responses(first, definition), responses(second, definition))[missing]


def risks_compared(
    first: Mapping[Missing, Response | Absent], second: Mapping[Missing, Response | Absent]
) -> Mapping[Missing, RiskComparison | Absent]:
    """The same under every assumption about the missing, from the responses of both groups.

    Formula, units, missing data, errors and reference: see compared_responses().
    """
    return {missing: _compared(first[missing], second[_OPPOSITE.get(missing, missing)]) for missing in Missing}


def _compared(ours: Response | Absent, theirs: Response | Absent) -> RiskComparison | Absent:
    if isinstance(ours, Absent) or isinstance(theirs, Absent):
        return Absent(reason=Reason.NO_ANSWERS)
    return compared_shares(ours.share, theirs.share)


def improvement_curve(
    table: ScoreTable, *, missing: Missing = Missing.LEFT_OUT
) -> tuple[ImprovementStep, ...] | Absent:
    """The share of patients who improved by at least so many points, for every number of points from -100 to 100.

    Formula: with improvement = before - after, k = number of patients with improvement >= cut.
    Units: points; shares from 0 to 1, which never rise from one cut to the next.
    Missing data: patients with a score before and none after are left out, or counted in n as not reaching any cut,
    not even a negative one, so that the curve begins at the share who answered.
    Errors: absent when nobody is counted; ValueError for the best and the worst case, which have no curve.
    Reference: Farrar et al., J Pain Symptom Manage 2006;31:369-77.
    """
    if missing not in (Missing.LEFT_OUT, Missing.NOT_MET):
        raise ValueError(f"there is no curve with the missing as {missing}")
    n = table.n_both if missing is Missing.LEFT_OUT else sum(table.before_counts.values())
    if n == 0:
        return Absent(reason=Reason.NO_ANSWERS)
    return tuple(ImprovementStep(at_least=cut, k=k, n=n, value=k / n) for cut, k in _reached(table.change_counts))


_OPPOSITE: Mapping[Missing, Missing] = {Missing.BEST: Missing.WORST, Missing.WORST: Missing.BEST}


@dataclass(frozen=True, slots=True)
class _Tally:
    """How many patients with a score before meet a definition, have answered, are missing, and cannot be judged."""

    n_met: int
    n_answered: int
    n_missing: int
    n_undefined_answered: int
    n_undefined_missing: int

    @classmethod
    def of(cls, table: ScoreTable, definition: Definition) -> _Tally:
        met = answered = missing = undefined_answered = undefined_missing = 0
        for before, after, n in table.cells:
            if before is None:
                continue
            if not definition.is_defined(before):
                undefined_answered += n if after is not None else 0
                undefined_missing += n if after is None else 0
            elif after is None:
                missing += n
            else:
                answered += n
                met += n if definition.is_met(before, after) else 0
        return cls(met, answered, missing, undefined_answered, undefined_missing)


def _response(tally: _Tally, definition: Definition, missing: Missing) -> Response | Absent:
    stay = 0 if missing is Missing.LEFT_OUT else tally.n_missing
    share = proportion(tally.n_met + stay * _counts_as_met(definition, missing), tally.n_answered + stay)
    if isinstance(share, Absent):
        return share
    n_undefined = tally.n_undefined_answered
    if missing is not Missing.LEFT_OUT:
        n_undefined += tally.n_undefined_missing
    return Response(share=share, n_missing=tally.n_missing, n_undefined=n_undefined)


def _counts_as_met(definition: Definition, missing: Missing) -> bool:
    if missing in (Missing.BEST, Missing.WORST):
        return definition.is_favourable == (missing is Missing.BEST)
    return False


def _reached(changes: Mapping[int, int]) -> list[tuple[int, int]]:
    """Every cut in ascending order with the number of patients whose improvement reaches it."""
    cuts = range(LARGEST_CHANGE, -LARGEST_CHANGE - 1, -1)
    reached = accumulate(changes.get(-cut, 0) for cut in cuts)
    return list(zip(cuts, reached, strict=True))[::-1]
