"""The kept scores: a report from them says at every moment what the answers say."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from threading import Event, Thread
from typing import Any

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlmodel import SQLModel

from registry.cli.doctor import doctor
from registry.cli.scores import check, rebuild
from registry.config import Settings
from registry.domain.actors import Actor
from registry.domain.vocabularies import Evidence, OperationState, Region, Sex
from registry.scheduler import _scheduler_of, _Work
from registry.services import score_upkeep
from registry.services.demo import load_demo
from registry.services.reports.cohort import CohortDefinition, cohort_course, cohort_report
from registry.services.score_upkeep import check_scores, rebuild_scores, refresh_scores
from registry.storage import cohorts, score_refresh, score_rows
from registry.storage.cohorts import CohortQuery
from registry.storage.database import Database, Session
from registry.storage.erasure import remove_answers
from registry.storage.migrating import upgrade
from registry.storage.models import (
    Answer,
    Assessment,
    Classification,
    FollowUp,
    Operation,
    Patient,
    Score,
    ScoredOperation,
    Site,
    StalePatient,
)
from registry.storage.models.base import table_of
from registry.storage.score_triggers import call_all_stale, drop_triggers, missing_triggers
from tests.conftest import ROOT

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
DAY = timedelta(days=1)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
TIMEPOINTS = ("before", "M3", "M12")
ITEMS = ("low_back", "neck")
OPERATED_ON = date(2026, 8, 10)


def at_once(_seconds: float) -> None:
    """No waiting between the batches of a test."""


def refreshed(database: Database, today: date = TODAY, limit: int | None = None) -> int:
    return refresh_scores(database, today=today, limit=limit, wait=at_once)


def n_rows(database: Database, table: type[SQLModel]) -> int:
    with database.reading() as session:
        return len(session.execute(select(table_of(table))).all())


def differences(session: Session, query: CohortQuery, timepoint: str) -> list[object]:
    """Where the report from the kept rows and the one from the answers disagree."""
    kept = {*score_rows.pair_counts(session, query, timepoint=timepoint)}
    kept |= {*score_rows.timepoint_counts(session, query, timepoints=TIMEPOINTS)}  # type: ignore[arg-type]
    true = {*cohorts.pair_counts(session, query, timepoint=timepoint)}
    true |= {*cohorts.timepoint_counts(session, query, timepoints=TIMEPOINTS)}  # type: ignore[arg-type]
    return [*(kept ^ true)]


def all_differences(database: Database, today: date = TODAY) -> list[object]:
    """The same for every report there is."""
    with database.reading() as session:
        return [
            found
            for item in ITEMS
            for grouping in ("lumbar_disease", "sex")
            for site_id in (None, 1, 2)
            for timepoint in ("M3", "M12")
            for found in differences(session, CohortQuery(item, grouping, today, site_id), timepoint)
        ]


# A registry that changes


@dataclass
class History:
    """A registry to which something happens at every step, by chance."""

    rows: Connection
    random: Random
    today: date = TODAY
    patients: list[int] = field(default_factory=list)

    def add(self, table: type[SQLModel], **values: object) -> int:
        found = self.rows.execute(insert(table_of(table)).values(**values).returning(table_of(table).c.id))
        return int(found.scalar_one())

    def change(self, table: type[SQLModel], key: int, **values: object) -> None:
        self.rows.execute(update(table_of(table)).where(table_of(table).c.id == key).values(**values))

    def one(self, table: type[SQLModel], **wanted: object) -> Any:
        """A row by chance, or None."""
        found = select(table_of(table)).where(*(table_of(table).c[name] == value for name, value in wanted.items()))
        rows = self.rows.execute(found.order_by(table_of(table).c.id)).all()
        return self.random.choice(rows) if rows else None

    def step(self) -> str:
        """Let something happen, and say what."""
        happens: list[Callable[[], object]] = [
            *(20 * [self.answer]),
            *(3 * [self.send, self.operate, self.move, self.classify, self.let_days_pass, self.enrol]),
            self.set_aside,
            self.unsend,
            self.correct_a_day,
            self.cancel,
            self.change_site,
            self.erase,
            self.drop_a_window,
            self.delete_an_operation,
        ]
        happened = self.random.choice(happens) if self.patients else self.enrol
        happened()
        return happened.__name__

    def enrol(self) -> None:
        n = len(self.patients) + 1
        person = {"sex": Sex.FEMALE, "birth_year": 1950, "language": "en", "created_at": NOW}
        site_id = self.random.choice((1, 2))
        self.patients.append(self.add(Patient, public_id=f"p{n}", site_id=site_id, study_id=f"T-{n}", **person))
        self.operate(self.patients[-1])

    def operate(self, patient_id: int | None = None) -> None:
        patient_id = patient_id or self.random.choice(self.patients)
        day = TODAY - DAY * self.random.randrange(420)
        state = self.random.choice((OperationState.PERFORMED, OperationState.PERFORMED, OperationState.PLANNED))
        operated_on = day if state == OperationState.PERFORMED else None
        kind = {"region": Region.LUMBAR, "procedure": "fusion", "recorded_at": NOW, "planned_on": day}
        operation_id = self.add(Operation, patient_id=patient_id, state=state, operated_on=operated_on, **kind)
        for timepoint in TIMEPOINTS:
            days = {**self.window(day, timepoint), "timepoint": timepoint}
            self.add(FollowUp, patient_id=patient_id, operation_id=operation_id, **days)

    def window(self, day: date, timepoint: str) -> dict[str, date]:
        first, last = {"before": (-60, 0), "M3": (76, 135), "M12": (351, 455)}[timepoint]
        return {"opens_on": day + first * DAY, "due_on": day + last * DAY, "closes_on": day + last * DAY}

    def form(self) -> Any:
        """A form of a patient, begun if need be."""
        own = self.one(FollowUp, patient_id=self.random.choice(self.patients))
        if own is None:
            return None
        found = self.one(Assessment, follow_up_id=own.id)
        if found is None:
            about = {"reference": f"r{own.id}", "language": "en", "started_at": NOW}
            sent_at = self.random.choice((NOW, None, None))
            key = self.add(Assessment, follow_up_id=own.id, patient_id=own.patient_id, submitted_at=sent_at, **about)
            found = self.one(Assessment, id=key)
        return found

    def answer(self) -> None:
        form = self.form()
        if form is None:
            return
        item = self.random.choice(ITEMS)
        own = self.one(FollowUp, id=form.follow_up_id)
        versions = table_of(Answer).c
        of_item = (versions.assessment_id == form.id, versions.item == item)
        n_versions = len(self.rows.execute(select(versions.id).where(*of_item)).all())
        self.rows.execute(update(Answer).where(*of_item, versions.superseded_at.is_(None)).values(superseded_at=NOW))
        score = self.random.choice((None, *range(0, 101, 5)))
        about = {"instrument_version": "v", "language": "en", "recorded_at": NOW, "is_skipped": score is None}
        answered_on = own.opens_on + self.random.randrange(-5, 62) * DAY
        self.add(
            Answer,
            assessment_id=form.id,
            item=item,
            version=n_versions + 1,
            score=score,
            answered_on=answered_on,
            superseded_at=self.random.choice((None, None, None, NOW)),
            **about,
        )

    def send(self) -> None:
        if (form := self.one(Assessment)) is not None:
            self.change(Assessment, form.id, submitted_at=NOW)

    def unsend(self) -> None:
        if (form := self.one(Assessment)) is not None:
            self.change(Assessment, form.id, submitted_at=None)

    def set_aside(self) -> None:
        if (answer := self.one(Answer, superseded_at=None)) is not None:
            self.change(Answer, answer.id, superseded_at=NOW)

    def correct_a_day(self) -> None:
        if (answer := self.one(Answer)) is not None:
            self.change(Answer, answer.id, answered_on=answer.answered_on + self.random.randrange(-40, 40) * DAY)

    def move(self) -> None:
        if (operation := self.one(Operation)) is None:
            return
        day = TODAY - DAY * self.random.randrange(420)
        self.change(Operation, operation.id, state=OperationState.PERFORMED, operated_on=day)
        for timepoint in TIMEPOINTS:
            if (own := self.one(FollowUp, operation_id=operation.id, timepoint=timepoint)) is not None:
                self.change(FollowUp, own.id, **self.window(day, timepoint))

    def cancel(self) -> None:
        if (operation := self.one(Operation)) is not None:
            self.change(Operation, operation.id, state=OperationState.CANCELLED, operated_on=None)

    def classify(self) -> None:
        grouping, groups = self.random.choice((("lumbar_disease", ("with", "without")), ("sex", ("f", "m"))))
        patient_id = self.random.choice(self.patients)
        is_standing = {"patient_id": patient_id, "grouping_code": grouping, "superseded_at": None}
        if (standing := self.one(Classification, **is_standing)) is not None:
            self.change(Classification, standing.id, superseded_at=NOW)
        about = {"evidence": Evidence.MRI, "assessed_by": "", "recorded_at": NOW}
        if self.random.random() < 0.8:
            self.add(Classification, **is_standing, group_code=self.random.choice(groups), **about)

    def change_site(self) -> None:
        self.change(Patient, self.random.choice(self.patients), site_id=self.random.choice((1, 2)))

    def erase(self) -> None:
        with Session(self.rows) as session:
            remove_answers(session, patient_id=self.random.choice(self.patients))
            session.flush()

    def drop_a_window(self) -> None:
        own = self.one(FollowUp)
        if own is not None and self.one(Assessment, follow_up_id=own.id) is None:
            self.rows.execute(delete(FollowUp).where(table_of(FollowUp).c.id == own.id))

    def delete_an_operation(self) -> None:
        operation = self.one(Operation)
        if operation is not None and self.one(FollowUp, operation_id=operation.id) is None:
            self.rows.execute(delete(Operation).where(table_of(Operation).c.id == operation.id))

    def let_days_pass(self) -> None:
        self.today += DAY * self.random.randrange(40)


def history(database: Database, seed: int) -> tuple[History, Callable[[], str]]:
    """A registry with two sites and some patients, and what makes its next step in a transaction of its own."""
    with database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        found = History(session.connection(), Random(seed))
        for _ in range(5):
            found.enrol()

    def step() -> str:
        with database.transaction() as session:
            found.rows = session.connection()
            return found.step()

    return found, step


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.0, 0.3], ids=["never refreshed", "refreshed now and then"])
def test_a_report_from_kept_rows_is_one_from_the_answers_after_every_step(
    database: Database, seed: int, share: float
) -> None:
    found, step = history(database, seed)
    chance = Random(seed + 100)
    refreshed(database)
    for _ in range(120):
        what = step()
        if chance.random() < share:
            refreshed(database, found.today, limit=chance.choice((1, 3, None)))
        # Another site's day, or a clock that was put right, may be another one than that of the last refresh.
        day = found.today + DAY * chance.choice((0, 0, 0, -1, 1, -60, 60))
        query = CohortQuery(chance.choice(ITEMS), "lumbar_disease", day, chance.choice((None, 1, 2)))
        with database.reading() as session:
            assert (what, differences(session, query, chance.choice(("M3", "M12")))) == (what, [])
    refreshed(database, found.today)
    assert all_differences(database, found.today) == []
    assert check_scores(database, today=found.today).wrong == []
    assert n_rows(database, StalePatient) == 0


def test_a_history_has_something_to_count(database: Database) -> None:
    found, step = history(database, seed=1)
    happened = {step() for _ in range(200)}
    refreshed(database, found.today)

    assert len(happened) > 12
    assert n_rows(database, Score) > 10
    assert n_rows(database, ScoredOperation) > 5


# Each trigger


@pytest.fixture
def one_patient(database: Database) -> History:
    """A patient with two operations, scores before and after the first, one form that is not sent, and a group."""
    with database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        found = History(session.connection(), Random(1))
        for number in (1, 2):
            person = {"sex": Sex.FEMALE, "birth_year": 1950, "language": "en", "created_at": NOW}
            found.add(Patient, id=number, public_id=f"p{number}", site_id=1, study_id=f"T-{number}", **person)
        kind = {"region": Region.LUMBAR, "procedure": "fusion", "recorded_at": NOW, "patient_id": 1}
        performed = {"state": OperationState.PERFORMED, "operated_on": OPERATED_ON}
        found.add(Operation, id=1, **performed, **kind)
        second_day = OPERATED_ON + 90 * DAY
        found.add(Operation, id=2, state=OperationState.PERFORMED, operated_on=second_day, **kind)
        for number, (operation_id, timepoint) in enumerate([(1, "before"), (1, "M3"), (1, "M12"), (2, "before")], 1):
            day = OPERATED_ON if operation_id == 1 else second_day
            days = found.window(day, timepoint)
            about = {"patient_id": 1, "operation_id": operation_id, "timepoint": timepoint}
            found.add(FollowUp, id=number, **about, **days)
        for number, (follow_up_id, sent_at) in enumerate([(1, NOW), (4, NOW), (2, None)], 1):
            about = {"reference": f"r{number}", "language": "en", "started_at": NOW, "submitted_at": sent_at}
            found.add(Assessment, id=number, patient_id=1, follow_up_id=follow_up_id, **about)
        days = [OPERATED_ON - DAY, second_day - 2 * DAY, second_day - DAY]
        for number, (score, day) in enumerate(zip((60, 50, 20), days, strict=True), 1):
            given = {"id": number, "assessment_id": number, "answered_on": day, "score": score}
            found.add(Answer, **given, item="low_back", version=1, is_skipped=False, **_OF_AN_ANSWER)
        found.add(Classification, id=1, patient_id=1, group_code="with", **_OF_A_GROUP)
    refreshed(database)
    return found


_OF_AN_ANSWER: dict[str, Any] = {"instrument_version": "v", "language": "en", "recorded_at": NOW}
_OF_A_GROUP: dict[str, Any] = {
    "grouping_code": "lumbar_disease",
    "evidence": Evidence.MRI,
    "assessed_by": "",
    "recorded_at": NOW,
}
_OF_AN_OPERATION: dict[str, Any] = {
    "state": OperationState.PERFORMED,
    "region": Region.LUMBAR,
    "procedure": "fusion",
    "recorded_at": NOW,
}
_WINDOW = {"opens_on": OPERATED_ON + 80 * DAY, "due_on": OPERATED_ON + 99 * DAY, "closes_on": OPERATED_ON + 99 * DAY}

CHANGES: dict[str, Callable[[History], object]] = {
    "answer__insert": lambda rows: rows.add(
        Answer,
        id=9,
        assessment_id=1,
        item="neck",
        version=1,
        score=5,
        is_skipped=False,
        answered_on=OPERATED_ON,
        **_OF_AN_ANSWER,
    ),
    "answer__update": lambda rows: rows.change(Answer, 1, superseded_at=NOW),
    "answer__delete": lambda rows: rows.rows.execute(delete(Answer).where(table_of(Answer).c.id == 1)),
    "assessment__update": lambda rows: rows.change(Assessment, 3, submitted_at=NOW),
    "operation__insert": lambda rows: rows.add(
        Operation, id=9, patient_id=2, operated_on=OPERATED_ON, **_OF_AN_OPERATION
    ),
    "operation__update": lambda rows: rows.change(Operation, 1, operated_on=OPERATED_ON + 200 * DAY),
    "operation__delete": lambda rows: rows.rows.execute(delete(Operation).where(table_of(Operation).c.id == 3)),
    "follow_up__insert": lambda rows: rows.add(FollowUp, id=9, patient_id=1, operation_id=1, timepoint="M6", **_WINDOW),
    "follow_up__update": lambda rows: rows.change(FollowUp, 1, opens_on=OPERATED_ON, due_on=OPERATED_ON),
    "follow_up__delete": lambda rows: rows.rows.execute(delete(FollowUp).where(table_of(FollowUp).c.id == 3)),
    "classification__insert": lambda rows: rows.add(
        Classification, id=9, patient_id=1, group_code="f", **{**_OF_A_GROUP, "grouping_code": "sex"}
    ),
    "classification__update": lambda rows: rows.change(Classification, 1, superseded_at=NOW),
    "classification__delete": lambda rows: rows.rows.execute(delete(Classification)),
    "patient__update": lambda rows: rows.change(Patient, 1, site_id=2),
}


def test_every_trigger_is_tried(database: Database) -> None:
    with database.transaction() as session:
        drop_triggers(session.connection())
        assert {name.removeprefix("stale__") for name in missing_triggers(session)} == CHANGES.keys()


def prepared(change: str, rows: History) -> None:
    """What a change needs that would be in the way of the others."""
    if change == "operation__delete":
        rows.add(Operation, id=3, patient_id=2, operated_on=OPERATED_ON, **_OF_AN_OPERATION)
    if change == "follow_up__delete":
        # The score after three months, given on the form before the second operation, counts here as well.
        rows.change(FollowUp, 3, **_WINDOW)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_at_once_because_of_its_trigger(database: Database, one_patient: History, change: str) -> None:
    with database.transaction() as session:
        one_patient.rows = session.connection()
        prepared(change, one_patient)
    refreshed(database)
    assert all_differences(database) == []
    for is_watched in (True, False):
        with database.transaction() as session:
            one_patient.rows = session.connection()
            if not is_watched:
                of_table = f" ON {change.partition('__')[0]}" if not database.is_sqlite else ""
                session.execute(text(f"DROP TRIGGER stale__{change}{of_table}"))
            with session.connection().begin_nested() as attempt:
                CHANGES[change](one_patient)
                found = _found_within(session)
                attempt.rollback()
        assert bool(found) != is_watched, found


def _found_within(session: Session) -> list[object]:
    queries = [
        CohortQuery(item, grouping, TODAY, site_id)
        for item in ITEMS
        for grouping in ("lumbar_disease", "sex")
        for site_id in (None, 1)
    ]
    found = [one for query in queries for one in differences(session, query, "M12")]
    query = CohortQuery("low_back", "lumbar_disease", TODAY)
    kept = {*score_rows.timepoint_counts(session, query, timepoints=["M6"])}
    return [*found, *(kept ^ {*cohorts.timepoint_counts(session, query, timepoints=["M6"])})]


def stale_after(database: Database, change: Callable[[History], object]) -> int:
    """How many patients a change calls stale."""
    with database.transaction() as session:
        change(History(session.connection(), Random(1)))
    return n_rows(database, StalePatient)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.change(Assessment, 1, suspicion="too_fast", respondent="self"),
        lambda rows: rows.change(Assessment, 1, submitted_at=NOW + DAY),
        lambda rows: rows.change(FollowUp, 2, declined_on=TODAY),
        lambda rows: rows.change(Operation, 1, procedure="laminoplasty"),
        lambda rows: rows.change(Patient, 1, died_on=TODAY, birth_year=1951),
    ],
    ids=["looked at", "sent again", "declined", "renamed", "died"],
)
def test_a_change_from_which_no_score_follows_calls_nobody_stale(
    database: Database, one_patient: History, change: Callable[[History], object]
) -> None:
    assert stale_after(database, change) == 0


# Days that pass


def test_a_form_that_closes_unsent_counts_from_the_next_day_without_a_refresh(
    database: Database, one_patient: History
) -> None:
    closes_on = one_patient.window(OPERATED_ON, "M3")["closes_on"]
    before, after = (all_differences(database, closes_on + days * DAY) for days in (0, 1))
    assert (before, after) == ([], [])
    query = CohortQuery("low_back", "lumbar_disease", closes_on)
    with database.reading() as session:
        on_last_day, on_next_day = (
            {row.after: row.n for row in score_rows.pair_counts(session, replace(query, today=day), timepoint="M3")}
            for day in (closes_on, closes_on + DAY)
        )
    assert (on_last_day, on_next_day) == ({50: 1}, {20: 1})


def test_a_day_on_which_a_form_closes_is_refreshed_once(database: Database, one_patient: History) -> None:
    next_day = one_patient.window(OPERATED_ON, "M3")["closes_on"] + DAY

    assert [refreshed(database, day) for day in (next_day - DAY, next_day, next_day)] == [0, 1, 0]
    assert check_scores(database, today=next_day).wrong == []


def test_a_clock_that_was_ahead_is_put_right(database: Database, one_patient: History) -> None:
    ahead = TODAY + 900 * DAY

    assert [refreshed(database, day) for day in (ahead, TODAY, TODAY)] == [1, 1, 0]
    assert check_scores(database, today=TODAY).wrong == []


# Too many, and what it costs


def test_of_too_many_changes_the_answers_are_joined(
    database: Database, one_patient: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        session.execute(update(Score).values(score=99))
        session.execute(insert(table_of(StalePatient)).values(patient_id=2, changed_in=0))
    query = CohortQuery("low_back", "lumbar_disease", TODAY)
    with database.reading() as session:
        assert differences(session, query, "M3") != []
        monkeypatch.setattr(score_rows, "MOST_CORRECTED", 0)
        assert differences(session, query, "M3") == []


@on_sqlite
def test_counting_reads_covering_indexes_and_sorts_nothing(database: Database) -> None:
    values = {"item": "low_back", "timepoint": "M12", "site_id": 1}
    with database.reading() as session:
        for is_of_site in (False, True):
            for part in score_rows._kept_parts(is_of_site=is_of_site):
                found = part.compile(database.engine, compile_kwargs={"render_postcompile": True})
                given = tuple((found.params | values)[name] for name in found.positiontup or ())
                plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {found}", given)
                steps = [row[3] for row in plan]
                read = [step for step in steps if re.match("(SCAN|SEARCH) (score|scored_operation) ", step)]
                assert len(read) == 1
                assert " USING COVERING INDEX ix__" in read[0]
                assert not [step for step in steps if "TEMP B-TREE" in step]


# Refresh, rebuild and check


def planted(database: Database, statement: str) -> None:
    with database.transaction() as session:
        session.execute(text(statement))


PLANTED = {
    "another score": "UPDATE score SET score = 61 WHERE timepoint = 'before' AND operation_id = 1",
    "another score before": "UPDATE score SET before = 59 WHERE timepoint = 'M3' AND operation_id = 1",
    "another stratum": "UPDATE score SET stratum_id = stratum_id + 1 WHERE timepoint = 'M3'",
    "a score too many": "INSERT INTO score (operation_id, item, timepoint, stratum_id, score)"
    " SELECT operation_id, item, 'M12', stratum_id, score FROM score WHERE timepoint = 'M3'",
    "a score too few": "DELETE FROM score WHERE timepoint = 'M3'",
    "an operation too few": "DELETE FROM scored_operation WHERE operation_id = 2",
    "an operation of somebody else": "UPDATE scored_operation SET patient_id = 2 WHERE operation_id = 2",
    "an operation of nobody": "UPDATE scored_operation SET patient_id = 9 WHERE operation_id = 2",
    "an operation that is not there": "INSERT INTO scored_operation (operation_id, patient_id, stratum_id)"
    " SELECT 9, patient_id, stratum_id FROM scored_operation WHERE operation_id = 1",
    "an operation of another stratum": "UPDATE scored_operation SET stratum_id = 9 WHERE operation_id = 1",
    "another day": "UPDATE scored_operation SET holds_until = NULL",
    "scores of no operation": "INSERT INTO score (operation_id, item, timepoint, stratum_id, score)"
    " VALUES (9, 'low_back', 'M3', 1, 50)",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_check_finds_what_a_rebuild_puts_right(database: Database, one_patient: History, kind: str) -> None:
    assert check_scores(database, today=TODAY).wrong == []

    planted(database, PLANTED[kind])

    assert check_scores(database, today=TODAY).wrong != []
    rebuild_scores(database, today=TODAY, wait=at_once)
    assert check_scores(database, today=TODAY).wrong == []
    assert all_differences(database) == []


def test_a_check_leaves_out_who_waits_to_be_refreshed(database: Database, one_patient: History) -> None:
    with database.transaction() as session:
        session.execute(update(Answer).values(score=7))

    result = check_scores(database, today=TODAY)

    assert (result.n_patients, result.n_waiting, result.wrong) == (2, 1, [])


def test_a_rebuild_leaves_nobody_stale_and_counts_everybody(database: Database, one_patient: History) -> None:
    with database.transaction() as session:
        call_all_stale(session.connection())
    said: list[tuple[int, int]] = []

    n_patients = rebuild_scores(database, today=TODAY, wait=at_once, progress=lambda *done: said.append(done))

    assert (n_patients, said, n_rows(database, StalePatient)) == (2, [(2, 2)], 0)


def test_a_refresh_stops_when_told_and_after_so_many(database: Database, one_patient: History) -> None:
    with database.transaction() as session:
        call_all_stale(session.connection())

    assert refresh_scores(database, today=TODAY, is_stopping=lambda: True, wait=at_once) == 0
    assert refreshed(database, limit=1) == 1
    assert refreshed(database) == 1


def test_between_two_batches_others_have_as_long_as_a_batch_took(
    database: Database, one_patient: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_upkeep, "BATCH_SIZE", 1)
    with database.transaction() as session:
        call_all_stale(session.connection())
    waits: list[float] = []

    refresh_scores(database, today=TODAY, wait=waits.append)

    assert len(waits) == 2
    assert min(waits) > 0


def test_an_operation_whose_number_was_given_anew_is_counted_as_the_other_patients(
    database: Database, one_patient: History
) -> None:
    with database.transaction() as session:
        rows = History(session.connection(), Random(1))
        prepared("operation__delete", rows)
    refreshed(database)
    with database.transaction() as session:
        session.execute(delete(Operation).where(table_of(Operation).c.id == 3))
        new = {"id": 3, "patient_id": 1, "operated_on": OPERATED_ON - 500 * DAY, **_OF_AN_OPERATION}
        session.execute(insert(table_of(Operation)).values(**new))
    assert all_differences(database) == []

    refreshed(database, limit=1)

    assert all_differences(database) == []
    refreshed(database)
    assert check_scores(database, today=TODAY).wrong == []


def test_deleted_answers_are_gone_from_the_kept_scores_at_once(database: Database, one_patient: History) -> None:
    assert n_rows(database, Score) > 0
    with database.transaction() as session:
        remove_answers(session, patient_id=1)

    assert n_rows(database, Score) == 0
    assert all_differences(database) == []


# Two at the same time


@on_postgresql
def test_a_change_that_is_committed_while_a_refresh_runs_stays_known(database: Database, one_patient: History) -> None:
    with database.transaction() as session:
        session.execute(update(Answer).where(table_of(Answer).c.id == 1).values(score=61))
    with database.engine.connect() as writer:
        # Stale already, and changed again by somebody who has not come to an end.
        writer.execute(text("UPDATE answer SET score = 62 WHERE id = 1"))
        assert refreshed(database) == 1
        assert n_rows(database, StalePatient) == 0
        writer.commit()
    assert n_rows(database, StalePatient) == 1
    assert all_differences(database) == []
    assert refreshed(database) == 1
    assert check_scores(database, today=TODAY).wrong == []


@on_postgresql
def test_a_patient_waits_for_no_refresh_and_no_other_writer(database: Database, one_patient: History) -> None:
    with database.engine.connect() as writer, database.engine.connect() as other:
        for connection in (writer, other):
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
        other.execute(text("UPDATE follow_up SET opens_on = opens_on WHERE patient_id = 1 AND id = 4"))
        with database.transaction() as session:
            score_refresh.take_turn(session)
            score_refresh.refresh(session, [1, 2], today=TODAY)
            writer.execute(text("UPDATE answer SET score = 62 WHERE id = 1"))
            writer.commit()
        assert n_rows(database, StalePatient) == 1
        other.commit()
    assert all_differences(database) == []
    refreshed(database)
    assert check_scores(database, today=TODAY).wrong == []


def test_reports_and_rows_are_right_after_many_changes_beside_refreshes(
    database: Database, one_patient: History
) -> None:
    is_over = Event()

    def keep_answering() -> None:
        for score in range(100):
            with database.transaction() as session:
                session.execute(update(Answer).where(table_of(Answer).c.id == 1 + score % 3).values(score=score))
        is_over.set()

    writer = Thread(target=keep_answering)
    writer.start()
    while not is_over.is_set():
        refreshed(database)
    writer.join()

    assert all_differences(database) == []
    refreshed(database)
    assert check_scores(database, today=TODAY).wrong == []


# Triggers that are not there


def test_a_trigger_that_was_lost_is_made_anew_and_everybody_is_looked_at(
    database: Database, one_patient: History
) -> None:
    of_table = "" if database.is_sqlite else " ON answer"
    with database.transaction() as session:
        session.execute(text(f"DROP TRIGGER stale__answer__update{of_table}"))
        session.execute(update(Answer).values(score=7))
    with database.reading() as session:
        assert missing_triggers(session) == ["stale__answer__update"]
    assert all_differences(database) != []

    upgrade(database)

    with database.reading() as session:
        assert missing_triggers(session) == []
    assert all_differences(database) == []
    assert refreshed(database) == 2


def test_where_no_trigger_is_missing_an_upgrade_calls_nobody_stale(database: Database, one_patient: History) -> None:
    upgrade(database)

    assert n_rows(database, StalePatient) == 0


@on_postgresql
def test_a_trigger_that_was_switched_off_is_missing(database: Database, one_patient: History) -> None:
    planted(database, "ALTER TABLE answer DISABLE TRIGGER stale__answer__update")
    with database.reading() as session:
        assert missing_triggers(session) == ["stale__answer__update"]

    upgrade(database)

    with database.reading() as session:
        assert missing_triggers(session) == []


# The command line and the scheduler


def test_the_commands_rebuild_and_check(database: Database, one_patient: History, settings: Settings) -> None:
    def run(command: click.Command) -> tuple[int, str]:
        found = CliRunner().invoke(command, ["--config", str(ROOT / "config.toml")])
        return found.exit_code, found.output

    planted(database, PLANTED["another score"])
    # The configuration knows one site.
    planted(database, "DELETE FROM site WHERE id = 2")

    assert run(check)[0] == 1
    assert run(rebuild) == (0, "The scores of 2 patients were made anew.\n")
    code, said = run(check)
    assert (code, said.splitlines()[-1]) == (0, "The kept scores are what the answers say.")


def test_the_doctor_names_a_trigger_that_is_missing(database: Database, settings: Settings) -> None:
    with database.transaction() as session:
        drop_triggers(session.connection())

    found = CliRunner().invoke(doctor, ["--config", str(ROOT / "config.toml")])

    assert found.exit_code == 1
    assert "stale__patient__update" in found.output


def test_the_scheduler_refreshes(database: Database, one_patient: History, settings: Settings, now: datetime) -> None:
    with database.transaction() as session:
        session.execute(update(Answer).values(score=7))
    work = _Work(settings, lambda: now, lambda: False)

    work.refresh()
    work._database.dispose()

    assert n_rows(database, StalePatient) == 0
    assert "refresh scores" in {job.id for job in _scheduler_of(work).get_jobs()}


def test_the_report_is_the_same_to_the_last_digit_before_and_after_a_refresh(
    database: Database, settings: Settings, now: datetime, by: Actor
) -> None:
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
    basis: dict[str, Any] = {"study": settings.protocol, "today": TODAY}
    definition = CohortDefinition(item="low_back", timepoint="M12", grouping="lumbar_disease", entry=30)

    def reported() -> tuple[object, object]:
        with database.reading() as session:
            report = cohort_report(session, definition=definition, now=now, is_demo=True, **basis)
            return report, cohort_course(session, definition=definition, **basis)

    before = reported()
    assert refreshed(database) > 100

    assert reported() == before
    assert n_rows(database, Score) > 1000
