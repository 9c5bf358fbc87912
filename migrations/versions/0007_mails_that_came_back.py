"""Mails that came back, and the addresses they came back from"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = sqlmodel.sql.sqltypes.UTCDateTime

_REASONS = (
    "answered",
    "declined",
    "withdrawn",
    "died",
    "emails_stopped",
    "no_address",
    "window_closed",
    "operation_off",
    "overtaken",
    "not_yet_open",
    "not_planned",
    "phone_asked",
)


def upgrade() -> None:
    op.add_column("reminder", sa.Column("bounced_at", _MOMENT(), nullable=True))
    with op.batch_alter_table("reminder") as batch:
        batch.drop_constraint(op.f("ck__reminder__skip_reason_known"), type_="check")
        batch.create_check_constraint(op.f("ck__reminder__skip_reason_known"), _skip_reasons(*_REASONS, "bounced"))
        batch.drop_constraint(op.f("ck__reminder__accepted_says_when"), type_="check")
        batch.create_check_constraint(
            op.f("ck__reminder__accepted_says_when"), "(state IN ('accepted', 'bounced')) = (sent_at IS NOT NULL)"
        )
        batch.create_check_constraint(
            op.f("ck__reminder__bounced_says_when"), "(state = 'bounced') = (bounced_at IS NOT NULL)"
        )
    _add_to_contact()
    op.add_column("heartbeat", sa.Column("bounces_unread_since", _MOMENT(), nullable=True))


def _add_to_contact() -> None:
    # One statement each: a table that SQLite rebuilds would lose its index on an expression.
    op.execute("ALTER TABLE contact ADD COLUMN email_bounce VARCHAR(100) DEFAULT '' NOT NULL")
    moment = _MOMENT().compile(dialect=op.get_bind().dialect)
    op.execute(
        f"ALTER TABLE contact ADD COLUMN email_bounced_at {moment} CONSTRAINT ck__contact__bounced_says_why "
        "CHECK (email_bounced_at IS NULL OR (email IS NOT NULL AND email_bounce <> ''))"
    )
    op.execute("ALTER TABLE contact ADD COLUMN soft_bounced_on DATE")
    op.execute(
        "ALTER TABLE contact ADD COLUMN n_soft_bounces INTEGER DEFAULT 0 NOT NULL "
        "CONSTRAINT ck__contact__soft_bounces_counted "
        "CHECK (n_soft_bounces >= 0 AND (n_soft_bounces > 0) = (soft_bounced_on IS NOT NULL))"
    )
    known = sa.text("email_bounced_at IS NOT NULL")
    op.create_index(
        "ix__contact__email_bounced_at", "contact", ["email_bounced_at"], sqlite_where=known, postgresql_where=known
    )


def _skip_reasons(*known: str) -> str:
    return f"skip_reason IN ({', '.join(repr(reason) for reason in known)})"


def downgrade() -> None:
    _drop_what_is_not_known_before()
    with op.batch_alter_table("heartbeat") as batch:
        batch.drop_column("bounces_unread_since")
    _take_from_contact()
    with op.batch_alter_table("reminder") as batch:
        batch.drop_constraint(op.f("ck__reminder__bounced_says_when"), type_="check")
        batch.drop_column("bounced_at")
        batch.drop_constraint(op.f("ck__reminder__accepted_says_when"), type_="check")
        batch.create_check_constraint(
            op.f("ck__reminder__accepted_says_when"), "(state = 'accepted') = (sent_at IS NOT NULL)"
        )
        batch.drop_constraint(op.f("ck__reminder__skip_reason_known"), type_="check")
        batch.create_check_constraint(op.f("ck__reminder__skip_reason_known"), _skip_reasons(*_REASONS))


def _take_from_contact() -> None:
    for name in ("email_bounced_at", "lower_email"):
        op.drop_index(f"ix__contact__{name}", table_name="contact")
    with op.batch_alter_table("contact") as batch:
        batch.drop_constraint(op.f("ck__contact__bounced_says_why"), type_="check")
        batch.drop_constraint(op.f("ck__contact__soft_bounces_counted"), type_="check")
        for column in ("n_soft_bounces", "soft_bounced_on", "email_bounced_at", "email_bounce"):
            batch.drop_column(column)
    op.create_index("ix__contact__lower_email", "contact", [sa.text("lower(email)")])


def _drop_what_is_not_known_before() -> None:
    # The version before would write to a dead address for ever: it knows only a stop of e-mails.
    op.execute(
        "UPDATE contact SET emails_stopped_at = email_bounced_at "
        "WHERE email_bounced_at IS NOT NULL AND emails_stopped_at IS NULL"
    )
    # A mail that came back has been sent, which is what the version before calls it.
    op.execute("UPDATE reminder SET state = 'accepted', bounced_at = NULL WHERE state = 'bounced'")
    op.execute("UPDATE reminder SET skip_reason = 'emails_stopped' WHERE skip_reason = 'bounced'")
