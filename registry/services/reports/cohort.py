"""The cohort report: one item at one timepoint, compared between the groups of one grouping."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session

from registry import __version__
from registry.domain.errors import InvalidInput
from registry.domain.study import Grouping, Study
from registry.domain.vocabularies import UNKNOWN_GROUP
from registry.services.reports.cohort_blocks import Between, GroupResult, between, group_result
from registry.statistics.comparison import adjusted_difference
from registry.statistics.results import Absent, AdjustedComparison, TrajectoryPoint
from registry.statistics.score_table import ScoreTable
from registry.statistics.summary import trajectory_point
from registry.storage.cohorts import CohortQuery, PairCount, TimepointCount, count_unreviewed
from registry.storage.score_rows import pair_counts, timepoint_counts

EVERYONE = "all"
_LONGEST_WORD = 40


@dataclass(frozen=True, kw_only=True)
class CohortDefinition:
    """Which patients, which scores, and by what they are compared; the same in an address and on the command line."""

    item: str
    timepoint: str
    grouping: str
    entry: int | None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a reader needs to know to get the same numbers again."""

    cut_off: datetime
    data_sha256: str
    version: str
    instrument: str
    definition: CohortDefinition
    compared: tuple[str, str]
    is_demo: bool


@dataclass(frozen=True, kw_only=True)
class CohortResult:
    """The whole report as numbers."""

    definition: CohortDefinition
    groups: Sequence[GroupResult]
    everyone: GroupResult
    """The groups that are compared, taken together."""
    between: Between
    all_comers: AdjustedComparison | Absent | None
    """The primary analysis without the entry rule, where there is one."""
    manifest: Manifest
    n_unreviewed: int
    """Forms that may come from a program and that nobody has looked at; they count until they are set aside."""


def check_definition(study: Study, *, item: str, timepoint: str, grouping: str, entry: str) -> CohortDefinition:
    """The definition that four words describe, or what is wrong with each of them."""
    problems = {}
    item, timepoint, grouping, entry = (word[:_LONGEST_WORD] for word in (item, timepoint, grouping, entry))
    if study.item(item) is None:
        problems["item"] = f"{item!r} is not an item; choose one of {_listed(found.code for found in study.items)}"
    if timepoint not in [found.code for found in study.follow_ups]:
        codes = _listed(found.code for found in study.follow_ups)
        problems["timepoint"] = f"{timepoint!r} is not a timepoint after an operation; choose one of {codes}"
    if study.grouping(grouping) is None:
        codes = _listed(found.code for found in study.groupings)
        problems["grouping"] = f"{grouping!r} is not a grouping; choose one of {codes}"
    if entry != "none" and not (entry.isascii() and entry.isdigit() and int(entry) <= 100):
        problems["entry"] = f"{entry!r} is not an entry rule; give a whole number from 0 to 100, or none"
    if problems:
        raise InvalidInput(problems)
    rule = None if entry == "none" else int(entry)
    return CohortDefinition(item=item, timepoint=timepoint, grouping=grouping, entry=rule)


def _listed(codes: Iterable[str]) -> str:
    return ", ".join(codes)


def cohort_report(
    session: Session,
    *,
    definition: CohortDefinition,
    study: Study,
    today: date,
    now: datetime,
    is_demo: bool,
    site_id: int | None = None,
) -> CohortResult:
    """Compute the report; costs the grouped queries of `storage.score_rows`, however large the registry is."""
    query = CohortQuery(definition.item, definition.grouping, today, site_id)
    grouping = _grouping(study, definition)
    pairs = pair_counts(session, query, timepoint=definition.timepoint)
    everyone = _tables(pairs, grouping)
    entered = {group: _entered(table, definition.entry) for group, table in everyone.items()}
    groups = {
        group: group_result(group, table, everyone=everyone[group], entry=definition.entry)
        for group, table in _shown(entered, grouping).items()
    }
    first, second = grouping.groups
    return CohortResult(
        definition=definition,
        groups=list(groups.values()),
        everyone=_together(everyone, entered, grouping, definition),
        between=between(entered[first], entered[second], (groups[first].responses, groups[second].responses)),
        all_comers=_of_all_comers(everyone, grouping, definition),
        manifest=Manifest(
            cut_off=now,
            data_sha256=_hash(pairs),
            version=__version__,
            instrument=study.instrument.version,
            definition=definition,
            compared=(grouping.groups[0], grouping.groups[1]),
            is_demo=is_demo,
        ),
        n_unreviewed=count_unreviewed(session, query, timepoint=definition.timepoint),
    )


def _tables(pairs: Sequence[PairCount], grouping: Grouping) -> dict[str, ScoreTable]:
    """The count table of each group and of the unclassified, before any entry rule."""
    return {
        group: ScoreTable.from_counts((row.before, row.after, row.n) for row in pairs if row.group == group)
        for group in (*grouping.groups, UNKNOWN_GROUP)
    }


def _of_all_comers(
    everyone: Mapping[str, ScoreTable], grouping: Grouping, definition: CohortDefinition
) -> AdjustedComparison | Absent | None:
    if definition.entry is None:
        return None
    first, second = (everyone[group] for group in grouping.groups)
    return adjusted_difference(first, second)


def _shown(tables: Mapping[str, ScoreTable], grouping: Grouping) -> dict[str, ScoreTable]:
    """The groups of the protocol, and the unclassified only where there are any."""
    return {group: table for group, table in tables.items() if group in grouping.groups or table.n_enrolled}


def _entered(table: ScoreTable, entry: int | None) -> ScoreTable:
    return table if entry is None else table.entered(at_least=entry)


def _together(
    everyone: Mapping[str, ScoreTable],
    entered: Mapping[str, ScoreTable],
    grouping: Grouping,
    definition: CohortDefinition,
) -> GroupResult:
    """Both groups as one; the unclassified are in no comparison, and not in this either."""
    whole, some = (ScoreTable.combined(tables[group] for group in grouping.groups) for tables in (everyone, entered))
    return group_result(EVERYONE, some, everyone=whole, entry=definition.entry)


def cohort_tables(
    session: Session, *, definition: CohortDefinition, study: Study, today: date, site_id: int | None = None
) -> dict[str, ScoreTable]:
    """The counts of each group behind the report, for its figures."""
    query = CohortQuery(definition.item, definition.grouping, today, site_id)
    grouping = _grouping(study, definition)
    tables = _tables(pair_counts(session, query, timepoint=definition.timepoint), grouping)
    return _shown({group: _entered(table, definition.entry) for group, table in tables.items()}, grouping)


def cohort_course(
    session: Session, *, definition: CohortDefinition, study: Study, today: date, site_id: int | None = None
) -> dict[str, list[TrajectoryPoint]]:
    """The mean at every timepoint of the patients who entered, whether or not they answered at the others."""
    query = CohortQuery(definition.item, definition.grouping, today, site_id)
    codes = [timepoint.code for timepoint in study.timepoints]
    counts: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for row in timepoint_counts(session, query, timepoints=codes):
        if _has_entered(row, definition):
            counts[row.group, row.timepoint][row.score] += row.n
    known = _grouping(study, definition).groups
    groups = [*known, UNKNOWN_GROUP] if any(group == UNKNOWN_GROUP for group, _ in counts) else known
    return {
        group: [
            trajectory_point(counts[group, timepoint.code], months=timepoint.months) for timepoint in study.timepoints
        ]
        for group in groups
    }


def _grouping(study: Study, definition: CohortDefinition) -> Grouping:
    grouping = study.grouping(definition.grouping)
    if grouping is None:
        raise InvalidInput({"grouping": f"{definition.grouping!r} is not a grouping"})
    return grouping


def _has_entered(row: TimepointCount, definition: CohortDefinition) -> bool:
    return definition.entry is None or (row.before is not None and row.before >= definition.entry)


def _hash(pairs: Sequence[PairCount]) -> str:
    """The same counts give the same hash, in whatever order the database returned them."""
    lines = sorted(f"{row.group},{row.before},{row.after},{row.n}" for row in pairs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
