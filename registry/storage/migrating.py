"""Bringing a database to the newest schema."""

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from registry.places import MIGRATIONS
from registry.storage.database import Database


def upgrade(database: Database) -> None:
    """Apply every migration that is not there yet."""
    command.upgrade(_config(database), "head")


def is_current(database: Database) -> bool:
    """Whether the database stands at the newest schema."""
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(_config(database)).get_current_head()


def _config(database: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = database.engine
    return config
