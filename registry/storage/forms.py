"""What stands behind a form's link: one row for the form, one for each saved answer."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime

from sqlalchemy import bindparam, select
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
    answered_on: date


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
    sent_at: datetime | None
    saved: Mapping[str, SavedAnswer]
    """Every standing answer, also those of a day before the operation was moved."""

    @property
    def answers(self) -> Mapping[str, SavedAnswer]:
        """The answers that count: given since the form opened."""
        return {item: found for item, found in self.saved.items() if found.answered_on >= self.window.opens_on}

    @property
    def submitted_at(self) -> datetime | None:
        """When the answers were sent; what was sent for an earlier day of the operation was another form."""
        return self.sent_at if len(self.answers) == len(self.saved) else None

    def is_closed(self, today: date) -> bool:
        """Whether the last day of the form has passed."""
        return today > self.window.closes_on


# Built once: putting a statement together costs more than running it.
_OPEN_LINK = (
    _access_link.public_id == bindparam("public_id"),
    _access_link.purpose == LinkPurpose.FORM,
    _access_link.revoked_at.is_(None),
)
_FORM = (
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
    .join_from(table_of(AccessLink), table_of(FollowUp), _follow_up.id == _access_link.follow_up_id)
    .join(table_of(Patient), _patient.id == _follow_up.patient_id)
    .join(table_of(Site), _site.id == _patient.site_id)
    .join(table_of(Enrolment), _enrolment.patient_id == _patient.id)
    .outerjoin(table_of(Assessment), _assessment.follow_up_id == _follow_up.id)
    .where(*_OPEN_LINK)
)
_LOCK = (
    select(_follow_up.id)
    .join_from(table_of(AccessLink), table_of(FollowUp), _follow_up.id == _access_link.follow_up_id)
    .where(*_OPEN_LINK)
    .with_for_update(of=table_of(FollowUp))
)
_ANSWERS = select(_answer.item, *(_answer[field.name] for field in fields(SavedAnswer))).where(
    _answer.assessment_id == bindparam("assessment_id"), _answer.superseded_at.is_(None)
)


def lock_form(session: Session, *, public_id: str) -> None:
    """Let two tabs of one patient wait for each other; SQLite's write transaction does so for everybody.

    A statement of its own: what is read after it sees what the other tab has written.
    """
    if session.get_bind().dialect.name != "sqlite":
        session.execute(_LOCK, {"public_id": public_id})


def form_behind(session: Session, *, public_id: str) -> Form | None:
    """The form behind a link that still opens; two look-ups by key, whatever the size of the registry."""
    row = session.execute(_FORM, {"public_id": public_id}).first()
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
        sent_at=row.submitted_at,
        saved=_answers(session, row.assessment_id) if row.assessment_id else {},
    )


def _answers(session: Session, assessment_id: int) -> dict[str, SavedAnswer]:
    rows = session.execute(_ANSWERS, {"assessment_id": assessment_id})
    return {item: SavedAnswer(*values) for item, *values in rows}
