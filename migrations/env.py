"""How migrations run: inside the registry's own connection, one transaction for all of them."""

from alembic import context
from sqlmodel import SQLModel

import registry.storage.models  # every table must be known before schemas are compared

engine = context.config.attributes["engine"]

with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
