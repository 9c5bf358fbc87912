"""Answers: each saved as it is given, corrected by a new version, and sent as a whole."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import bindparam, insert, update
from sqlmodel import Session

from registry.domain.actors import Actor
from registry.domain.errors import FormNotOpenYet, LinkClosed, Unknown
from registry.domain.instruments import Mode
from registry.domain.study import Study
from registry.security.tokens import random_id
from registry.services import audit
from registry.storage.forms import Form, SavedAnswer, form_behind, lock_form
from registry.storage.models import Answer, Assessment
from registry.storage.models.base import table_of

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c

_REFERENCE_LENGTH = 8

# Built once: putting a statement together costs more than running it.
_INSERT_ANSWER = insert(table_of(Answer))
_INSERT_ASSESSMENT = insert(table_of(Assessment)).returning(_assessment.id)
_SUPERSEDE = update(table_of(Answer)).where(_answer.id == bindparam("key"))
_SUBMIT = update(table_of(Assessment)).where(_assessment.id == bindparam("key"))


@dataclass(frozen=True, kw_only=True)
class GivenAnswer:
    """One answer as a patient gave it, and what the page measured meanwhile."""

    item: str
    score: int | None
    mode: Mode | None = None
    line_px: int | None = None
    viewport_px: int | None = None
    pixel_ratio: float | None = None
    ms_to_first_mark: int | None = None
    n_changes: int | None = None

    @property
    def is_skipped(self) -> bool:
        """Whether the patient chose to go on without answering."""
        return self.score is None


class AnswersMissing(Exception):
    """A form cannot be sent while a question is neither answered nor skipped."""

    def __init__(self, item: str) -> None:
        super().__init__(item)
        self.item = item


def open_form(session: Session, *, public_id: str) -> Form:
    """The form behind a link; unknown once the patient has left."""
    form = form_behind(session, public_id=public_id)
    if form is None or form.has_left:
        raise Unknown("no such form")
    return form


def refuse_unless_open(form: Form, today: date) -> None:
    """Raise outside the form's window: an answer given there would count for nothing."""
    if today < form.window.opens_on:
        raise FormNotOpenYet(form.window.opens_on)
    if form.is_closed(today):
        raise LinkClosed(form.window.closes_on)


def lock_and_open_form(session: Session, *, public_id: str) -> Form:
    """The form behind a link, held until the transaction ends so that two tabs write one after the other."""
    lock_form(session, public_id=public_id)
    return open_form(session, public_id=public_id)


def record_answer(
    session: Session,
    *,
    form: Form,
    answer: GivenAnswer,
    study: Study,
    language: str,
    today: date,
    by: Actor,
    now: datetime,
) -> None:
    """Save one answer: the same again changes nothing, another one becomes a new version beside the old.

    The form must have been locked and opened in this transaction.
    """
    refuse_unless_open(form, today)
    standing = form.saved.get(answer.item)
    if standing and answer.item in form.answers and _is_same(standing, answer):
        return
    assessment_id = form.assessment_id or _begin(session, form, language=language, now=now)
    if form.sent_at is not None and form.submitted_at is None:
        # What was sent belonged to an earlier day of the operation; this form has yet to be sent.
        session.execute(_SUBMIT, {"key": assessment_id, "submitted_at": None})
    version = _supersede(session, standing, now)
    row = {
        "assessment_id": assessment_id,
        "version": version,
        "instrument_version": study.instrument.version,
        "language": language,
        "answered_on": today,
        "recorded_at": now,
        "is_skipped": answer.is_skipped,
        **vars(answer),
    }
    session.execute(_INSERT_ANSWER, row)
    told: dict[str, audit.Detail] = {"item": answer.item, "version": version}
    audit.record(session, action="answer_saved", subject="assessment", subject_id=assessment_id, by=by, now=now, **told)


def _is_same(standing: SavedAnswer, answer: GivenAnswer) -> bool:
    return (standing.score, standing.is_skipped) == (answer.score, answer.is_skipped)


def submit(session: Session, *, form: Form, study: Study, today: date, by: Actor, now: datetime) -> None:
    """Send the answers of a form locked and opened in this transaction; sending again shows the same receipt."""
    refuse_unless_open(form, today)
    if form.submitted_at is not None:
        return
    for item in study.items:
        if item.code not in form.answers:
            raise AnswersMissing(item.code)
    assessment_id = form.assessment_id or 0
    session.execute(_SUBMIT, {"key": assessment_id, "submitted_at": now})
    audit.record(session, action="answers_sent", subject="assessment", subject_id=assessment_id, by=by, now=now)


def _begin(session: Session, form: Form, *, language: str, now: datetime) -> int:
    row = session.execute(
        _INSERT_ASSESSMENT,
        {
            "follow_up_id": form.follow_up_id,
            "patient_id": form.patient_id,
            "reference": random_id(_REFERENCE_LENGTH),
            "language": language,
            "started_at": now,
        },
    ).one()
    return int(row.id)


def _supersede(session: Session, standing: SavedAnswer | None, now: datetime) -> int:
    """Put the answer that stands aside, and give the number of the next version."""
    if standing is None:
        return 1
    session.execute(_SUPERSEDE, {"key": standing.id, "superseded_at": now})
    return standing.version + 1
