"""The cohort report as plain data, for JSON: numbers as they are; what cannot be computed is named with its reason."""

from collections.abc import Mapping
from typing import Any

from registry.services.reports.cohort import CohortResult, Manifest
from registry.services.reports.cohort_blocks import Between, Distribution, GroupResult, ScoreDistribution
from registry.statistics.association import SlopeComparison
from registry.statistics.effects import Correlation, PercentageChange
from registry.statistics.missing import DifferenceBounds, MissingGroup, TippingPoint
from registry.statistics.precision import Precision
from registry.statistics.rank_sums import RankComparison
from registry.statistics.response import Definition, Missing, Points, Reached, Relief, Response
from registry.statistics.results import Absent, AdjustedComparison, Comparison, Estimate, Proportion, TTest
from registry.statistics.risks import Ratio, RiskComparison
from registry.statistics.selection import SelectionEffect
from registry.statistics.signed_ranks import SignedRank

Data = dict[str, Any]


def as_data(result: CohortResult) -> Data:
    """The report under the keys that other programs read."""
    definition = result.definition
    return {
        "item": definition.item,
        "timepoint": definition.timepoint,
        "grouping": definition.grouping,
        "entry": definition.entry,
        "groups": {group.group: _group(group) for group in result.groups},
        "all": _group(result.everyone),
        "between": _between(result.between),
        **({} if result.all_comers is None else {"all_comers": _blocks(ancova=_ancova(result.all_comers))}),
        "n_unreviewed": result.n_unreviewed,
        "manifest": _manifest(result.manifest),
    }


def definition_key(definition: Definition) -> str:
    """What a definition of a responder is called in data: 30pct, 15points, after_30, worse_15points."""
    if isinstance(definition, Relief):
        return f"{definition.percent}pct"
    if isinstance(definition, Points):
        return f"{definition.points}points"
    return f"after_{definition.at_most}" if isinstance(definition, Reached) else f"worse_{definition.points}points"


def _group(result: GroupResult) -> Data:
    return {
        "n": result.n_both,
        "n_enrolled": result.n_enrolled,
        **_blocks(
            before=_scores(result.before),
            after=_scores(result.after),
            change=_change(result),
            wilcoxon=_signed_rank(result.signed_rank),
            correlation=_correlation(result.correlation),
            d_z=_estimate(result.standardised_change),
            percentage_change=_percentage(result.percentage),
            responders=_responses(result.responses),
            selection={} if result.selection is None else _selection(result.selection),
        ),
    }


def _between(found: Between) -> Data:
    return _blocks(
        ancova=_ancova(found.ancova),
        ancova_hc3=_comparison(found.ancova_robust),
        ancova_interaction=_interaction(found.ancova_interaction),
        welch_change=_comparison(found.welch_change),
        welch_after=_comparison(found.welch_after),
        mann_whitney=_ranks(found.change_ranks),
        hedges_g=_estimate(found.hedges_g),
        responders=_risks(found.responses),
        tipping_point=_tipping(found.tipping_point),
        bounds=_bounds(found.bounds),
        precision=_precision(found.precision),
    )


def _blocks(**blocks: Data | Absent) -> Data:
    """What could be computed, and the reason beside the name of what could not; an empty block is left out."""
    present = {name: block for name, block in blocks.items() if block and not isinstance(block, Absent)}
    absent = {name: str(block.reason) for name, block in blocks.items() if isinstance(block, Absent)}
    return {**present, "absent": absent} if absent else present


def _distribution(found: Distribution) -> Data | Absent:
    described, spread = found.summary, found.quartiles
    if isinstance(described, Absent):
        return described
    values = {"mean": described.mean, "sd": described.sd, "median": described.median}
    if not isinstance(spread, Absent):
        values |= {"q1": spread.first, "q3": spread.third}
    return {name: value for name, value in values.items() if not isinstance(value, Absent)}


def _scores(found: ScoreDistribution) -> Data | Absent:
    described = _distribution(found)
    if isinstance(described, Absent):
        return described
    return {**described, **_blocks(at_0=_proportion(found.at_floor), at_95_or_more=_proportion(found.at_ceiling))}


def _change(result: GroupResult) -> Data | Absent:
    described, change = _distribution(result.change), result.mean_change
    if isinstance(described, Absent):
        return described
    if isinstance(change, Absent):
        return {**described, "absent": {"ci": str(change.reason)}}
    return {**described, "ci": _interval(change.estimate), **_test(change.test)}


def _signed_rank(found: SignedRank | Absent) -> Data | Absent:
    if isinstance(found, Absent):
        return found
    told: Data = {"pseudo_median": found.pseudo_median, "n": found.n, "n_zeros": found.n_zeros}
    if not isinstance(found.interval, Absent):
        told["ci"] = _interval(found.interval)
    if isinstance(found.test, Absent):
        return {**told, "absent": {"p": str(found.test.reason)}}
    how = {"exact": found.test.is_exact, "correct": found.test.is_continuity_corrected}
    return {"w": found.test.statistic, "p": found.test.p, **how, **told}


def _correlation(found: Correlation | Absent) -> Data | Absent:
    if isinstance(found, Absent):
        return found
    interval = {} if isinstance(found.interval, Absent) else {"ci": _interval(found.interval)}
    return {"r": found.value, "n": found.n, **interval}


def _percentage(found: PercentageChange | Absent) -> Data | Absent:
    return found if isinstance(found, Absent) else _fields(found)


def _responses(found: Mapping[Definition, Mapping[Missing, Response | Absent]]) -> Data:
    return _blocks(**{definition_key(one): _response(by_missing) for one, by_missing in found.items()})


def _response(by_missing: Mapping[Missing, Response | Absent]) -> Data | Absent:
    """The completers, and beside them what becomes of the share under each assumption about the others."""
    completers = by_missing[Missing.LEFT_OUT]
    if isinstance(completers, Absent):
        return completers
    others = {
        _MISSING[missing]: _proportion(one.share)
        for missing, one in by_missing.items()
        if missing in _MISSING and not isinstance(one, Absent)
    }
    counted = {"n_missing": completers.n_missing, "n_undefined": completers.n_undefined}
    return {**_proportion_of(completers.share), **counted, **others}


_MISSING = {Missing.NOT_MET: "missing_not_met", Missing.BEST: "best", Missing.WORST: "worst"}


def _risks(found: Mapping[Definition, Mapping[Missing, RiskComparison | Absent]]) -> Data:
    return _blocks(**{definition_key(one): _risk(by[Missing.LEFT_OUT]) for one, by in found.items()})


def _risk(found: RiskComparison | Absent) -> Data | Absent:
    if isinstance(found, Absent):
        return found
    ratios = _blocks(risk_ratio=_ratio(found.risk_ratio), odds_ratio=_ratio(found.odds_ratio))
    return {"difference": _estimate(found.difference), **ratios, "p": found.p}


def _ratio(found: Ratio | Absent) -> Data | Absent:
    if isinstance(found, Absent):
        return found
    return {"estimate": found.value, "ci": _interval(found), "corrected": found.is_corrected}


def _selection(found: SelectionEffect | Absent) -> Data | Absent:
    if isinstance(found, Absent):
        return found
    names = ("change_by_rule", "change_by_normal_theory", "slope", "mean_before_all", "mean_before_entrants")
    told = {name: getattr(found, name) for name in (*names, "n_all", "n_entrants")}
    return {name: value for name, value in told.items() if not isinstance(value, Absent)}


def _ancova(found: AdjustedComparison | Absent) -> Data | Absent:
    compared = _comparison(found)
    if isinstance(found, Absent) or isinstance(compared, Absent):
        return compared
    return {**compared, "slope": found.slope, "r_squared": found.r_squared}


def _interaction(found: SlopeComparison | Absent) -> Data | Absent:
    compared = _comparison(found)
    if isinstance(found, Absent) or isinstance(compared, Absent):
        return compared
    return {**compared, "slope_first": found.slope_first, "slope_second": found.slope_second}


def _comparison(found: Comparison | Absent) -> Data | Absent:
    if isinstance(found, Absent):
        return found
    return {"estimate": found.estimate.value, "ci": _interval(found.estimate), **_test(found.test)}


def _ranks(found: RankComparison | Absent) -> Data | Absent:
    if isinstance(found, Absent):
        return found
    how = {"exact": found.test.is_exact, "correct": found.test.is_continuity_corrected}
    likely = found.superiority
    interval = {} if isinstance(likely.interval, Absent) else {"ci": _interval(likely.interval)}
    shift = {"shift": found.shift.value, "shift_ci": _interval(found.shift)}
    superiority = {"estimate": likely.value, **interval}
    return {"u": found.test.statistic, "p": found.test.p, **how, **shift, "superiority": superiority}


def _tipping(found: TippingPoint | Absent) -> Data | Absent:
    if isinstance(found, Absent):
        return found
    groups = {"first": _missing_group(found.first), "second": _missing_group(found.second)}
    return {"excludes_zero": found.excludes_zero, **groups}


def _missing_group(found: MissingGroup) -> Data:
    return _fields(found)


def _bounds(found: DifferenceBounds | Absent) -> Data | Absent:
    return found if isinstance(found, Absent) else _fields(found)


def _precision(found: Precision | Absent) -> Data | Absent:
    return found if isinstance(found, Absent) else _fields(found)


def _fields(found: object) -> Data:
    """The numbers of a result under their own names, without those that cannot be computed."""
    names = getattr(found, "__slots__", ())
    told = {name: getattr(found, name) for name in names}
    return {name: value for name, value in told.items() if not isinstance(value, Absent)}


def _estimate(found: Estimate | Absent) -> Data | Absent:
    return found if isinstance(found, Absent) else {"estimate": found.value, "ci": _interval(found)}


def _proportion(found: Proportion | Absent) -> Data | Absent:
    return found if isinstance(found, Absent) else _proportion_of(found)


def _proportion_of(found: Proportion) -> Data:
    return {"k": found.k, "n": found.n, "ci": [found.low, found.high]}


def _test(found: TTest | Absent) -> Data:
    if isinstance(found, Absent):
        return {"absent": {"p": str(found.reason)}}
    return {"t": found.t, "df": found.df, "p": found.p}


def _interval(estimate: Estimate) -> list[float]:
    return [estimate.low, estimate.high]


def _manifest(manifest: Manifest) -> Data:
    first, second = manifest.compared
    return {
        "cut_off": manifest.cut_off.isoformat(),
        "data_sha256": manifest.data_sha256,
        "registry_version": manifest.version,
        "instrument": manifest.instrument,
        "difference": f"{first} minus {second}",
        "direction": "higher is worse; change = after - before, negative is better",
        "is_demo": manifest.is_demo,
    }
