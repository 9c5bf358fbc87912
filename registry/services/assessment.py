"""Answers: each saved as it is given, corrected by a new version, and sent as a whole."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import bindparam, func, insert, select, update

from registry.domain.actors import Actor
from registry.domain.errors import ConsentMissing, FormNotOpenYet, LinkClosed, Unknown
from registry.domain.instruments import Mode, is_given_on_device
from registry.domain.quality import suspicion_of
from registry.domain.schedule import last_late_day
from registry.domain.study import Study
from registry.domain.vocabularies import Respondent
from registry.security.tokens import random_id
from registry.services import audit
from registry.storage.database import Rows
from registry.storage.forms import Form, SavedAnswer, form_behind, last_mail_at, lock_form
from registry.storage.models import Answer, Assessment, AuditEvent
from registry.storage.models.base import table_of
from registry.storage.prepared import Prepared

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_event = table_of(AuditEvent).c

SENDINGS = ("answers_sent", "respondent_changed", "answers_sent_again")
"""What the audit trail calls a first sending, one by somebody else, and one of other answers."""

_REFERENCE_LENGTH = 8


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


# Built once: putting a statement together costs more than running it.
_others = table_of(Answer).alias("others").c
_OF_ITEM = (_others.assessment_id == bindparam("of_assessment"), _others.item == bindparam("of_item"))
_NEWEST = select(*_others).where(*_OF_ITEM).order_by(_others.version.desc()).limit(1)
_NEXT_VERSION = select(func.coalesce(func.max(_others.version), 0) + 1).where(*_OF_ITEM)
_INSERT_ANSWER = Prepared(insert(table_of(Answer)).values(version=_NEXT_VERSION.scalar_subquery()).inline())
_INSERT_ASSESSMENT = insert(table_of(Assessment)).returning(_assessment.id)
_SUPERSEDE = Prepared(update(table_of(Answer)).where(_answer.id == bindparam("key")))
_CHANGE = update(table_of(Assessment)).where(_assessment.id == bindparam("key"))
_LAST_TOLD = (
    select(_event.action)
    .where(_event.subject == "assessment", _event.subject_id == bindparam("of_assessment"))
    .where(_event.action.in_(("answer_saved", "regions_saved", "answers_set_aside", *SENDINGS)))
    .order_by(_event.id.desc())
    .limit(1)
)


class AnswersMissing(Exception):
    """A form cannot be sent while a question is neither answered nor skipped."""

    def __init__(self, item: str) -> None:
        super().__init__(item)
        self.item = item


def open_form(session: Rows, *, public_id: str) -> Form:
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
        raise LinkClosed(form.closes_on)


def refuse_unless_taken(form: Form, today: date) -> None:
    """Raise on a day on which not even a late answer is kept, such as one from a page that was left open."""
    if today < form.window.opens_on:
        raise FormNotOpenYet(form.window.opens_on)
    if today > last_late_day(form.window.closes_on):
        raise LinkClosed(form.closes_on)


def refuse_unless_agreed_now(form: Form, study: Study) -> None:
    """Raise before a question is shown to a patient who has not agreed to the words of today."""
    if not study.consent.is_met(form.consent_version, is_given=form.has_consented):
        raise ConsentMissing("the patient has not agreed to take part")


def refuse_unless_agreed(form: Form, study: Study) -> None:
    """Raise when the patient said no, or was never asked; what was begun under earlier words may still be saved."""
    if form.has_consented or (form.answers and not form.has_refused):
        return
    refuse_unless_agreed_now(form, study)


def lock_and_open_form(session: Rows, *, public_id: str) -> Form:
    """The form behind a link, held until the transaction ends so that two tabs write one after the other."""
    lock_form(session, public_id=public_id)
    return open_form(session, public_id=public_id)


def record_answer(
    session: Rows,
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
    refuse_unless_taken(form, today)
    refuse_unless_agreed(form, study)
    assessment_id = keep_answer(
        session, form=form, answer=answer, study=study, language=language, answered_on=today, by=by, now=now
    )
    look_for_haste(session, form=form, assessment_id=assessment_id, item=answer.item, by=by, now=now)


def keep_answer(
    session: Rows,
    *,
    form: Form,
    answer: GivenAnswer,
    study: Study,
    language: str,
    answered_on: date,
    by: Actor,
    now: datetime,
) -> int:
    """Write an answer as a version of its own unless it stands already, and return the row of its assessment.

    A late answer never takes the place of one given in time, which is what the report uses: it is kept beside it.
    """
    will_stand = stands(form, item=answer.item, mode=answer.mode, answered_on=answered_on)
    if form.assessment_id and _is_told_already(session, form, answer, will_stand=will_stand):
        return form.assessment_id
    assessment_id = begun(session, form=form, language=language, now=now)
    if will_stand and (standing := form.saved.get(answer.item)):
        _SUPERSEDE.run(session, {"key": standing.id, "superseded_at": now})
    row = {
        "assessment_id": assessment_id,
        "of_assessment": assessment_id,
        "of_item": answer.item,
        "instrument_version": study.instrument.version,
        "language": language,
        "answered_on": answered_on,
        "recorded_at": now,
        "superseded_at": None if will_stand else now,
        "is_skipped": answer.is_skipped,
        **vars(answer),
    }
    _INSERT_ANSWER.run(session, row)
    told: dict[str, audit.Detail] = {"item": answer.item}
    audit.record(session, action="answer_saved", subject="assessment", subject_id=assessment_id, by=by, now=now, **told)
    return assessment_id


def stands(form: Form, *, item: str, mode: str | None, answered_on: date) -> bool:
    """Whether an answer of a day takes the place of what is there, rather than being kept beside it."""
    if form.is_locked(item, answered_on):
        return False
    # On a device a patient answers now, whatever day the clock showed before.
    return is_given_on_device(mode) or not _is_older(form, form.saved.get(item), answered_on)


def _is_told_already(session: Rows, form: Form, answer: GivenAnswer, *, will_stand: bool) -> bool:
    """Whether the answer stands already, or is kept already beside the one that stands."""
    standing = form.saved.get(answer.item)
    if standing and answer.item in form.answers and _is_same(standing, answer):
        return True
    return not will_stand and _is_kept_beside(session, form.assessment_id or 0, answer)


def _is_kept_beside(session: Rows, assessment_id: int, answer: GivenAnswer) -> bool:
    """Whether exactly this was the last to be kept beside the answer that stands, as when a page is sent twice."""
    newest = session.execute(_NEWEST, {"of_assessment": assessment_id, "of_item": answer.item}).one()
    is_told = (newest.score, newest.is_skipped) == (answer.score, answer.is_skipped)
    is_told_alike = is_given_on_device(newest.mode) == is_given_on_device(answer.mode)
    is_measured_alike = all(getattr(newest, name) == getattr(answer, name, None) for name in ("mark_mm", "line_mm"))
    return is_told and is_told_alike and is_measured_alike


def _is_older(form: Form, standing: SavedAnswer | None, answered_on: date) -> bool:
    """Whether the patient has answered on a device since: a paper form of an earlier day does not replace that."""
    if standing is None or not is_given_on_device(standing.mode):
        return False
    return form.window.contains(standing.answered_on) and answered_on < standing.answered_on


def _is_same(standing: SavedAnswer, answer: GivenAnswer) -> bool:
    return (standing.score, standing.is_skipped) == (answer.score, answer.is_skipped)


def submit(
    session: Rows, *, form: Form, respondent: Respondent, study: Study, today: date, by: Actor, now: datetime
) -> None:
    """Send the answers of a form locked and opened in this transaction; sending again shows the same receipt."""
    refuse_unless_taken(form, today)
    refuse_unless_agreed(form, study)
    for item in study.items:
        if item.code not in form.answers:
            raise AnswersMissing(item.code)
    if form.submitted_at is not None and all(form.is_locked(item.code, today) for item in study.items):
        return
    assessment_id = form.assessment_id or 0
    look_for_haste(session, form=form, assessment_id=assessment_id, by=by, now=now)
    send(session, form=form, assessment_id=assessment_id, respondent=respondent, by=by, now=now)


def send(session: Rows, *, form: Form, assessment_id: int, respondent: Respondent, by: Actor, now: datetime) -> None:
    """Mark an assessment as sent, by whomever it was filled in; the day of the first sending stays."""
    is_unlike = form.submitted_at is None or form.respondent != respondent
    if is_unlike:
        values = {"submitted_at": form.submitted_at or now, "respondent": respondent}
        session.execute(_CHANGE, {"key": assessment_id, **values})
    elif session.execute(_LAST_TOLD, {"of_assessment": assessment_id}).scalar() in SENDINGS:
        return
    first, changed, again = SENDINGS
    action = first if form.submitted_at is None else changed if is_unlike else again
    audit.record(
        session,
        action=action,
        subject="assessment",
        subject_id=assessment_id,
        by=by,
        now=now,
        respondent=respondent,
    )


def look_for_haste(session: Rows, *, form: Form, assessment_id: int, by: Actor, now: datetime, item: str = "") -> None:
    """Mark answers that may come from a program; staff look at them, and nothing is dropped."""
    if form.is_doubtful:
        return
    mailed_at = None if form.answers else last_mail_at(session, follow_up_id=form.follow_up_id)
    others = [found.recorded_at for code, found in form.saved.items() if code != item]
    found = suspicion_of(recorded_at=others, mailed_at=mailed_at, now=now)
    if found is not None:
        session.execute(_CHANGE, {"key": assessment_id, "suspicion": found, "confirmed_at": None})
        told: dict[str, audit.Detail] = {"reason": found}
        audit.record(
            session, action="answers_suspected", subject="assessment", subject_id=assessment_id, by=by, now=now, **told
        )


def begun(session: Rows, *, form: Form, language: str, now: datetime) -> int:
    """The row of a form's assessment, made with the first thing that is saved on it."""
    if form.assessment_id is None:
        return _begin(session, form, language=language, now=now)
    if form.sent_at is not None and form.submitted_at is None:
        # What was sent belonged to an earlier day of the operation; this form has yet to be sent.
        session.execute(_CHANGE, {"key": form.assessment_id, "submitted_at": None})
    return form.assessment_id


def _begin(session: Rows, form: Form, *, language: str, now: datetime) -> int:
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
