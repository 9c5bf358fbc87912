"""Calls that the ladder asks for, what a call can end with, and letters that were sent by post"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sqlmodel.sql.sqltypes.UTCDateTime
_TEXT = sqlmodel.sql.sqltypes.AutoString

_OUTCOMES = ("answered", "not_reached", "not_wanted")


def _known(*outcomes: str) -> str:
    return f"outcome IN ({', '.join(repr(outcome) for outcome in outcomes)})"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE phone_request ADD COLUMN origin VARCHAR(32) DEFAULT 'patient' NOT NULL "
        "CONSTRAINT ck__phone_request__origin_known CHECK (origin IN ('patient', 'ladder'))"
    )
    op.add_column("phone_attempt", sa.Column("call_back_on", sa.Date(), nullable=True))
    for table in ("phone_request", "phone_attempt"):
        _take_outcomes(table, *_OUTCOMES, "call_back", "declined")
    with op.batch_alter_table("phone_request") as batch:
        batch.create_check_constraint(
            op.f("ck__phone_request__ladder_call_is_over"), "origin <> 'ladder' OR closed_at IS NOT NULL"
        )
    with op.batch_alter_table("phone_attempt") as batch:
        batch.create_check_constraint(
            op.f("ck__phone_attempt__call_back_has_its_day"), "(outcome = 'call_back') = (call_back_on IS NOT NULL)"
        )
    op.create_table(
        "posted_letter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("follow_up_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", _MOMENT(), nullable=False),
        sa.Column("recorded_by", _TEXT(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["follow_up_id"], ["follow_up.id"], name=op.f("fk__posted_letter__follow_up_id__follow_up")
        ),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk__posted_letter__patient_id__patient")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__posted_letter")),
        sa.UniqueConstraint("follow_up_id", "posted_on", name=op.f("uq__posted_letter__follow_up_id_posted_on")),
    )
    op.create_index("ix__posted_letter__patient_id", "posted_letter", ["patient_id"])


def _take_outcomes(table: str, *outcomes: str) -> None:
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(op.f(f"ck__{table}__outcome_known"), type_="check")
        batch.create_check_constraint(op.f(f"ck__{table}__outcome_known"), _known(*outcomes))


def downgrade() -> None:
    _drop_what_is_not_known_before()
    op.drop_table("posted_letter")
    with op.batch_alter_table("phone_attempt") as batch:
        batch.drop_constraint(op.f("ck__phone_attempt__call_back_has_its_day"), type_="check")
        batch.drop_column("call_back_on")
    with op.batch_alter_table("phone_request") as batch:
        batch.drop_constraint(op.f("ck__phone_request__ladder_call_is_over"), type_="check")
        batch.drop_constraint(op.f("ck__phone_request__origin_known"), type_="check")
        batch.drop_column("origin")
    for table in ("phone_attempt", "phone_request"):
        _take_outcomes(table, *_OUTCOMES)


def _drop_what_is_not_known_before() -> None:
    # The version before takes every request for one that the patient made.
    op.execute(
        "DELETE FROM phone_attempt WHERE phone_request_id IN (SELECT id FROM phone_request WHERE origin = 'ladder')"
    )
    op.execute("DELETE FROM phone_request WHERE origin = 'ladder'")
    op.execute("DELETE FROM phone_attempt WHERE outcome = 'call_back'")
    # Somebody was reached and nobody calls again; the day of the refusal stays with the follow-up.
    op.execute("UPDATE phone_attempt SET outcome = 'not_wanted' WHERE outcome = 'declined'")
    op.execute("UPDATE phone_request SET outcome = 'not_wanted' WHERE outcome = 'declined'")
