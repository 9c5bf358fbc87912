"""An index by which one mailbox is found however its address is written"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix__contact__email", table_name="contact")
    op.create_index("ix__contact__lower_email", "contact", [sa.text("lower(email)")])


def downgrade() -> None:
    op.drop_index("ix__contact__lower_email", table_name="contact")
    op.create_index("ix__contact__email", "contact", ["email"])
