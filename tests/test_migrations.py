"""Migrations lead from an empty database to exactly the models, and back."""

import itertools
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Inspector, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from registry.config import Settings
from registry.domain.actors import Actor
from registry.places import MIGRATIONS
from registry.services.demo import load_demo
from registry.services.score_upkeep import refresh_scores
from registry.storage.database import Database
from registry.storage.migrating import is_current, upgrade
from registry.storage.score_triggers import missing_triggers
from tests.postgresql import Cluster

# SQLite reflects no index on an expression, of which both tools warn: that this one is there has a test of its own.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{warning}.*ix__contact__lower_email")
    for warning in ("Skipped unsupported reflection", "autogenerate skipping metadata-specified")
]

VERSIONS = sorted((MIGRATIONS / "versions").glob("*.py"))
_numbers = itertools.count()


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


def downgrade(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = database.engine
    command.downgrade(config, revision)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """Two databases without a table."""
    if request.param == "sqlite":
        urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second")]
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        urls = [cluster.create(f"empty_{next(_numbers)}") for _ in range(2)]
    first, second = (Database(url) for url in urls)
    yield first, second
    first.dispose()
    second.dispose()


def schema_of(database: Database) -> dict[str, Any]:
    """Every table with its columns, constraints and indexes, names included."""
    found = inspect(database.engine)
    names = [name for name in found.get_table_names() if name != "alembic_version"]
    return {name: _table(found, name) for name in names}


def _table(found: Inspector, name: str) -> dict[str, Any]:
    columns, keys, indexes = found.get_columns(name), found.get_foreign_keys(name), found.get_indexes(name)
    return {
        "columns": {c["name"]: (str(c["type"]), c["nullable"]) for c in columns},
        "primary key": found.get_pk_constraint(name),
        "checks": {c["name"]: _plain(c["sqltext"]) for c in found.get_check_constraints(name)},
        "uniques": {c["name"]: c["column_names"] for c in found.get_unique_constraints(name)},
        "foreign keys": {k["name"]: (k["constrained_columns"], k["referred_table"]) for k in keys},
        "indexes": {i["name"]: (i["column_names"], bool(i["unique"]), _options(i)) for i in indexes},
    }


def _options(index: ReflectedIndex) -> dict[str, str]:
    return {name: _plain(str(value)) for name, value in index.get("dialect_options", {}).items()}


def _plain(sql: str) -> str:
    return re.sub(r"[\s()\"]+", " ", sql).strip()


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [path.name[:5] for path in VERSIONS] == [f"{number:04}_" for number in range(1, len(VERSIONS) + 1)]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_migration_carries_the_number_of_its_file(path: Path) -> None:
    assert f'revision = "{path.name[:4]}"' in path.read_text()


def test_there_is_a_single_head() -> None:
    assert len(scripts().get_heads()) == 1


def test_every_migration_follows_the_one_before() -> None:
    revisions = sorted(script.revision for script in scripts().walk_revisions())
    parents = [scripts().get_revision(revision).down_revision for revision in revisions]

    assert parents == [None, *revisions[:-1]]


def test_upgrading_an_empty_database_gives_the_models(empty_databases: tuple[Database, Database]) -> None:
    migrated, _ = empty_databases

    upgrade(migrated)

    with migrated.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_upgrading_gives_every_constraint_of_the_models(empty_databases: tuple[Database, Database]) -> None:
    migrated, modelled = empty_databases
    with modelled.engine.begin() as connection:
        SQLModel.metadata.create_all(connection)

    upgrade(migrated)

    found, wanted = schema_of(migrated), schema_of(modelled)
    assert found.keys() == wanted.keys()
    assert [(name, found[name], wanted[name]) for name in found if found[name] != wanted[name]] == []


def test_mailboxes_are_found_by_an_index(empty_databases: tuple[Database, Database]) -> None:
    database, _ = empty_databases
    upgrade(database)
    statement = "SELECT sql FROM sqlite_master" if database.is_sqlite else "SELECT indexdef AS sql FROM pg_indexes"
    by_name = "name" if database.is_sqlite else "indexname"

    with database.engine.connect() as connection:
        found = connection.execute(text(f"{statement} WHERE {by_name} = 'ix__contact__lower_email'")).scalar_one()

    assert "lower(" in found


def test_downgrading_leaves_nothing(empty_databases: tuple[Database, Database]) -> None:
    database, _ = empty_databases
    upgrade(database)

    downgrade(database, "base")

    assert schema_of(database) == {}


def test_upgrading_after_a_downgrade_gives_the_same(empty_databases: tuple[Database, Database]) -> None:
    database, _ = empty_databases
    upgrade(database)
    before = schema_of(database)

    downgrade(database, "base")
    upgrade(database)

    assert schema_of(database) == before


def test_upgrading_twice_changes_nothing(empty_databases: tuple[Database, Database]) -> None:
    database, _ = empty_databases
    upgrade(database)
    before = schema_of(database)

    upgrade(database)

    assert schema_of(database) == before


def rows_of(database: Database) -> dict[str, list[str]]:
    """Every row of every table, by the columns that the first version knew."""
    found = inspect(database.engine)
    with database.engine.connect() as connection:
        return {
            name: sorted(str(tuple(row)) for row in connection.execute(text(f'SELECT {columns} FROM "{name}"')))
            for name, columns in _first_columns(found).items()
        }


def _first_columns(found: Inspector) -> dict[str, str]:
    later = {"consent", "phone_request", "phone_attempt", "posted_letter", "body_marking", "digest", "alembic_version"}
    later |= {"score", "scored_operation", "stale_patient", "stratum"}
    added = {"respondent", "suspicion", "confirmed_at", "refused_on", "answers_deleted_at", "late_until", "kind"}
    added |= {"mark_mm", "line_mm", "bounced_at", "email_bounced_at", "email_bounce", "n_soft_bounces"}
    added |= {"soft_bounced_on"}
    return {
        name: ", ".join(sorted(column["name"] for column in found.get_columns(name) if column["name"] not in added))
        for name in found.get_table_names()
        if name not in later
    }


def test_an_upgrade_keeps_every_row_as_it_is(settings: Settings, database: Database, by: Actor, now: datetime) -> None:
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
    downgrade(database, "0001")
    before = rows_of(database)

    upgrade(database)

    after = rows_of(database)
    # Rows of the migrations' own, which wait for the scheduler's first sign, and for the first that sends.
    assert [len(after.pop(table)) for table in ("heartbeat", "sender")] == [1, 1]
    assert after == before
    assert sum(map(len, before.values())) > 5000


# One row of each kind that the first version does not know.
OF_LATER_KINDS = (
    "INSERT INTO access_link (public_id, purpose, patient_id, follow_up_id, key_id, token_hash, issued_at)"
    " SELECT 'tablet', 'tablet', patient_id, id, 'k', 'tablet', '2026-11-20 00:00:00'"
    " FROM follow_up WHERE id = (SELECT min(follow_up_id) FROM reminder)",
    "INSERT INTO access_link (public_id, purpose, patient_id, follow_up_id, key_id, token_hash, issued_at, late_until)"
    " SELECT 'late', 'form', patient_id, id, 'k', 'late', '2026-11-20 00:00:00', '2026-12-01'"
    " FROM follow_up WHERE id = (SELECT min(follow_up_id) FROM reminder)",
    "INSERT INTO reminder (follow_up_id, patient_id, kind, rung, due_on, state, fence, n_attempts, failure,"
    " access_link_id) SELECT follow_up_id, patient_id, 'fresh_link', rung, due_on, 'planned', 0, 0, '',"
    " (SELECT max(id) FROM access_link) FROM reminder WHERE id = (SELECT min(id) FROM reminder)",
    "UPDATE reminder SET state = 'skipped', skip_reason = 'phone_asked', sent_at = NULL"
    " WHERE id = (SELECT min(id) FROM reminder WHERE kind = 'ladder')",
    "UPDATE reminder SET state = 'bounced', bounced_at = '2026-11-20 00:00:00' WHERE id = (SELECT max(id) FROM reminder"
    " WHERE state = 'accepted')",
    "UPDATE reminder SET state = 'skipped', skip_reason = 'bounced' WHERE id = (SELECT max(id) FROM reminder"
    " WHERE state = 'planned')",
    "UPDATE enrolment SET refused_on = '2026-11-20' WHERE patient_id = (SELECT min(patient_id) FROM consent)",
    "UPDATE contact SET emails_stopped_at = NULL",
    "UPDATE consent SET superseded_at = '2026-11-20 00:00:00', set_aside_at = '2026-11-20 00:00:00',"
    " suspicion = 'right_after_mail', follow_up_id = (SELECT max(id) FROM follow_up)"
    " WHERE patient_id = (SELECT max(patient_id) FROM consent)",
    "INSERT INTO phone_request (follow_up_id, patient_id, origin, call_time, requested_at)"
    " SELECT id, patient_id, 'patient', 'morning', '2026-11-20 00:00:00' FROM follow_up WHERE id ="
    " (SELECT min(follow_up_id) FROM reminder)",
    "INSERT INTO phone_attempt (phone_request_id, number, called_at, called_by, outcome)"
    " SELECT id, 1, '2026-11-20 00:00:00', '1', 'not_reached' FROM phone_request",
    "INSERT INTO phone_attempt (phone_request_id, number, called_at, called_by, outcome, call_back_on)"
    " SELECT id, 2, '2026-11-20 00:00:00', '1', 'call_back', '2026-11-24' FROM phone_request",
    "INSERT INTO phone_request (follow_up_id, patient_id, origin, call_time, requested_at, closed_at, outcome)"
    " SELECT id, patient_id, 'ladder', 'any_time', '2026-11-20 00:00:00', '2026-11-20 00:00:00', 'not_reached'"
    " FROM follow_up WHERE id = (SELECT max(follow_up_id) FROM reminder)",
    "INSERT INTO phone_attempt (phone_request_id, number, called_at, called_by, outcome)"
    " SELECT id, 1, '2026-11-20 00:00:00', '1', 'not_reached' FROM phone_request WHERE origin = 'ladder'",
    "INSERT INTO phone_request (follow_up_id, patient_id, origin, call_time, requested_at, closed_at, outcome)"
    " SELECT follow_up_id, patient_id, 'patient', 'any_time', requested_at, requested_at, 'declined'"
    " FROM phone_request WHERE origin = 'patient'",
    "INSERT INTO posted_letter (follow_up_id, patient_id, posted_on, recorded_at, recorded_by)"
    " SELECT id, patient_id, '2026-11-20', '2026-11-20 00:00:00', '1' FROM follow_up WHERE id ="
    " (SELECT min(follow_up_id) FROM reminder)",
    "UPDATE assessment SET respondent = 'proxy', suspicion = 'too_fast'",
    "INSERT INTO digest (site_id, day, state, n_attempts, settled) SELECT id, '2026-11-20', 'sent', 1, '[]' FROM site",
)


def test_a_downgrade_takes_back_what_the_version_before_does_not_know(
    settings: Settings, database: Database, by: Actor, now: datetime
) -> None:
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
        for statement in OF_LATER_KINDS:
            session.execute(text(statement))
        refused = session.execute(text("SELECT patient_id FROM enrolment WHERE refused_on IS NOT NULL")).scalars().all()
        n_ladder = session.execute(text("SELECT count(*) FROM reminder WHERE kind = 'ladder'")).scalar_one()

    downgrade(database, "0001")

    with database.reading() as session:
        told = [session.execute(text(statement)).scalar() for statement in TOLD_AFTERWARDS]
        stopped = session.execute(text("SELECT patient_id FROM contact WHERE emails_stopped_at IS NOT NULL")).scalars()
        assert (told, list(stopped)) == ([n_ladder, "not_planned", 0], list(refused))
    assert len(refused) == 1
    upgrade(database)
    assert is_current(database)


def test_a_version_that_knows_no_returned_mails_writes_to_no_dead_address(
    settings: Settings, database: Database, by: Actor, now: datetime
) -> None:
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
        session.execute(
            text(
                "UPDATE contact SET email_bounced_at = '2026-11-20 00:00:00', email_bounce = 'no such mailbox',"
                " n_soft_bounces = 1, soft_bounced_on = '2026-11-20', emails_stopped_at = NULL"
                " WHERE patient_id = (SELECT max(patient_id) FROM contact WHERE email IS NOT NULL)"
            )
        )
        session.execute(text("UPDATE reminder SET state = 'bounced', bounced_at = sent_at WHERE state = 'accepted'"))
        n_sent = session.execute(text("SELECT count(*) FROM reminder WHERE sent_at IS NOT NULL")).scalar_one()
        n_stopped = session.execute(text("SELECT count(emails_stopped_at) FROM contact")).scalar_one()

    downgrade(database, "0006")

    with database.reading() as session:
        accepted = session.execute(text("SELECT count(*) FROM reminder WHERE state = 'accepted'")).scalar_one()
        stopped = session.execute(text("SELECT count(emails_stopped_at) FROM contact")).scalar_one()
    assert (accepted, stopped) == (n_sent, n_stopped + 1)
    upgrade(database)
    assert is_current(database)


TOLD_AFTERWARDS = (
    "SELECT count(*) FROM reminder",
    "SELECT skip_reason FROM reminder WHERE id = (SELECT min(id) FROM reminder)",
    "SELECT count(*) FROM access_link WHERE purpose NOT IN ('form', 'preferences')",
)


def test_a_downgrade_keeps_the_calls_that_patients_asked_for(
    settings: Settings, database: Database, by: Actor, now: datetime
) -> None:
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
        session.execute(text("DELETE FROM phone_attempt"))
        session.execute(text("DELETE FROM phone_request"))
        for statement in OF_LATER_KINDS:
            session.execute(text(statement))

    downgrade(database, "0005")

    with database.reading() as session:
        requests = session.execute(text("SELECT call_time, outcome FROM phone_request ORDER BY id")).all()
        attempts = session.execute(text("SELECT outcome FROM phone_attempt")).scalars().all()
    assert ([tuple(row) for row in requests], attempts) == (
        [("morning", None), ("any_time", "not_wanted")],
        ["not_reached"],
    )


def test_foreign_keys_hold_again_after_an_upgrade(empty_databases: tuple[Database, Database]) -> None:
    database, _ = empty_databases
    upgrade(database)

    with database.transaction() as session, pytest.raises(IntegrityError):
        session.execute(
            text(
                "INSERT INTO assessment (follow_up_id, patient_id, reference, language, started_at) "
                "VALUES (7, 7, 'x', 'en', '2026-01-01 00:00:00')"
            )
        )


def test_only_a_migrated_database_is_current(empty_databases: tuple[Database, Database]) -> None:
    migrated, untouched = empty_databases

    upgrade(migrated)

    assert (is_current(migrated), is_current(untouched)) == (True, False)


COPIES_A_TABLE = """
from alembic import op

revision = "9999"
down_revision = {newest!r}


def upgrade() -> None:
    is_copied = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("assessment", recreate="always" if is_copied else "never") as table:
        table.create_index("ix__assessment__language", ["language"])


def downgrade() -> None:
    pass
"""


def test_a_migration_that_copies_a_table_leaves_every_trigger_and_looks_at_everybody(
    settings: Settings, database: Database, by: Actor, now: datetime, tmp_path: Path
) -> None:
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
    refresh_scores(database, today=now.date(), wait=lambda _seconds: None)
    (tmp_path / "9999_copy.py").write_text(COPIES_A_TABLE.format(newest=VERSIONS[-1].name[:4]))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", f"{MIGRATIONS / 'versions'}{os.pathsep}{tmp_path}")
    config.attributes["engine"] = database.engine

    command.upgrade(config, "head")

    with database.reading() as session:
        n_patients = session.execute(text("SELECT count(*) FROM patient")).scalar_one()
        n_stale = session.execute(text("SELECT count(*) FROM stale_patient")).scalar_one()
        # PostgreSQL changes a table where it stands.
        assert (missing_triggers(session), n_stale) == ([], n_patients if database.is_sqlite else 0)


def test_a_downgrade_removes_the_triggers_and_an_upgrade_looks_at_everybody(
    settings: Settings, database: Database, by: Actor, now: datetime
) -> None:
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
        n_triggers = len(missing_triggers(session))
    downgrade(database, "0009")

    with database.transaction() as session:
        assert (n_triggers, len(missing_triggers(session))) == (0, N_TRIGGERS)
        session.execute(text("UPDATE answer SET superseded_at = recorded_at"))
        session.execute(text("UPDATE answer SET superseded_at = NULL WHERE version = 1"))
    upgrade(database)

    with database.reading() as session:
        n_patients = session.execute(text("SELECT count(*) FROM patient")).scalar_one()
        n_stale = session.execute(text("SELECT count(*) FROM stale_patient")).scalar_one()
        assert (missing_triggers(session), n_stale) == ([], n_patients)


N_TRIGGERS = 14
