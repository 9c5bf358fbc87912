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
from registry.statistics.comparison import adjusted_difference, change_difference
from registry.statistics.paired import mean_change
from registry.statistics.responders import responders
from registry.statistics.results import (
    Absent,
    AdjustedComparison,
    Comparison,
    MeanChange,
    Proportion,
    Summary,
    TrajectoryPoint,
)
from registry.statistics.score_table import ScoreTable
from registry.statistics.summary import summary, trajectory_point
from registry.storage.cohorts import (
    CohortQuery,
    PairCount,
    TimepointCount,
    count_unreviewed,
    pair_counts,
    timepoint_counts,
)

RESPONDER_PERCENTS = (30, 50)
_LONGEST_WORD = 40


@dataclass(frozen=True, kw_only=True)
class CohortDefinition:
    """Which patients, which scores, and by what they are compared; the same in an address and on the command line."""

    item: str
    timepoint: str
    grouping: str
    entry: int | None


@dataclass(frozen=True, kw_only=True)
class GroupResult:
    """One group: how many, their scores before and after, and how these changed."""

    group: str
    n_enrolled: int
    n_both: int
    before: Summary | Absent
    after: Summary | Absent
    change: Summary | Absent
    mean_change: MeanChange | Absent
    responders: Mapping[int, Proportion | Absent]


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
    ancova: AdjustedComparison | Absent
    welch_change: Comparison | Absent
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
    """Compute the report; costs the grouped queries of `storage.cohorts`, however large the registry is."""
    query = CohortQuery(definition.item, definition.grouping, today, site_id)
    grouping = _grouping(study, definition)
    pairs = pair_counts(session, query, timepoint=definition.timepoint)
    tables = _tables(pairs, definition, grouping)
    first, second = (tables[group] for group in grouping.groups)
    return CohortResult(
        definition=definition,
        groups=[_group_result(group, table) for group, table in tables.items()],
        ancova=adjusted_difference(first, second),
        welch_change=change_difference(first, second),
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


def _tables(pairs: Sequence[PairCount], definition: CohortDefinition, grouping: Grouping) -> dict[str, ScoreTable]:
    """The count table of each group after the entry rule; the unclassified only where there are any."""
    tables = {}
    for group in (*grouping.groups, UNKNOWN_GROUP):
        table = ScoreTable.from_counts((row.before, row.after, row.n) for row in pairs if row.group == group)
        if definition.entry is not None:
            table = table.entered(at_least=definition.entry)
        if group in grouping.groups or table.n_enrolled:
            tables[group] = table
    return tables


def _group_result(group: str, table: ScoreTable) -> GroupResult:
    complete = table.complete
    return GroupResult(
        group=group,
        n_enrolled=table.n_enrolled,
        n_both=table.n_both,
        before=summary(complete.before_counts),
        after=summary(complete.after_counts),
        change=summary(complete.change_counts),
        mean_change=mean_change(table),
        responders={percent: responders(table, at_least_percent=percent) for percent in RESPONDER_PERCENTS},
    )


def cohort_course(
    session: Session, *, definition: CohortDefinition, study: Study, today: date, site_id: int | None = None
) -> dict[str, list[TrajectoryPoint]]:
    """The mean at every timepoint of the patients who entered, whether or not they answered at the others."""
    query = CohortQuery(definition.item, definition.grouping, today, site_id)
    codes = [timepoint.code for timepoint in study.timepoints]
    counts: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for row in timepoint_counts(session, query, timepoints=codes):
        if _entered(row, definition):
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


def _entered(row: TimepointCount, definition: CohortDefinition) -> bool:
    return definition.entry is None or (row.before is not None and row.before >= definition.entry)


def _hash(pairs: Sequence[PairCount]) -> str:
    """The same counts give the same hash, in whatever order the database returned them."""
    lines = sorted(f"{row.group},{row.before},{row.after},{row.n}" for row in pairs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
