"""How migrations run: inside the registry's own connection, one transaction for all of them."""

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

import registry.storage.models  # every table must be known before schemas are compared
from registry.storage.score_triggers import ensure_triggers

engine = context.config.attributes["engine"]


def _without_foreign_keys(connection: Connection) -> None:
    """SQLite changes a table by copying it: with foreign keys on, dropping the old one would take its children along.

    The switch does nothing inside a transaction, so it is thrown before one begins. The other one lets the copy take
    the old name while triggers of other tables speak of it.
    """
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
        connection.connection.driver_connection.execute("PRAGMA legacy_alter_table = ON")


def _refuse_orphans(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if orphans:
            raise RuntimeError(f"the migration would leave {len(orphans)} rows without what they refer to")


def _with_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.execute("PRAGMA foreign_keys = ON")
        connection.connection.driver_connection.execute("PRAGMA legacy_alter_table = OFF")


with engine.connect() as connection:
    _without_foreign_keys(connection)
    try:
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            render_as_batch=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
            _refuse_orphans(connection)
            # SQLite drops the triggers of a table that it changes.
            ensure_triggers(connection)
        connection.commit()
    finally:
        connection.rollback()
        _with_foreign_keys(connection)
