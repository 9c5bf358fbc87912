"""Prepared statements: the same as SQLAlchemy Core for the driver, in words, values and errors."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import CompileError, IntegrityError

from registry.config import Settings
from registry.domain.actors import ActorKind
from registry.storage.database import Database
from registry.storage.models import AuditEvent, Contact, FollowUp, Operation, Patient
from registry.storage.models.base import table_of
from registry.storage.prepared import Prepared
from tests.factories import make_operation, make_patient

EVENT = table_of(AuditEvent)
VALUES: dict[str, Any] = {
    "at": datetime(2026, 11, 20, 3, 0, 0, 123456, tzinfo=UTC),
    "actor_kind": ActorKind.COMMAND,
    "actor": "痛み",
    "action": "looked",
    "subject": "nothing",
    "subject_id": 7,
    "details": {"item": "low_back", "n": 1, "none": None},
}
INSERT = Prepared(insert(EVENT).inline())


def test_what_is_written_is_what_core_writes(database: Database) -> None:
    with database.transaction() as session:
        session.execute(insert(EVENT), VALUES)
        INSERT.run(session, VALUES)
        by_core, by_prepared = session.execute(select(*(EVENT.c[name] for name in VALUES))).all()
    assert by_prepared == by_core


def test_what_is_found_is_what_core_finds(database: Database, settings: Settings, now: datetime) -> None:
    with database.transaction() as session:
        patient = make_patient(session, now=now)
        make_operation(session, patient, settings, now=now, today=now.date(), operated_on=date(2025, 11, 20))
    tables = [table_of(model) for model in (FollowUp, Patient, Operation, Contact)]
    columns = [column.label(f"{table.name}_{column.name}") for table in tables for column in table.c]
    follow_up, patient, operation, contact = tables
    joined = (
        select(*columns)
        .join_from(follow_up, patient, patient.c.id == follow_up.c.patient_id)
        .join(operation, operation.c.id == follow_up.c.operation_id)
        .join(contact, contact.c.patient_id == patient.c.id)
        .where(follow_up.c.timepoint == bindparam("timepoint"))
    )
    with database.look() as rows:
        by_core = rows.execute(joined, {"timepoint": "M12"}).all()
        by_prepared = Prepared(joined).all(rows, {"timepoint": "M12"})
    assert [row._asdict() for row in by_prepared] == [row._asdict() for row in by_core]
    assert by_prepared[0].follow_up_due_on == date(2026, 11, 20)


def test_what_is_written_for_each_is_what_is_written_one_by_one(database: Database) -> None:
    with database.row_transaction() as rows:
        INSERT.run_each(rows, [VALUES | {"subject_id": number} for number in (7, 8)])
        INSERT.run_each(rows, [])
        INSERT.run(rows, VALUES)
        of_each, of_the_other, alone = rows.execute(select(*(EVENT.c[name] for name in VALUES))).all()
    assert (of_each, of_the_other) == (alone, (*alone[:5], 8, alone.details))


def test_a_change_says_how_many_rows_it_has_changed(database: Database) -> None:
    change = Prepared(update(EVENT).where(EVENT.c.action == bindparam("named")))
    with database.row_transaction() as rows:
        INSERT.run_each(rows, [VALUES, VALUES])
        assert [change.count(rows, {"named": name, "actor": "nobody"}) for name in ("looked", "left")] == [2, 0]


def test_a_change_finds_its_row_by_key(database: Database) -> None:
    change = Prepared(update(EVENT).where(EVENT.c.id == bindparam("key")))
    with database.row_transaction() as rows:
        rows.execute(insert(EVENT), [VALUES, VALUES])
        change.run(rows, {"key": 2, "action": "looked twice"})
        assert rows.execute(select(EVENT.c.action).order_by(EVENT.c.id)).scalars().all() == ["looked", "looked twice"]


@pytest.mark.parametrize(
    "write",
    [lambda session, row: INSERT.run(session, row), lambda session, row: session.execute(insert(EVENT), row)],
    ids=["prepared", "core"],
)
def test_a_refusal_is_sqlalchemys_and_tells_no_value(database: Database, write: Callable[..., object]) -> None:
    """PostgreSQL's own message ends with the whole row that it refused."""
    with pytest.raises(IntegrityError) as refused, database.transaction() as session:
        write(session, VALUES | {"subject_id": None, "actor": "Yamada"})
    assert "Yamada" not in f"{refused.value} {refused.value.orig}"
    with database.look() as rows:
        assert rows.execute(select(EVENT.c.id)).all() == []


def test_a_value_without_a_place_is_an_error_and_not_left_out(database: Database) -> None:
    """A measure that a newer page brings would otherwise be lost without a word."""
    with pytest.raises(CompileError, match="mark_mm"), database.transaction() as session:
        INSERT.run(session, VALUES | {"mark_mm": 47.0})


def test_a_value_that_only_some_rows_have_is_an_error_and_not_left_out(database: Database) -> None:
    with pytest.raises(CompileError, match="same names"), database.row_transaction() as rows:
        INSERT.run_each(rows, [VALUES, VALUES | {"mark_mm": 47.0}])


def test_a_value_that_is_missing_is_an_error_and_not_empty(database: Database) -> None:
    change = Prepared(update(EVENT).where(EVENT.c.id == bindparam("key")))
    with pytest.raises(KeyError, match="key"), database.transaction() as session:
        change.run(session, {"action": "looked"})


def test_the_same_statement_serves_two_databases(database: Database, settings: Settings) -> None:
    """A statement is made once for a process, and a process may open a database again."""
    look = Prepared(select(EVENT.c.actor))
    again = Database(settings.database.url)
    with database.transaction() as session:
        session.execute(insert(EVENT), VALUES)
    for one in (database, again, database):
        with one.look() as rows:
            assert [row.actor for row in look.all(rows, {})] == ["痛み"]
    again.dispose()
