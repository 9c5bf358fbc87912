"""The connection rules that keep an answer, and the laws that the database enforces itself."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import Session, col, select

from registry.config import Settings
from registry.domain.instruments import Mode
from registry.domain.ladder import SkipReason
from registry.domain.vocabularies import OperationState, Region
from registry.storage.database import Database, DatabaseUnusable
from registry.storage.models import (
    Answer,
    Assessment,
    AuditEvent,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Reminder,
    ReminderState,
    Site,
)
from tests.factories import make_operation, make_patient
from tests.postgresql import Cluster

AT = datetime(2026, 11, 20, tzinfo=UTC)

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

RULES = {
    "journal_mode": "wal",
    "synchronous": 2,
    "busy_timeout": 15000,
    "foreign_keys": 1,
    "recursive_triggers": 1,
    "secure_delete": 1,
    "trusted_schema": 0,
    "journal_size_limit": 67108864,
}


@pytest.fixture
def rows(database: Database, settings: Settings, now: datetime) -> Database:
    """A database with one patient, one operation and one assessment, all numbered 1."""
    with database.transaction() as session:
        patient = make_patient(session, now=now)
        make_operation(session, patient, settings, now=now, today=now.date(), operated_on=date(2025, 11, 20))
        follow_up = session.exec(select(FollowUp).where(FollowUp.timepoint == "M12")).one()
        session.add(
            Assessment(follow_up_id=follow_up.id, patient_id=patient.id, reference="r", language="en", started_at=now)
        )
    return database


# SQLite's rules


@on_sqlite
@pytest.mark.parametrize(("rule", "value"), RULES.items())
def test_every_connection_keeps_the_rules_of_sqlite(database: Database, rule: str, value: object) -> None:
    with database.reading() as session, database.transaction() as other:
        found = [one.execute(text(f"PRAGMA {rule}")).scalar_one() for one in (session, other)]

    assert found == [value, value]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnusable, match="name a file"):
        Database(url)


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new/registry.db")

    with database.transaction() as session:
        session.execute(text("SELECT 1"))

    assert (tmp_path / "new" / "registry.db").exists()
    database.dispose()


def test_a_missing_database_does_not_answer_and_is_not_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/registry.db")

    answers = database.answers()

    database.dispose()
    assert (answers, list(tmp_path.iterdir())) == (False, [])


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_file_that_is_no_registry_does_not_answer(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "registry.db").write_bytes(content)
    database = Database(f"sqlite:///{tmp_path}/registry.db")

    answers = database.answers()

    database.dispose()
    assert not answers


def test_an_empty_database_of_postgresql_does_not_answer(cluster: Cluster) -> None:
    name = cluster.new()
    database = Database(cluster.url(name))

    answers = database.answers()

    database.dispose()
    cluster.drop(name)
    assert not answers


def test_a_migrated_database_answers(database: Database) -> None:
    assert database.answers()


@on_sqlite
def test_a_reader_does_not_wait_for_a_writer(rows: Database) -> None:
    with rows.transaction() as writer, rows.reading() as reader:
        writer.execute(update(Patient).values(study_id="changed"))

        assert reader.exec(select(Patient.study_id)).one() != "changed"


@on_sqlite
def test_a_writer_does_not_wait_for_a_reader(rows: Database) -> None:
    with rows.reading() as reader:
        reader.exec(select(Patient)).all()

        with rows.transaction() as writer:
            writer.execute(update(Patient).values(study_id="changed"))

        assert reader.exec(select(Patient.study_id)).one() != "changed"


@on_sqlite
def test_a_transaction_that_has_only_read_keeps_other_writers_out(rows: Database) -> None:
    """A write lock that is taken at the first write only could not be had any more after a read."""
    with closing(sqlite3.connect(str(rows.url.database), timeout=0)) as other, rows.transaction() as session:
        session.exec(select(Patient)).all()

        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


@on_sqlite
def test_rows_are_changed_under_the_write_lock_and_read_without_it(rows: Database) -> None:
    with rows.row_transaction() as writer, rows.look() as reader:
        writer.execute(update(Patient).values(study_id="changed"))

        assert reader.execute(select(Patient.study_id)).scalar_one() != "changed"
        other = sqlite3.connect(str(rows.url.database), timeout=0)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


# Transactions


@pytest.mark.parametrize("fails", [True, False])
def test_rows_are_kept_together_or_not_at_all(rows: Database, fails: bool) -> None:
    with suppress(ZeroDivisionError), rows.row_transaction() as connection:
        connection.execute(update(Patient).values(study_id="changed"))
        if fails:
            raise ZeroDivisionError

    with rows.look() as connection:
        assert (connection.execute(select(Patient.study_id)).scalar_one() == "changed") is not fails


def test_a_transaction_that_fails_leaves_nothing(rows: Database) -> None:
    def fail_after_writing() -> None:
        with rows.transaction() as session:
            session.execute(update(Patient).values(study_id="changed"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_writing()

    with rows.reading() as session:
        assert session.exec(select(Patient.study_id)).one() != "changed"


def test_what_was_only_read_is_not_written(rows: Database) -> None:
    with rows.reading() as session:
        session.exec(select(Patient)).one().study_id = "changed"

    with rows.reading() as session:
        assert session.exec(select(Patient.study_id)).one() != "changed"


N_THREADS, N_INCREMENTS = 4, 50


def count_up(database: Database) -> None:
    with database.transaction() as session:
        statement = select(Reminder).where(Reminder.rung == 0).limit(1).with_for_update()
        row = session.exec(statement).one()
        row.n_attempts += 1


def in_threads(work: Callable[[], None]) -> list[Exception]:
    line, raised = Barrier(N_THREADS), []

    def run() -> None:
        line.wait()
        try:
            for _ in range(N_INCREMENTS):
                work()
        except Exception as error:
            raised.append(error)

    threads = [Thread(target=run) for _ in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("is_shared", [True, False], ids=["one door", "a door each"])
def test_reading_then_writing_under_contention_loses_nothing(rows: Database, is_shared: bool) -> None:
    with rows.transaction() as session:
        keep = session.exec(select(Reminder.id).where(Reminder.rung == 0)).first()
        session.execute(update(Reminder).where(col(Reminder.id) != keep).values(rung=Reminder.rung + 10))
    doors = [rows] if is_shared else [Database(rows.url.render_as_string(False)) for _ in range(N_THREADS)]
    waiting = iter(doors * N_THREADS * N_INCREMENTS)

    raised = in_threads(lambda: count_up(next(waiting)))

    with rows.reading() as session:
        counted = session.exec(select(Reminder.n_attempts).where(Reminder.rung == 0)).one()
    for door in doors:
        door.dispose()
    assert (raised, counted) == ([], N_THREADS * N_INCREMENTS)


# Time


@pytest.mark.parametrize("hours", [-12, -3.5, 0, 5.75, 9, 14])
def test_an_instant_comes_back_as_the_same_instant_in_utc(rows: Database, hours: float) -> None:
    instant = datetime(2026, 3, 29, 1, 59, 59, 999999, tzinfo=timezone(timedelta(hours=hours)))
    with rows.transaction() as session:
        session.execute(update(Patient).values(created_at=instant))

    with rows.reading() as session:
        found = session.exec(select(Patient.created_at)).one()

    assert (found, found.tzinfo) == (instant, UTC)


def test_an_instant_without_a_zone_is_refused(rows: Database) -> None:
    naive = datetime(2026, 11, 20, 9, 0)  # noqa: DTZ001  what must be refused

    with pytest.raises(StatementError, match="timezone"), rows.transaction() as session:
        session.execute(update(Patient).values(created_at=naive))


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 3, 29), date(2038, 1, 20)])
def test_a_day_comes_back_as_the_same_day(rows: Database, day: date) -> None:
    with rows.transaction() as session:
        session.execute(update(Patient).values(born_on=day))

    with rows.reading() as session:
        assert session.exec(select(Patient.born_on)).one() == day


# Laws


def answer(**changes: object) -> dict[str, object]:
    standard: dict[str, object] = {
        "assessment_id": 1,
        "item": "low_back",
        "version": 1,
        "score": 40,
        "is_skipped": False,
        "mode": Mode.TOUCH,
        "instrument_version": "v",
        "language": "en",
        "answered_on": date(2026, 11, 20),
        "recorded_at": datetime(2026, 11, 20, tzinfo=UTC),
    }
    return standard | changes


def refused(database: Database, change: Callable[[Session], object]) -> str:
    with pytest.raises(IntegrityError) as caught, database.transaction() as session:
        change(session)
    return str(caught.value.orig)


@pytest.mark.parametrize("score", [0, 100])
def test_a_score_at_the_end_of_the_line_is_taken(rows: Database, score: int) -> None:
    with rows.transaction() as session:
        session.execute(insert(Answer).values(answer(score=score)))

    with rows.reading() as session:
        assert session.exec(select(Answer.score)).all() == [score]


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"score": 101}, "ck__answer__score_in_range"),
        ({"score": -1}, "ck__answer__score_in_range"),
        ({"is_skipped": True}, "ck__answer__skipped_has_no_score"),
        ({"score": None}, "ck__answer__skipped_has_no_score"),
        ({"version": 0}, "ck__answer__version_counts_from_one"),
    ],
)
def test_an_impossible_answer_is_refused(rows: Database, changes: dict[str, object], law: str) -> None:
    message = refused(rows, lambda session: session.execute(insert(Answer).values(answer(**changes))))

    assert law in message


def test_an_answer_of_no_assessment_is_refused(rows: Database) -> None:
    message = refused(rows, lambda session: session.execute(insert(Answer).values(answer(assessment_id=99))))

    assert "foreign key" in message.lower()


def test_a_second_standing_answer_to_the_same_item_is_refused(rows: Database) -> None:
    with rows.transaction() as session:
        session.execute(insert(Answer).values(answer()))

    message = refused(rows, lambda session: session.execute(insert(Answer).values(answer(version=2))))

    assert "unique" in message.lower()


def test_the_same_version_twice_is_refused(rows: Database) -> None:
    superseded = datetime(2026, 11, 20, tzinfo=UTC)
    with rows.transaction() as session:
        session.execute(insert(Answer).values(answer(superseded_at=superseded)))

    message = refused(rows, lambda session: session.execute(insert(Answer).values(answer())))

    assert "unique" in message.lower()


def test_a_patient_with_rows_cannot_be_deleted(rows: Database) -> None:
    message = refused(rows, lambda session: session.execute(text("DELETE FROM patient")))

    assert "foreign key" in message.lower()


def operation(**changes: object) -> dict[str, object]:
    standard: dict[str, object] = {
        "patient_id": 1,
        "state": OperationState.PERFORMED,
        "operated_on": date(2026, 1, 5),
        "region": Region.CERVICAL,
        "procedure": "laminoplasty",
        "recorded_at": datetime(2026, 11, 20, tzinfo=UTC),
    }
    return standard | changes


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"operated_on": None}, "ck__operation__performed_has_its_day"),
        ({"state": OperationState.PLANNED}, "ck__operation__performed_has_its_day"),
        ({"state": OperationState.PLANNED, "operated_on": None}, "ck__operation__planned_has_its_day"),
    ],
)
def test_an_operation_without_its_day_is_refused(rows: Database, changes: dict[str, object], law: str) -> None:
    message = refused(rows, lambda session: session.execute(insert(Operation).values(operation(**changes))))

    assert law in message


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (update(Reminder).values(state=ReminderState.SKIPPED), "skipped_says_why"),
        (update(Reminder).values(skip_reason=SkipReason.DIED), "skipped_says_why"),
        (update(Reminder).values(state=ReminderState.ACCEPTED), "accepted_says_when"),
        (update(Reminder).values(state=ReminderState.BOUNCED, bounced_at=AT), "accepted_says_when"),
        (
            update(Reminder).values(state=ReminderState.BOUNCED, sent_at=AT),
            "bounced_says_when",
        ),
        (update(Contact).values(email_bounced_at=AT), "bounced_says_why"),
        (update(Contact).values(email_bounced_at=AT, email_bounce="full", email=None), "bounced_says_why"),
        (update(Contact).values(n_soft_bounces=1), "soft_bounces_counted"),
        (update(FollowUp).values(closes_on=date(2000, 1, 1)), "window_in_order"),
        (update(Patient).values(birth_year=1879), "birth_year_plausible"),
        (update(Patient).values(language="fr"), "language_known"),
        (update(Enrolment).values(withdrawn_on=date(2000, 1, 1)), "withdrawn_after_enrolled"),
        (text("UPDATE patient SET sex = 'f'"), "sex_known"),
        (text("UPDATE reminder SET state = 'sent'"), "state_known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_impossible_row_is_refused(rows: Database, change: object, law: str) -> None:
    message = refused(rows, lambda session: session.execute(change))

    assert law in message


def test_one_reminder_a_rung(rows: Database) -> None:
    message = refused(rows, lambda session: session.execute(update(Reminder).values(rung=0)))

    assert "unique" in message.lower()


def test_one_patient_a_study_id_and_site(rows: Database, now: datetime) -> None:
    with rows.transaction() as session:
        make_patient(session, now=now)

    message = refused(rows, lambda session: session.execute(update(Patient).values(study_id="same")))

    assert "unique" in message.lower()


def test_the_same_study_id_at_two_sites_is_two_patients(rows: Database, now: datetime) -> None:
    with rows.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        make_patient(session, now=now, study_id="same")
        make_patient(session, now=now, study_id="same", site_code="OTHER")

    with rows.reading() as session:
        assert len(session.exec(select(Patient).where(Patient.study_id == "same")).all()) == 2


def test_a_value_outside_a_closed_list_is_refused_before_the_database(rows: Database) -> None:
    with pytest.raises((LookupError, StatementError)), rows.transaction() as session:
        session.execute(update(Operation).values(state="done"))


def test_details_of_the_audit_trail_come_back_as_they_were(rows: Database, now: datetime) -> None:
    details = {"item": "low_back", "version": 2, "ja": "腰"}
    with rows.transaction() as session:
        session.execute(
            insert(AuditEvent).values(
                at=now, actor_kind="command", actor="test", action="a", subject="s", subject_id=1, details=details
            )
        )

    with rows.reading() as session:
        assert session.exec(select(AuditEvent.details).where(AuditEvent.action == "a")).one() == details


def test_japanese_text_is_kept_whole(rows: Database) -> None:
    with rows.transaction() as session:
        session.execute(update(Contact).values(family_name="𠮷野家"))

    with rows.reading() as session:
        assert session.exec(select(Contact.family_name)).one() == "𠮷野家"
