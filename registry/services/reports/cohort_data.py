"""The cohort report as plain data, for JSON: numbers as they are, blocks that cannot be computed left out."""

from typing import Any

from registry.services.reports.cohort import CohortResult, GroupResult, Manifest
from registry.statistics.results import Absent, Comparison, Estimate, Proportion, Summary, TTest

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
        "between": _present(ancova=_ancova(result), welch_change=_comparison(result.welch_change)),
        "n_unreviewed": result.n_unreviewed,
        "manifest": _manifest(result.manifest),
    }


def _group(result: GroupResult) -> Data:
    shares = {f"{percent}pct": _proportion(share) for percent, share in result.responders.items()}
    return {
        "n": result.n_both,
        "n_enrolled": result.n_enrolled,
        **_present(
            before=_summary(result.before),
            after=_summary(result.after),
            change=_change(result),
            responders=_present(**shares) or None,
        ),
    }


def _summary(found: Summary | Absent) -> Data | None:
    if isinstance(found, Absent):
        return None
    return _present(mean=found.mean, sd=_known(found.sd), median=found.median)


def _change(result: GroupResult) -> Data | None:
    described = _summary(result.change)
    if described is None or isinstance(result.mean_change, Absent):
        return described
    change = result.mean_change
    return {**described, "ci": _interval(change.estimate), **_test(change.test)}


def _ancova(result: CohortResult) -> Data | None:
    compared = _comparison(result.ancova)
    if compared is None or isinstance(result.ancova, Absent):
        return None
    return {**compared, "slope": result.ancova.slope}


def _comparison(found: Comparison | Absent) -> Data | None:
    if isinstance(found, Absent):
        return None
    return {"estimate": found.estimate.value, "ci": _interval(found.estimate), **_test(found.test)}


def _proportion(found: Proportion | Absent) -> Data | None:
    return None if isinstance(found, Absent) else {"k": found.k, "n": found.n, "ci": [found.low, found.high]}


def _test(found: TTest | Absent) -> Data:
    return {} if isinstance(found, Absent) else {"t": found.t, "df": found.df, "p": found.p}


def _interval(estimate: Estimate) -> list[float]:
    return [estimate.low, estimate.high]


def _known(value: float | Absent) -> float | None:
    return None if isinstance(value, Absent) else value


def _present(**blocks: object) -> Data:
    return {name: block for name, block in blocks.items() if block is not None}


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
