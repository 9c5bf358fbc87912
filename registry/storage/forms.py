"""What stands behind a form's link: one row for the form, one for each saved answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.domain.study import VisitWindow
from registry.storage.models import (
    AccessLink,
    Answer,
    Assessment,
    Enrolment,
    FollowUp,
    LinkPurpose,
    Patient,
    Site,
)
from registry.storage.models.base import table_of

_access_link = table_of(AccessLink).c
_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_enrolment = table_of(Enrolment).c
_follow_up = table_of(FollowUp).c
_patient = table_of(Patient).c
_site = table_of(Site).c


@dataclass(frozen=True)
class SavedAnswer:
    """The answer to one item as it stands."""

    id: int
    version: int
    score: int | None
    is_skipped: bool
    mode: str | None


@dataclass(frozen=True)
class Form:
    """One patient's form of one follow-up, with the answers saved so far."""

    public_id: str
    patient_id: int
    follow_up_id: int
    site_code: str
    language: str
    timepoint: str
    window: VisitWindow
    has_left: bool
    assessment_id: int | None
    reference: str | None
    submitted_at: datetime | None
    answers: Mapping[str, SavedAnswer]

    def is_closed(self, today: date) -> bool:
        """Whether the last day of the form has passed."""
        return today > self.window.closes_on


def form_behind(session: Session, *, public_id: str, lock: bool = False) -> Form | None:
    """The form behind a link that still opens; two look-ups by key, whatever the size of the registry."""
    statement = (
        select(
            _access_link.public_id,
            _follow_up.patient_id,
            _follow_up.id.label("follow_up_id"),
            _site.code.label("site_code"),
            _patient.language,
            _follow_up.timepoint,
            _follow_up.opens_on,
            _follow_up.due_on,
            _follow_up.closes_on,
            _patient.died_on,
            _enrolment.withdrawn_on,
            _assessment.id.label("assessment_id"),
            _assessment.reference,
            _assessment.submitted_at,
        )
        .join(FollowUp, _follow_up.id == _access_link.follow_up_id)
        .join(Patient, _patient.id == _follow_up.patient_id)
        .join(Site, _site.id == _patient.site_id)
        .join(Enrolment, _enrolment.patient_id == _patient.id)
        .outerjoin(Assessment, _assessment.follow_up_id == _follow_up.id)
        .where(
            _access_link.public_id == public_id,
            _access_link.purpose == LinkPurpose.FORM,
            _access_link.revoked_at.is_(None),
        )
    )
    if lock:
        # Two tabs of one patient wait for each other here; SQLite's write transaction does the same for all.
        statement = statement.with_for_update(of=FollowUp)
    row = session.execute(statement).first()
    if row is None:
        return None
    return Form(
        public_id=row.public_id,
        patient_id=row.patient_id,
        follow_up_id=row.follow_up_id,
        site_code=row.site_code,
        language=row.language,
        timepoint=row.timepoint,
        window=VisitWindow(row.opens_on, row.due_on, row.closes_on),
        has_left=row.withdrawn_on is not None or row.died_on is not None,
        assessment_id=row.assessment_id,
        reference=row.reference,
        submitted_at=row.submitted_at,
        answers=_answers(session, row.assessment_id) if row.assessment_id else {},
    )


def _answers(session: Session, assessment_id: int) -> dict[str, SavedAnswer]:
    rows = session.execute(
        select(_answer.item, _answer.id, _answer.version, _answer.score, _answer.is_skipped, _answer.mode).where(
            _answer.assessment_id == assessment_id, _answer.superseded_at.is_(None)
        )
    )
    return {row.item: SavedAnswer(row.id, row.version, row.score, row.is_skipped, row.mode) for row in rows}
