"""Sites, patients, how to reach them, and their taking part."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from registry.domain.vocabularies import ConsentRoute, Sex, Suspicion
from registry.storage.models.base import one_of


class Site(SQLModel, table=True):
    """A hospital; how it is named and reached stands in the configuration."""

    __tablename__ = "site"

    id: int = Field(default=None, primary_key=True)
    code: str = Field(max_length=20, unique=True)


class Patient(SQLModel, table=True):
    """A person under a study ID, without anything that names or reaches them."""

    __tablename__ = "patient"
    __table_args__ = (
        UniqueConstraint("site_id", "study_id"),
        CheckConstraint("birth_year BETWEEN 1880 AND 2200", name="birth_year_plausible"),
        CheckConstraint("language IN ('en', 'ja')", name="language_known"),
    )

    id: int = Field(default=None, primary_key=True)
    public_id: str = Field(max_length=26, unique=True)
    """What stands in addresses: it tells nothing, and cannot be guessed from another."""
    site_id: int = Field(foreign_key="site.id")
    study_id: str = Field(max_length=40)
    sex: Sex = one_of(Sex, "sex_known")
    birth_year: int
    born_on: date | None = None
    language: str = Field(max_length=2)
    died_on: date | None = None
    created_at: datetime


class Contact(SQLModel, table=True):
    """How a patient is named and reached; apart from everything clinical."""

    __tablename__ = "contact"
    # Alembic does not see it on SQLite: a migration that rebuilds this table has to make it anew.
    __table_args__ = (
        Index("ix__contact__lower_email", text("lower(email)")),
        CheckConstraint(
            "email_bounced_at IS NULL OR (email IS NOT NULL AND email_bounce <> '')", name="bounced_says_why"
        ),
        CheckConstraint(
            "n_soft_bounces >= 0 AND (n_soft_bounces > 0) = (soft_bounced_on IS NOT NULL)", name="soft_bounces_counted"
        ),
        Index(
            "ix__contact__email_bounced_at",
            "email_bounced_at",
            sqlite_where=text("email_bounced_at IS NOT NULL"),
            postgresql_where=text("email_bounced_at IS NOT NULL"),
        ),
    )

    patient_id: int = Field(primary_key=True, foreign_key="patient.id")
    family_name: str = Field(max_length=200)
    given_name: str = Field(default="", max_length=200)
    kana: str = Field(default="", max_length=200)
    email: str | None = Field(default=None, max_length=320)
    phone: str = Field(default="", max_length=40)
    emails_stopped_at: datetime | None = None
    email_bounced_at: datetime | None = None
    """Since when nothing is sent to this address, because mails to it came back."""
    email_bounce: str = Field(default="", max_length=100)
    """Why the last mail came back, in the registry's own words."""
    n_soft_bounces: int = 0
    """On how many days a mail came back from an address that may yet be good."""
    soft_bounced_on: date | None = None


class Enrolment(SQLModel, table=True):
    """A patient's taking part."""

    __tablename__ = "enrolment"
    __table_args__ = (
        CheckConstraint("withdrawn_on IS NULL OR withdrawn_on >= enrolled_on", name="withdrawn_after_enrolled"),
    )

    patient_id: int = Field(primary_key=True, foreign_key="patient.id")
    enrolled_on: date
    withdrawn_on: date | None = None
    refused_on: date | None = None
    """Since when the patient does not agree to take part; the forms after that day count as declined."""
    answers_deleted_at: datetime | None = None
    """When the patient left and had the answers removed."""
    is_imported: bool = False
    """Whether the patient came by import, whose past timepoints never send anything."""


class Consent(SQLModel, table=True):
    """One decision to take part or not, under a version of the words; the earlier ones stay."""

    __tablename__ = "consent"
    __table_args__ = (
        CheckConstraint("language IN ('en', 'ja')", name="language_known"),
        Index(
            "uq__consent__current",
            "patient_id",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
        Index("ix__consent__patient_id", "patient_id"),
        CheckConstraint("set_aside_at IS NULL OR superseded_at IS NOT NULL", name="set_aside_stands_no_more"),
        Index(
            "ix__consent__doubtful",
            "patient_id",
            sqlite_where=text("suspicion IS NOT NULL AND confirmed_at IS NULL AND superseded_at IS NULL"),
            postgresql_where=text("suspicion IS NOT NULL AND confirmed_at IS NULL AND superseded_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True)
    patient_id: int = Field(foreign_key="patient.id")
    version: str = Field(max_length=40)
    words_hash: str = Field(default="", max_length=64)
    """The hash of the words that were shown, so that an edit under the same version can be seen."""
    is_given: bool
    route: ConsentRoute = one_of(ConsentRoute, "route_known")
    language: str = Field(max_length=2)
    decided_on: date
    recorded_at: datetime
    superseded_at: datetime | None = None
    follow_up_id: int | None = Field(default=None, foreign_key="follow_up.id")
    """On which form; none when it was made at the hospital."""
    suspicion: Suspicion | None = one_of(Suspicion, "suspicion_known", default=None, nullable=True)
    """Why it may come from a program; staff confirm it or set it aside, and until then it counts."""
    confirmed_at: datetime | None = None
    set_aside_at: datetime | None = None
    """When staff said that it was not the patient's; from then on it counts no more."""
