"""Consent, who answered, body regions, telephone, links on request

Columns are added with their checks by one statement that both databases read alike; only the two tables whose
constraints change are rebuilt on SQLite.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sqlmodel.sql.sqltypes.UTCDateTime
_TEXT = sqlmodel.sql.sqltypes.AutoString


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
)


def _skip_reasons(*known: str) -> str:
    return f"skip_reason IN ({', '.join(repr(reason) for reason in known)})"


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _add_one_of(table: str, column: str, name: str, *values: str, more: str = "") -> None:
    listed = ", ".join(f"'{value}'" for value in values)
    constraint = f"CONSTRAINT ck__{table}__{name} CHECK ({column} IN ({listed}))"
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} VARCHAR(32) {more} {constraint}")


def upgrade() -> None:
    _create_consent()
    _create_phone_request()
    _create_body_marking()
    _add_one_of("assessment", "respondent", "respondent_known", "self", "helped", "proxy")
    _add_one_of("assessment", "suspicion", "suspicion_known", "too_fast", "right_after_mail")
    op.add_column("assessment", sa.Column("confirmed_at", _MOMENT(), nullable=True))
    doubtful = sa.text("suspicion IS NOT NULL AND confirmed_at IS NULL")
    op.create_index(
        "ix__assessment__doubtful", "assessment", ["patient_id"], sqlite_where=doubtful, postgresql_where=doubtful
    )
    op.add_column("answer", sa.Column("mark_mm", sa.Float(), nullable=True))
    op.add_column("answer", sa.Column("line_mm", sa.Float(), nullable=True))
    op.add_column("enrolment", sa.Column("refused_on", sa.Date(), nullable=True))
    op.add_column("enrolment", sa.Column("answers_deleted_at", _MOMENT(), nullable=True))
    op.add_column("access_link", sa.Column("late_until", sa.Date(), nullable=True))
    _let_links_be_for_tablets()
    _add_one_of("reminder", "kind", "kind_known", "ladder", "fresh_link", more="DEFAULT 'ladder' NOT NULL")
    with op.batch_alter_table("reminder") as batch:
        batch.drop_constraint(op.f("uq__reminder__follow_up_id_rung"), type_="unique")
        batch.create_unique_constraint(op.f("uq__reminder__follow_up_id_kind_rung"), ["follow_up_id", "kind", "rung"])
        batch.drop_constraint(op.f("ck__reminder__skip_reason_known"), type_="check")
        batch.create_check_constraint(op.f("ck__reminder__skip_reason_known"), _skip_reasons(*_REASONS, "phone_asked"))


def _let_links_be_for_tablets() -> None:
    with op.batch_alter_table("access_link") as batch:
        batch.drop_constraint(op.f("ck__access_link__purpose_known"), type_="check")
        batch.drop_constraint(op.f("ck__access_link__form_has_its_follow_up"), type_="check")
        batch.create_check_constraint(
            op.f("ck__access_link__purpose_known"), "purpose IN ('form', 'tablet', 'preferences')"
        )
        batch.create_check_constraint(
            op.f("ck__access_link__form_has_its_follow_up"), "(purpose <> 'preferences') = (follow_up_id IS NOT NULL)"
        )


def _create_consent() -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("version", _TEXT(length=40), nullable=False),
        sa.Column("words_hash", _TEXT(length=64), nullable=False),
        sa.Column("is_given", sa.Boolean(), nullable=False),
        sa.Column("route", _one_of("route_known", "form", "hospital"), nullable=False),
        sa.Column("language", _TEXT(length=2), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", _MOMENT(), nullable=False),
        sa.Column("superseded_at", _MOMENT(), nullable=True),
        sa.CheckConstraint("language IN ('en', 'ja')", name=op.f("ck__consent__language_known")),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk__consent__patient_id__patient")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__consent")),
    )
    op.create_index("ix__consent__patient_id", "consent", ["patient_id"])
    _create_current("uq__consent__current", "consent", "patient_id", "superseded_at IS NULL")


def _create_phone_request() -> None:
    op.create_table(
        "phone_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("follow_up_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("call_time", _one_of("call_time_known", "morning", "afternoon", "any_time"), nullable=False),
        sa.Column("requested_at", _MOMENT(), nullable=False),
        sa.Column("closed_at", _MOMENT(), nullable=True),
        sa.Column("outcome", _one_of("outcome_known", "answered", "not_reached", "not_wanted"), nullable=True),
        sa.CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name=op.f("ck__phone_request__closed_says_how")),
        sa.ForeignKeyConstraint(
            ["follow_up_id"], ["follow_up.id"], name=op.f("fk__phone_request__follow_up_id__follow_up")
        ),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk__phone_request__patient_id__patient")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__phone_request")),
    )
    op.create_index("ix__phone_request__follow_up_id", "phone_request", ["follow_up_id"])
    op.create_index("ix__phone_request__patient_id", "phone_request", ["patient_id"])
    _create_current("uq__phone_request__open", "phone_request", "follow_up_id", "closed_at IS NULL")


def _create_body_marking() -> None:
    op.create_table(
        "body_marking",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("assessment_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("answered_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", _MOMENT(), nullable=False),
        sa.Column("superseded_at", _MOMENT(), nullable=True),
        sa.CheckConstraint("version >= 1", name=op.f("ck__body_marking__version_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessment.id"], name=op.f("fk__body_marking__assessment_id__assessment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__body_marking")),
        sa.UniqueConstraint("assessment_id", "version", name=op.f("uq__body_marking__assessment_id_version")),
    )
    _create_current("uq__body_marking__current", "body_marking", "assessment_id", "superseded_at IS NULL")


def _create_current(name: str, table: str, column: str, where: str) -> None:
    op.create_index(name, table, [column], unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    _drop_what_is_not_known_before()
    with op.batch_alter_table("reminder") as batch:
        batch.drop_constraint(op.f("uq__reminder__follow_up_id_kind_rung"), type_="unique")
        batch.drop_constraint(op.f("ck__reminder__kind_known"), type_="check")
        batch.drop_column("kind")
        batch.create_unique_constraint(op.f("uq__reminder__follow_up_id_rung"), ["follow_up_id", "rung"])
        batch.drop_constraint(op.f("ck__reminder__skip_reason_known"), type_="check")
        batch.create_check_constraint(op.f("ck__reminder__skip_reason_known"), _skip_reasons(*_REASONS))
    with op.batch_alter_table("access_link") as batch:
        batch.drop_constraint(op.f("ck__access_link__purpose_known"), type_="check")
        batch.drop_constraint(op.f("ck__access_link__form_has_its_follow_up"), type_="check")
        batch.drop_column("late_until")
        batch.create_check_constraint(op.f("ck__access_link__purpose_known"), "purpose IN ('form', 'preferences')")
        batch.create_check_constraint(
            op.f("ck__access_link__form_has_its_follow_up"), "(purpose = 'form') = (follow_up_id IS NOT NULL)"
        )
    with op.batch_alter_table("enrolment") as batch:
        batch.drop_column("answers_deleted_at")
        batch.drop_column("refused_on")
    with op.batch_alter_table("answer") as batch:
        batch.drop_column("line_mm")
        batch.drop_column("mark_mm")
    op.drop_index("ix__assessment__doubtful", table_name="assessment")
    with op.batch_alter_table("assessment") as batch:
        batch.drop_constraint(op.f("ck__assessment__suspicion_known"), type_="check")
        batch.drop_constraint(op.f("ck__assessment__respondent_known"), type_="check")
        batch.drop_column("confirmed_at")
        batch.drop_column("suspicion")
        batch.drop_column("respondent")
    for table in ("body_marking", "phone_request", "consent"):
        op.drop_table(table)


def _drop_what_is_not_known_before() -> None:
    # Whoever said no must not be written to by a version that knows no refusal, only a stop of e-mails.
    op.execute(
        "UPDATE contact SET emails_stopped_at = "
        "(SELECT max(recorded_at) FROM consent WHERE consent.patient_id = contact.patient_id) "
        "WHERE emails_stopped_at IS NULL "
        "AND patient_id IN (SELECT patient_id FROM enrolment WHERE refused_on IS NOT NULL)"
    )
    # A mail with a fresh link has the number of a rung that stands in the ladder already.
    op.execute("DELETE FROM reminder WHERE kind = 'fresh_link'")
    # With the request to be phoned its reason goes: the mail stays skipped, and the next plan may bring it back.
    op.execute("UPDATE reminder SET skip_reason = 'not_planned' WHERE skip_reason = 'phone_asked'")
    # A sitting at a tablet is over within hours, and no mail carries its link.
    op.execute("DELETE FROM access_link WHERE purpose = 'tablet'")
