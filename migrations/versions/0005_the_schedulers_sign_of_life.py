"""The scheduler's sign of life, and an index by which lately sent mails are found"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOMENT = sqlmodel.sql.sqltypes.UTCDateTime


def upgrade() -> None:
    heartbeat = op.create_table(
        "heartbeat",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("beat_at", _MOMENT(), nullable=True),
        sa.Column("alarms", sa.JSON(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck__heartbeat__only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__heartbeat")),
    )
    op.bulk_insert(heartbeat, [{"id": 1, "beat_at": None, "alarms": []}])
    for column in ("sent_at", "failed_at"):
        known = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix__reminder__{column}", "reminder", [column], sqlite_where=known, postgresql_where=known)


def downgrade() -> None:
    for column in ("failed_at", "sent_at"):
        op.drop_index(f"ix__reminder__{column}", table_name="reminder")
    op.drop_table("heartbeat")
