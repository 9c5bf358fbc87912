"""What stands behind a form's link: one row for the form, one for each saved answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, or_, select

from registry.domain.study import VisitWindow
from registry.storage.database import Rows
from registry.storage.models import (
    AccessLink,
    Answer,
    Assessment,
    BodyMarking,
    Consent,
    Enrolment,
    FollowUp,
    LinkPurpose,
    Patient,
    Reminder,
    ReminderState,
    Site,
)
from registry.storage.models.base import table_of
from registry.storage.prepared import Prepared

_access_link = table_of(AccessLink).c
_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_body_marking = table_of(BodyMarking).c
_consent = table_of(Consent).c
_enrolment = table_of(Enrolment).c
_follow_up = table_of(FollowUp).c
_patient = table_of(Patient).c
_reminder = table_of(Reminder).c
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
    recorded_at: datetime


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
    is_tablet: bool
    late_until: date | None
    """The last day of a link that was asked for after the window had closed."""
    consent_version: str | None
    has_consented: bool
    """What the newest decision says; a patient who was never asked has no version."""
    assessment_id: int | None
    reference: str | None
    started_at: datetime | None
    sent_at: datetime | None
    respondent: str | None
    suspicion: str | None
    confirmed_at: datetime | None
    """When staff said that the suspected answers are the patient's own."""
    saved: Mapping[str, SavedAnswer]
    """Every standing answer, also those of a day before the operation was moved."""

    @property
    def closes_on(self) -> date:
        """The last day on which this link takes an answer."""
        return max(self.late_until or self.window.closes_on, self.window.closes_on)

    @property
    def has_refused(self) -> bool:
        """Whether the patient said no to taking part."""
        return self.consent_version is not None and not self.has_consented

    @property
    def answers(self) -> Mapping[str, SavedAnswer]:
        """The answers that count: given since the form opened."""
        return {item: found for item, found in self.saved.items() if found.answered_on >= self.window.opens_on}

    @property
    def submitted_at(self) -> datetime | None:
        """When the answers were sent; what was sent for an earlier day of the operation was another form."""
        return self.sent_at if len(self.answers) == len(self.saved) else None

    @property
    def is_doubtful(self) -> bool:
        """Whether answers may come from a program, and nobody has looked at them."""
        return self.suspicion is not None and self.confirmed_at is None

    def is_locked(self, item: str, today: date) -> bool:
        """Whether an answer was given in time and the window has closed since: what the report uses stays as it is."""
        found = self.saved.get(item)
        return found is not None and self.is_after_the_window(today, given_on=found.answered_on)

    def is_after_the_window(self, today: date, *, given_on: date) -> bool:
        """Whether something was given inside the window, and the window has closed since."""
        return today > self.window.closes_on and self.window.contains(given_on)

    def is_closed(self, today: date) -> bool:
        """Whether the last day of the form has passed."""
        return today > self.closes_on


# Built once: putting a statement together costs more than running it.
_OPEN_LINK = (
    _access_link.public_id == bindparam("public_id"),
    # Not as a list: one is written out anew for each execution.
    or_(_access_link.purpose == LinkPurpose.FORM, _access_link.purpose == LinkPurpose.TABLET),
    _access_link.revoked_at.is_(None),
)
_LINK_COLUMNS = (_access_link.public_id, _access_link.purpose, _access_link.late_until)
_FORM_COLUMNS = (
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
    _consent.version.label("consent_version"),
    _consent.is_given,
    _assessment.id.label("assessment_id"),
    _assessment.reference,
    _assessment.started_at,
    _assessment.submitted_at,
    _assessment.respondent,
    _assessment.suspicion,
    _assessment.confirmed_at,
)
_ANSWER_COLUMNS = (_answer.item, *(_answer[field.name] for field in fields(SavedAnswer)))
_N_ANSWER_COLUMNS = len(_ANSWER_COLUMNS)


def _with_surroundings(follow_ups: Select[Any]) -> Select[Any]:
    """Follow-ups joined with everything that a form is made of."""
    return (
        follow_ups.join(table_of(Patient), _patient.id == _follow_up.patient_id)
        .join(table_of(Site), _site.id == _patient.site_id)
        .join(table_of(Enrolment), _enrolment.patient_id == _patient.id)
        .outerjoin(table_of(Consent), and_(_consent.patient_id == _patient.id, _consent.superseded_at.is_(None)))
        .outerjoin(table_of(Assessment), _assessment.follow_up_id == _follow_up.id)
        .outerjoin(table_of(Answer), and_(_answer.assessment_id == _assessment.id, _answer.superseded_at.is_(None)))
    )


_FORM = Prepared(
    _with_surroundings(
        select(*_ANSWER_COLUMNS, *_LINK_COLUMNS, *_FORM_COLUMNS).join_from(
            table_of(AccessLink), table_of(FollowUp), _follow_up.id == _access_link.follow_up_id
        )
    ).where(*_OPEN_LINK)
)
_FORM_OF_FOLLOW_UP = _with_surroundings(select(*_ANSWER_COLUMNS, *_FORM_COLUMNS).select_from(table_of(FollowUp))).where(
    _follow_up.id == bindparam("follow_up_id")
)
_LOCK_FOLLOW_UP = select(_follow_up.id).where(_follow_up.id == bindparam("follow_up_id")).with_for_update()
_LOCK_FOLLOW_UPS = (
    select(_follow_up.id)
    .where(_follow_up.patient_id == bindparam("patient_id"))
    .order_by(_follow_up.id)
    .with_for_update()
)
_LOCK = (
    select(_follow_up.id)
    .join_from(table_of(AccessLink), table_of(FollowUp), _follow_up.id == _access_link.follow_up_id)
    .where(*_OPEN_LINK)
    .with_for_update(of=table_of(FollowUp))
)


def _is_sqlite(session: Rows) -> bool:
    return (session if isinstance(session, Connection) else session.get_bind()).dialect.name == "sqlite"


def lock_form(session: Rows, *, public_id: str) -> None:
    """Let two tabs of one patient wait for each other; SQLite's write transaction does so for everybody.

    A statement of its own: what is read after it sees what the other tab has written.
    """
    if not _is_sqlite(session):
        session.execute(_LOCK, {"public_id": public_id})


def form_behind(session: Rows, *, public_id: str) -> Form | None:
    """The form behind a link that still opens; one look-up by keys, whatever the size of the registry."""
    rows = _FORM.all(session, {"public_id": public_id})
    if not rows:
        return None
    row = rows[0]
    return _form(rows, row.public_id, is_tablet=row.purpose == LinkPurpose.TABLET, late_until=row.late_until)


def form_of_follow_up(session: Rows, *, follow_up_id: int) -> Form | None:
    """The form of a follow-up as staff fill it in, without a link."""
    rows = session.execute(_FORM_OF_FOLLOW_UP, {"follow_up_id": follow_up_id}).all()
    return _form(rows, "", is_tablet=False, late_until=None) if rows else None


def lock_follow_up(session: Rows, *, follow_up_id: int) -> None:
    """Let staff and the patient at the same form wait for each other; what is read after it is what stands."""
    if not _is_sqlite(session):
        session.execute(_LOCK_FOLLOW_UP, {"follow_up_id": follow_up_id})


def lock_follow_ups(session: Rows, *, patient_id: int) -> None:
    """Let whoever writes on any form of a patient finish first, and everybody after that see what stands."""
    if not _is_sqlite(session):
        session.execute(_LOCK_FOLLOW_UPS, {"patient_id": patient_id})


def _form(rows: Sequence[Row[Any]], public_id: str, *, is_tablet: bool, late_until: date | None) -> Form:
    """A form out of one row for each of its answers, or a single row with no answer in it."""
    row = rows[0]
    return Form(
        public_id=public_id,
        patient_id=row.patient_id,
        follow_up_id=row.follow_up_id,
        site_code=row.site_code,
        language=row.language,
        timepoint=row.timepoint,
        window=VisitWindow(row.opens_on, row.due_on, row.closes_on),
        has_left=row.withdrawn_on is not None or row.died_on is not None,
        is_tablet=is_tablet,
        late_until=late_until,
        consent_version=row.consent_version,
        has_consented=bool(row.is_given),
        assessment_id=row.assessment_id,
        reference=row.reference,
        started_at=row.started_at,
        sent_at=row.submitted_at,
        respondent=row.respondent,
        suspicion=row.suspicion,
        confirmed_at=row.confirmed_at,
        saved={found[0]: SavedAnswer(*found[1:_N_ANSWER_COLUMNS]) for found in rows if found[0] is not None},
    )


@dataclass(frozen=True)
class SavedMarking:
    """The regions of the body as they stand."""

    id: int
    version: int
    regions: Sequence[str]
    answered_on: date


_MARKING = select(*(_body_marking[field.name] for field in fields(SavedMarking))).where(
    _body_marking.assessment_id == bindparam("assessment_id"), _body_marking.superseded_at.is_(None)
)


def marking_of(session: Rows, *, form: Form) -> SavedMarking | None:
    """The regions that were ticked on a form, if any; one look-up by key."""
    row = session.execute(_MARKING, {"assessment_id": form.assessment_id}).first() if form.assessment_id else None
    return SavedMarking(*row) if row is not None else None


MAY_HAVE_ARRIVED = (ReminderState.ACCEPTED, ReminderState.SENDING, ReminderState.UNKNOWN)
"""States of a mail whose link somebody may have by now."""

# A mail still on its way counts from its claim: a scanner may be quicker than the server's reply to us.
_LAST_MAIL = select(func.max(func.coalesce(_reminder.sent_at, _reminder.claimed_at))).where(
    _reminder.follow_up_id == bindparam("follow_up_id"),
    _reminder.state.in_(MAY_HAVE_ARRIVED),
)


def last_mail_at(session: Rows, *, follow_up_id: int) -> datetime | None:
    """When the newest mail that carried this form's link went out."""
    found: datetime | None = session.execute(_LAST_MAIL, {"follow_up_id": follow_up_id}).scalar()
    return found
