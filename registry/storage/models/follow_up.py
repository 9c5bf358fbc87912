"""What is expected of a patient, and what the patient sent."""

from datetime import date, datetime

from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from registry.domain.instruments import Mode
from registry.domain.vocabularies import CallOrigin, CallOutcome, CallTime, Respondent, Suspicion
from registry.storage.models.base import one_of


class FollowUp(SQLModel, table=True):
    """One expected contact: an operation at a timepoint, with its window as dates."""

    __tablename__ = "follow_up"
    __table_args__ = (
        UniqueConstraint("operation_id", "timepoint"),
        CheckConstraint("opens_on <= due_on AND due_on <= closes_on", name="window_in_order"),
        Index("ix__follow_up__patient_id", "patient_id"),
        Index("ix__follow_up__due_on", "due_on"),
    )

    id: int = Field(default=None, primary_key=True)
    patient_id: int = Field(foreign_key="patient.id")
    operation_id: int = Field(foreign_key="operation.id")
    timepoint: str = Field(max_length=10)
    opens_on: date
    due_on: date
    closes_on: date
    declined_on: date | None = None


class Assessment(SQLModel, table=True):
    """The answers of one patient at one follow-up; begun by the first saved answer."""

    __tablename__ = "assessment"
    __table_args__ = (
        CheckConstraint("language IN ('en', 'ja')", name="language_known"),
        Index("ix__assessment__patient_id", "patient_id"),
        Index(
            "ix__assessment__doubtful",
            "patient_id",
            sqlite_where=text("suspicion IS NOT NULL AND confirmed_at IS NULL"),
            postgresql_where=text("suspicion IS NOT NULL AND confirmed_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True)
    follow_up_id: int = Field(foreign_key="follow_up.id", unique=True)
    patient_id: int = Field(foreign_key="patient.id")
    reference: str = Field(max_length=12, unique=True)
    """What the receipt shows; it opens nothing."""
    language: str = Field(max_length=2)
    started_at: datetime
    submitted_at: datetime | None = None
    respondent: Respondent | None = one_of(Respondent, "respondent_known", default=None, nullable=True)
    suspicion: Suspicion | None = one_of(Suspicion, "suspicion_known", default=None, nullable=True)
    """Why the answers may come from a program; staff confirm them or set them aside, and until then they count."""
    confirmed_at: datetime | None = None


class Answer(SQLModel, table=True):
    """One version of the answer to one item; a correction is a new version and the earlier ones stay."""

    __tablename__ = "answer"
    __table_args__ = (
        UniqueConstraint("assessment_id", "item", "version"),
        CheckConstraint("score BETWEEN 0 AND 100", name="score_in_range"),
        CheckConstraint("(score IS NULL) = is_skipped", name="skipped_has_no_score"),
        CheckConstraint("version >= 1", name="version_counts_from_one"),
        Index(
            "uq__answer__current",
            "assessment_id",
            "item",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True)
    assessment_id: int = Field(foreign_key="assessment.id")
    item: str = Field(max_length=20)
    version: int
    score: int | None = None
    is_skipped: bool = False
    mode: Mode | None = one_of(Mode, "mode_known", default=None, nullable=True)
    """How the score was given; none for a question that was skipped on a device."""
    instrument_version: str = Field(max_length=60)
    language: str = Field(max_length=2)
    answered_on: date
    """The day in the site's time zone; reports tell by it which window the answer belongs to."""
    recorded_at: datetime
    superseded_at: datetime | None = None
    line_px: int | None = None
    viewport_px: int | None = None
    pixel_ratio: float | None = None
    ms_to_first_mark: int | None = None
    n_changes: int | None = None
    mark_mm: float | None = None
    """On paper: where the mark was, and how long the printed line turned out to be."""
    line_mm: float | None = None


class BodyMarking(SQLModel, table=True):
    """The regions of the body that a patient ticked; a correction is a new version and the earlier ones stay."""

    __tablename__ = "body_marking"
    __table_args__ = (
        UniqueConstraint("assessment_id", "version"),
        CheckConstraint("version >= 1", name="version_counts_from_one"),
        Index(
            "uq__body_marking__current",
            "assessment_id",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True)
    assessment_id: int = Field(foreign_key="assessment.id")
    version: int
    regions: list[str] = Field(sa_type=JSON)
    """Codes in the order of the page; empty when the patient says that nothing hurts."""
    answered_on: date
    recorded_at: datetime
    superseded_at: datetime | None = None


class PhoneRequest(SQLModel, table=True):
    """A patient who asked to be phoned about a form, open until somebody has called; or a call of the ladder."""

    __tablename__ = "phone_request"
    __table_args__ = (
        Index(
            "uq__phone_request__open",
            "follow_up_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed_says_how"),
        CheckConstraint("origin <> 'ladder' OR closed_at IS NOT NULL", name="ladder_call_is_over"),
        Index("ix__phone_request__follow_up_id", "follow_up_id"),
        Index("ix__phone_request__patient_id", "patient_id"),
    )

    id: int = Field(default=None, primary_key=True)
    follow_up_id: int = Field(foreign_key="follow_up.id")
    patient_id: int = Field(foreign_key="patient.id")
    origin: CallOrigin = one_of(CallOrigin, "origin_known", default=CallOrigin.PATIENT)
    call_time: CallTime = one_of(CallTime, "call_time_known")
    requested_at: datetime
    closed_at: datetime | None = None
    outcome: CallOutcome | None = one_of(CallOutcome, "outcome_known", default=None, nullable=True)


class PhoneAttempt(SQLModel, table=True):
    """A call that brought no answers: by whom, when, and how it ended."""

    __tablename__ = "phone_attempt"
    __table_args__ = (
        UniqueConstraint("phone_request_id", "number"),
        CheckConstraint("number >= 1", name="number_counts_from_one"),
        CheckConstraint("(outcome = 'call_back') = (call_back_on IS NOT NULL)", name="call_back_has_its_day"),
    )

    id: int = Field(default=None, primary_key=True)
    phone_request_id: int = Field(foreign_key="phone_request.id")
    number: int
    called_at: datetime
    called_by: str = Field(max_length=100)
    """The member of staff, by number, as in the audit trail."""
    outcome: CallOutcome = one_of(CallOutcome, "outcome_known")
    call_back_on: date | None = None
    """The day on which the patient wants to be called instead."""


class PostedLetter(SQLModel, table=True):
    """A letter with the form on paper that was sent by post: for which follow-up, when, and who said so."""

    __tablename__ = "posted_letter"
    __table_args__ = (
        UniqueConstraint("follow_up_id", "posted_on"),
        Index("ix__posted_letter__patient_id", "patient_id"),
    )

    id: int = Field(default=None, primary_key=True)
    follow_up_id: int = Field(foreign_key="follow_up.id")
    patient_id: int = Field(foreign_key="patient.id")
    posted_on: date
    recorded_at: datetime
    recorded_by: str = Field(max_length=100)
    """The member of staff, by number, as in the audit trail."""
