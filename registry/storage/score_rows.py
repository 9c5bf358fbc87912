"""Cohorts as counts, from the kept rows: what `cohorts` says, at a fraction of its cost, at every moment.

The rows of patients of whom something has changed since are taken out of the counts again, and what their answers say
today is put in: so it matters to nobody but the clock whether the rows were brought up to date.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    cast,
    func,
    literal,
    null,
    select,
    union,
    union_all,
)
from sqlmodel import Session

from registry.domain.study import BEFORE
from registry.domain.vocabularies import UNKNOWN_GROUP
from registry.storage import cohorts
from registry.storage.cohorts import CohortQuery, PairCount, TimepointCount
from registry.storage.models import Score, ScoredOperation, StalePatient, Stratum
from registry.storage.models.base import table_of

MOST_CORRECTED = 20_000
"""Of more changed patients than these the answers are joined for all: that costs no more then."""

_score = table_of(Score).c
_scored = table_of(ScoredOperation).c
_stratum = table_of(Stratum).c
_stale = table_of(StalePatient).c


CHANGED = (
    select(_stale.patient_id),
    select(_scored.patient_id).where(_scored.holds_until < bindparam("today")),
    select(_scored.patient_id).where(_scored.holds_after >= bindparam("today")),
)
"""Everybody whose kept rows are not those of `today`: by a change, or because a form has closed between."""

_SOME_CHANGED = union_all(*(select(some.limit(MOST_CORRECTED + 1).subquery()) for some in CHANGED)).subquery()
_COUNT_CHANGED = select(func.count()).select_from(_SOME_CHANGED)


def pair_counts(session: Session, query: CohortQuery, *, timepoint: str) -> list[PairCount]:
    """The count table by group, before and after: at most 102 x 102 x groups rows."""
    if _has_changed_too_much(session, query):
        return cohorts.pair_counts(session, query, timepoint=timepoint)
    # One statement, so that all of it is of one moment whatever is committed meanwhile.
    statement = _pair_statement(is_of_site=query.site_id is not None)
    found: _Found[tuple[int | None, int | None]] = _nothing_found()
    for part, stratum_id, group, before, after, n in session.execute(
        statement, {**query.values, "timepoint": timepoint}
    ):
        cells = found[stratum_id if group is None else group]
        cells[before, after] += n
        if part == _AFTER:
            # Whoever has a score at the timepoint was counted among those before it, or among all.
            cells[before, None] -= n
        elif part == _BEFORE:
            cells[None, None] -= n
    by_group = _by_group(found, _groups(session, query))
    return [PairCount(group, *cell, n) for group, cells in by_group.items() for cell, n in cells.items() if n]


def timepoint_counts(session: Session, query: CohortQuery, *, timepoints: Sequence[str]) -> list[TimepointCount]:
    """The counts behind a trajectory: every timepoint's scores by group and by the score before."""
    if _has_changed_too_much(session, query) or not timepoints:
        return cohorts.timepoint_counts(session, query, timepoints=timepoints)
    statement = _course_statement(tuple(timepoints), is_of_site=query.site_id is not None)
    found: _Found[tuple[str, int | None, int]] = _nothing_found()
    for timepoint, stratum_id, group, before, score, n in session.execute(statement, query.values):
        if score is not None:
            found[stratum_id if group is None else group][timepoint, before, score] += n
    by_group = _by_group(found, _groups(session, query))
    return [TimepointCount(group, *cell, n) for group, cells in by_group.items() for cell, n in cells.items() if n]


# What a statement finds, by the number of a stratum or, where the answers were joined, by group.
_Cell = TypeVar("_Cell")
_Found = defaultdict[int | str, defaultdict[_Cell, int]]


def _nothing_found() -> _Found[Any]:
    return defaultdict(lambda: defaultdict(int))


def _by_group(found: _Found[_Cell], groups: Mapping[int, str]) -> Mapping[str, Mapping[_Cell, int]]:
    """The same by group alone, without the strata that nobody has asked for."""
    merged: dict[str, defaultdict[_Cell, int]] = {}
    for place, cells in found.items():
        group = place if isinstance(place, str) else groups.get(place)
        if group is None:
            continue
        standing = merged.setdefault(group, cells)
        if standing is not cells:
            for cell, n in cells.items():
                standing[cell] += n
    return merged


def _has_changed_too_much(session: Session, query: CohortQuery) -> bool:
    n_changed = session.execute(_COUNT_CHANGED, {"today": query.today}).scalar_one()
    return int(n_changed) > MOST_CORRECTED


def _groups(session: Session, query: CohortQuery) -> Mapping[int, str]:
    """The group of each stratum that is asked for; read after the counts, for strata are only ever added."""
    strata = select(_stratum.id, _stratum.groups).where(*_is_asked_for(is_of_site=query.site_id is not None))
    found = session.execute(strata, query.values)
    return {row.id: json.loads(row.groups).get(query.grouping, UNKNOWN_GROUP) for row in found}


def _is_asked_for(*, is_of_site: bool) -> list[ColumnElement[bool]]:
    of_site = [_stratum.site_id == bindparam("site_id")] if is_of_site else []
    return [_stratum.is_first, *of_site]


def _in_strata(column: ColumnElement[int], *, is_of_site: bool) -> ColumnElement[bool]:
    return column.in_(select(_stratum.id).where(*_is_asked_for(is_of_site=is_of_site)))


# The parts of the statements, and what each says of: a stratum or a group, scores, and how many there are.

_ENROLLED, _BEFORE, _AFTER, _CORRECTION = range(4)
_NO_NUMBER, _NO_GROUP = cast(null(), Integer), cast(null(), String)


@cache
def _pair_statement(*, is_of_site: bool) -> CompoundSelect[Any]:
    changed = union(*CHANGED).cte("changed")
    true = cohorts.pairs_of(_index_operations(changed, is_of_site=is_of_site)).subquery()
    return union_all(
        *_kept_parts(is_of_site=is_of_site),
        _out_of_pairs(changed),
        select(literal(_CORRECTION), _NO_NUMBER, true.c.group, true.c.before, true.c.after, true.c.n),
    )


def _kept_parts(*, is_of_site: bool) -> list[Select[Any]]:
    enrolled = select(literal(_ENROLLED), _scored.stratum_id, _NO_GROUP, _NO_NUMBER, _NO_NUMBER, func.count())
    before = select(literal(_BEFORE), _score.stratum_id, _NO_GROUP, _score.score, _NO_NUMBER, func.count())
    after = select(literal(_AFTER), _score.stratum_id, _NO_GROUP, _score.before, _score.score, func.count())
    return [
        enrolled.where(_in_strata(_scored.stratum_id, is_of_site=is_of_site)).group_by(_scored.stratum_id),
        _kept(before, literal(BEFORE), is_of_site=is_of_site),
        _kept(after, bindparam("timepoint"), is_of_site=is_of_site),
    ]


def _kept(counted: Select[Any], timepoint: ColumnElement[str], *, is_of_site: bool) -> Select[Any]:
    """In the order of the covering index, so that nothing has to be sorted."""
    return counted.where(
        _score.item == bindparam("item"),
        _score.timepoint == timepoint,
        _in_strata(_score.stratum_id, is_of_site=is_of_site),
    ).group_by(_score.stratum_id, _score.before, _score.score)


def _out_of_pairs(changed: CTE) -> Select[Any]:
    """What is to be taken out: by outer joins, from the patients on, for who changed are few."""
    before, before_it = _kept_score(literal(BEFORE))
    after, after_it = _kept_score(bindparam("timepoint"))
    scores = (before.c.score, after.c.score)
    return (
        select(literal(_CORRECTION), _scored.stratum_id, _NO_GROUP, *scores, -func.count())
        .select_from(ScoredOperation)
        .outerjoin(before, before_it)
        .outerjoin(after, after_it)
        .where(_scored.patient_id.in_(select(changed.c.patient_id)))
        .group_by(_scored.stratum_id, *scores)
    )


@cache
def _course_statement(timepoints: tuple[str, ...], *, is_of_site: bool) -> CompoundSelect[Any]:
    changed = union(*CHANGED).cte("changed")
    operation = _index_operations(changed, is_of_site=is_of_site)
    parts = []
    for timepoint, scores in zip(timepoints, cohorts.scores_at(timepoints, operation), strict=True):
        true = scores.subquery()
        parts += [
            _kept_course(timepoint, is_of_site=is_of_site),
            _out_of_course(timepoint, changed),
            select(literal(timepoint), _NO_NUMBER, true.c.group, true.c.before, true.c.score, true.c.n),
        ]
    return union_all(*parts)


def _kept_course(timepoint: str, *, is_of_site: bool) -> Select[Any]:
    before = _score.score if timepoint == BEFORE else _score.before
    counted = select(literal(timepoint), _score.stratum_id, _NO_GROUP, before, _score.score, func.count())
    return _kept(counted, literal(timepoint), is_of_site=is_of_site)


def _out_of_course(timepoint: str, changed: CTE) -> Select[Any]:
    at, at_it = _kept_score(literal(timepoint))
    scores = (at.c.score if timepoint == BEFORE else at.c.before, at.c.score)
    return (
        select(literal(timepoint), _scored.stratum_id, _NO_GROUP, *scores, -func.count())
        .select_from(ScoredOperation)
        .outerjoin(at, at_it)
        .where(_scored.patient_id.in_(select(changed.c.patient_id)))
        .group_by(_scored.stratum_id, *scores)
    )


def _kept_score(timepoint: ColumnElement[str]) -> tuple[FromClause, ColumnElement[bool]]:
    """The kept row of an operation at a timepoint, and what joins it."""
    kept = table_of(Score).alias()
    of_item = (kept.c.item == bindparam("item"), kept.c.timepoint == timepoint)
    return kept, and_(kept.c.operation_id == _scored.operation_id, *of_item)


def _index_operations(changed: CTE, *, is_of_site: bool) -> CTE:
    return cohorts.index_operations(is_of_site=is_of_site, patients=select(changed.c.patient_id))
