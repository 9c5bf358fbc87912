"""Digests to staff, one for each site and day"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_MOMENT = sqlmodel.sql.sqltypes.UTCDateTime
_STATES = ("claimed", "put_off", "sent", "empty", "given_up")


def upgrade() -> None:
    op.create_table(
        "digest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(*_STATES, name="state_known", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("n_attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _MOMENT(), nullable=True),
        sa.Column("settled", sa.JSON(), nullable=False),
        sa.CheckConstraint("n_attempts >= 1", name=op.f("ck__digest__attempts_count_from_one")),
        sa.CheckConstraint(
            "(state IN ('claimed', 'put_off')) = (next_attempt_at IS NOT NULL)", name=op.f("ck__digest__open_says_when")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk__digest__site_id__site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__digest")),
        sa.UniqueConstraint("site_id", "day", name=op.f("uq__digest__site_id_day")),
    )


def downgrade() -> None:
    op.drop_table("digest")
