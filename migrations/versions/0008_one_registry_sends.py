"""Which installation sends the mails, and why none leaves"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_HOLDS = ("elsewhere", "clock_ahead", "clock_behind")


def upgrade() -> None:
    sender = op.create_table(
        "sender",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column(
            "hold",
            sa.Enum(*_HOLDS, name="hold_known", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck__sender__only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__sender")),
    )
    op.bulk_insert(sender, [{"id": 1, "instance": "", "hold": None}])


def downgrade() -> None:
    op.drop_table("sender")
