"""Decisions that may come from a program, and calls that reached nobody

A decision is kept with the form it was made on, so that it can be set aside together with the answers given there.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = sqlmodel.sql.sqltypes.UTCDateTime
_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    op.execute(
        "ALTER TABLE consent ADD COLUMN suspicion VARCHAR(32) "
        "CONSTRAINT ck__consent__suspicion_known CHECK (suspicion IN ('too_fast', 'right_after_mail'))"
    )
    with op.batch_alter_table("consent") as batch:
        batch.add_column(sa.Column("follow_up_id", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("confirmed_at", _MOMENT(), nullable=True))
        batch.add_column(sa.Column("set_aside_at", _MOMENT(), nullable=True))
        batch.create_foreign_key(op.f("fk__consent__follow_up_id__follow_up"), "follow_up", ["follow_up_id"], ["id"])
        batch.create_check_constraint(
            op.f("ck__consent__set_aside_stands_no_more"), "set_aside_at IS NULL OR superseded_at IS NOT NULL"
        )
    doubtful = sa.text("suspicion IS NOT NULL AND confirmed_at IS NULL AND superseded_at IS NULL")
    op.create_index(
        "ix__consent__doubtful", "consent", ["patient_id"], sqlite_where=doubtful, postgresql_where=doubtful
    )
    _create_phone_attempt()


def _create_phone_attempt() -> None:
    outcome = sa.Enum(
        "answered",
        "not_reached",
        "not_wanted",
        name="outcome_known",
        native_enum=False,
        create_constraint=True,
        length=32,
    )
    op.create_table(
        "phone_attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_request_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("called_at", _MOMENT(), nullable=False),
        sa.Column("called_by", _TEXT(length=100), nullable=False),
        sa.Column("outcome", outcome, nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck__phone_attempt__number_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["phone_request_id"], ["phone_request.id"], name=op.f("fk__phone_attempt__phone_request_id__phone_request")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__phone_attempt")),
        sa.UniqueConstraint("phone_request_id", "number", name=op.f("uq__phone_attempt__phone_request_id_number")),
    )


def downgrade() -> None:
    op.drop_table("phone_attempt")
    op.drop_index("ix__consent__doubtful", table_name="consent")
    # A decision that was set aside stays superseded: the version before asks the patient again, as it should.
    with op.batch_alter_table("consent") as batch:
        batch.drop_constraint(op.f("ck__consent__set_aside_stands_no_more"), type_="check")
        batch.drop_constraint(op.f("fk__consent__follow_up_id__follow_up"), type_="foreignkey")
        batch.drop_constraint(op.f("ck__consent__suspicion_known"), type_="check")
        batch.drop_column("set_aside_at")
        batch.drop_column("confirmed_at")
        batch.drop_column("follow_up_id")
        batch.drop_column("suspicion")
