"""Answers that staff enter for a patient: from paper, measured, or as they were said on the telephone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import update
from sqlmodel import Session, col, select

from registry.domain.actors import Actor
from registry.domain.errors import InvalidInput, Unknown
from registry.domain.instruments import Mode, is_given_on_device
from registry.domain.study import Study
from registry.domain.vocabularies import CallOutcome, ConsentRoute, Respondent
from registry.services import assessment
from registry.services.assessment import GivenAnswer
from registry.services.consent import Decision, decide
from registry.services.consent_review import stands_in_visit
from registry.services.phone_requests import close_open_request
from registry.services.review import confirm_answers
from registry.services.suspected_visit import suspected_visits
from registry.storage.forms import Form, form_of_follow_up, lock_follow_up
from registry.storage.models import Answer, Assessment
from registry.storage.models.base import table_of

_assessment = table_of(Assessment).c

_HIGHEST = 100


@dataclass(frozen=True, kw_only=True)
class EnteredAnswer(GivenAnswer):
    """An answer that staff enter, with the two lengths that were measured on paper."""

    mark_mm: float | None = None
    line_mm: float | None = None


@dataclass(frozen=True, kw_only=True)
class StaffEntry:
    """One form as staff enter it; a question that is not in it keeps the answer that stands, if any."""

    answers: Sequence[EnteredAnswer]
    answered_on: date
    respondent: Respondent
    is_by_phone: bool = False
    has_agreed: bool = False
    """Whether staff say that a patient whose decision is not recorded agreed at the hospital."""


@dataclass(frozen=True, kw_only=True)
class Entered:
    """What became of an entry."""

    is_sent: bool
    is_late: bool


def score_of_mark(mark_mm: Decimal, line_mm: Decimal) -> int:
    """The score of a mark on a printed line, whatever its length: its place in per cent, half rounded up."""
    return int((_HIGHEST * mark_mm / line_mm).quantize(Decimal(1), ROUND_HALF_UP))


def asks_consent(form: Form, study: Study) -> bool:
    """Whether nobody has recorded yet what the patient decided."""
    return bool(study.consent.version) and form.consent_version is None


def reason_to_refuse(form: Form) -> str | None:
    """Why no answer may be entered for a patient, or None when one may."""
    if form.has_left:
        return "The patient has left the registry or has died; no more answers can be entered"
    if form.has_refused:
        return "The patient did not agree to take part; no answers can be entered"
    return None


def enter_answers(
    session: Session, *, follow_up_id: int, entry: StaffEntry, study: Study, today: date, by: Actor, now: datetime
) -> Entered:
    """Save a whole form at once and send it when no question is open; what stood before is kept as earlier versions."""
    lock_follow_up(session, follow_up_id=follow_up_id)
    form = form_of_follow_up(session, follow_up_id=follow_up_id)
    if form is None:
        raise Unknown("no such follow-up")
    _refuse(form, entry, study, today)
    entry = _with_modes(entry)
    if asks_consent(form, study):
        decision = _agreed(form, entry, study)
        decide(session, patient_id=form.patient_id, decision=decision, study=study, today=today, by=by, now=now)
    assessment_id = _keep(session, form, entry, study, by, now)
    answered = {*form.answers, *(answer.item for answer in entry.answers)}
    is_sent = all(item.code in answered for item in study.items)
    if form.submitted_at is not None and not _changes_something(form, entry):
        pass  # Who filled in what stands is not who filled in a late form that is kept beside it.
    elif is_sent:
        assessment.send(session, form=form, assessment_id=assessment_id, respondent=entry.respondent, by=by, now=now)
    else:
        _note_respondent(session, assessment_id, entry.respondent)
    if form.is_doubtful and not _leaves_doubt(session, assessment_id):
        confirm_answers(session, assessment_id=assessment_id, by=by, now=now)
    if entry.is_by_phone or is_sent:
        outcome = CallOutcome.ANSWERED
        close_open_request(
            session, follow_up_id=follow_up_id, outcome=outcome, study=study, today=today, by=by, now=now
        )
    return Entered(is_sent=is_sent, is_late=entry.answered_on > form.window.closes_on)


def _refuse(form: Form, entry: StaffEntry, study: Study, today: date) -> None:
    problems = {}
    if (reason := reason_to_refuse(form)) is not None:
        problems[""] = reason
    elif asks_consent(form, study) and not entry.has_agreed:
        problems["has_agreed"] = "Tick this if the patient agreed; without it no answers can be entered"
    if not entry.answers:
        problems[""] = problems.get("", "Enter at least one answer, or tick what the patient skipped")
    if entry.answered_on > today:
        problems["answered_on"] = "This day is in the future"
    elif entry.answered_on < form.window.opens_on:
        problems["answered_on"] = f"The form opened on {form.window.opens_on}; an earlier day does not belong to it"
    if problems:
        raise InvalidInput(problems)


def _with_modes(entry: StaffEntry) -> StaffEntry:
    """The entry in which a skip, too, says that it came by way of staff."""
    mode = Mode.PHONE if entry.is_by_phone else Mode.PAPER
    answers = [replace(answer, mode=mode) if answer.is_skipped else answer for answer in entry.answers]
    return replace(entry, answers=answers)


def _agreed(form: Form, entry: StaffEntry, study: Study) -> Decision:
    return Decision(
        version=study.consent.version,
        is_given=True,
        route=ConsentRoute.HOSPITAL,
        language=form.language,
        decided_on=entry.answered_on,
    )


def _keep(session: Session, form: Form, entry: StaffEntry, study: Study, by: Actor, now: datetime) -> int:
    """Write each answer that differs from the one that stands, all on one assessment."""
    assessment_id = assessment.begun(session, form=form, language=form.language, now=now)
    standing = _standing(session, assessment_id)
    begun = replace(form, assessment_id=assessment_id, sent_at=form.submitted_at)
    for answer in entry.answers:
        if _is_told_already(standing.get(answer.item), answer, entry.answered_on):
            continue
        assessment.keep_answer(
            session,
            form=_for_a_new_version(begun, answer.item),
            answer=answer,
            study=study,
            language=form.language,
            answered_on=entry.answered_on,
            by=by,
            now=now,
        )
    return assessment_id


def _standing(session: Session, assessment_id: int) -> dict[str, Answer]:
    current = (Answer.assessment_id == assessment_id, col(Answer.superseded_at).is_(None))
    return {answer.item: answer for answer in session.exec(select(Answer).where(*current))}


def _changes_something(form: Form, entry: StaffEntry) -> bool:
    """Whether an answer of the entry takes the place of one that stands, or is the first to its question."""
    day = entry.answered_on
    return any(assessment.stands(form, item=found.item, mode=found.mode, answered_on=day) for found in entry.answers)


def _leaves_doubt(session: Session, assessment_id: int) -> bool:
    """Whether something of a device still stands: what staff have entered themselves comes from no program."""
    if any(is_given_on_device(found.mode) for found in _standing(session, assessment_id).values()):
        return True
    found = session.get_one(Assessment, assessment_id)
    visit = suspected_visits(session, [found])[assessment_id]
    return visit.has_left_regions or stands_in_visit(session, assessment=found, recorded_at=visit.recorded_at)


def _is_told_already(standing: Answer | None, answer: EnteredAnswer, answered_on: date) -> bool:
    """Whether exactly this was entered before, as when the same page is sent twice."""
    if standing is None:
        return False
    found = (standing.score, standing.mode, standing.mark_mm, standing.line_mm, standing.answered_on)
    return found == (answer.score, answer.mode, answer.mark_mm, answer.line_mm, answered_on)


def _for_a_new_version(form: Form, item: str) -> Form:
    """The form on which nothing equals the answer: the same score of another day or by another way is a new version."""
    if item not in form.saved:
        return form
    unlike_any = replace(form.saved[item], score=None, is_skipped=False)
    return replace(form, saved={**form.saved, item: unlike_any})


def _note_respondent(session: Session, assessment_id: int, respondent: Respondent) -> None:
    session.execute(update(Assessment).where(_assessment.id == assessment_id).values(respondent=respondent))
