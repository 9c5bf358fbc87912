"""Scores as narrow rows for reports"""

import sqlalchemy as sa
from alembic import op

from registry.storage.score_triggers import drop_triggers

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The rows are made afterwards: the triggers, once they are there, call every patient stale.
    op.create_table(
        "stratum",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.Column("groups", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__stratum")),
        sa.UniqueConstraint("site_id", "is_first", "groups", name=op.f("uq__stratum__site_id_is_first_groups")),
    )
    op.create_table(
        "scored_operation",
        sa.Column("operation_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("stratum_id", sa.Integer(), nullable=False),
        sa.Column("holds_after", sa.Date(), nullable=True),
        sa.Column("holds_until", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("operation_id", name=op.f("pk__scored_operation")),
    )
    op.create_index("ix__scored_operation__patient_id", "scored_operation", ["patient_id"])
    op.create_index("ix__scored_operation__stratum_id", "scored_operation", ["stratum_id"])
    for column in ("holds_after", "holds_until"):
        is_set = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix__scored_operation__{column}",
            "scored_operation",
            [column, "patient_id"],
            sqlite_where=is_set,
            postgresql_where=is_set,
        )
    op.create_table(
        "score",
        sa.Column("operation_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item", sa.String(length=20), nullable=False),
        sa.Column("timepoint", sa.String(length=10), nullable=False),
        sa.Column("stratum_id", sa.Integer(), nullable=False),
        sa.Column("before", sa.Integer(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("operation_id", "item", "timepoint", name=op.f("pk__score")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix__score__counted", "score", ["item", "timepoint", "stratum_id", "before", "score"])
    op.create_table(
        "stale_patient",
        sa.Column("patient_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("changed_in", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("patient_id", "changed_in", name=op.f("pk__stale_patient")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    drop_triggers(op.get_bind())
    for table in ("stale_patient", "score", "scored_operation", "stratum"):
        op.drop_table(table)
