"""Which answer counts for an operation, a timepoint and an item, by the rule of the reports; or why none does."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from registry.domain.schedule import FollowUpFacts, FollowUpStatus, status_of
from registry.domain.study import BEFORE, Study, VisitWindow
from registry.domain.vocabularies import OperationState
from registry.storage.exported_rows import AnswerFacts, FormFacts, OperationFacts, PatientFacts


class Missing(StrEnum):
    """Why there is no score that counts."""

    SKIPPED = "skipped"
    EARLY = "early"
    LATE = "late"
    PARTIAL = "partial"
    SET_ASIDE = "set_aside"
    ANSWERS_DELETED = "answers_deleted"
    NO_ANSWER = "no_answer"
    MISSED = "missed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    DIED = "died"
    UPCOMING = "upcoming"
    OPEN = "open"
    NOT_PLANNED = "not_planned"


class WindowClass(StrEnum):
    """Where the day of an answer lies."""

    IN_WINDOW = "in_window"
    EARLY = "early"
    LATE = "late"


class Doubt(StrEnum):
    """What is said of a form that may come from a program."""

    TOO_FAST = "too_fast"
    RIGHT_AFTER_MAIL = "right_after_mail"
    CONFIRMED = "confirmed"


class Score(NamedTuple):
    """One operation, timepoint and item; the fields are columns of the long table and have their names."""

    timepoint: str
    item: str
    status: str | None
    score: int | None = None
    score_missing: str | None = None
    score_outside_window: int | None = None
    window: str | None = None
    days: int | None = None
    answered_on: str | None = None
    skipped: int | None = None
    mode: str | None = None
    respondent: str | None = None
    answer_language: str | None = None
    instrument: str | None = None
    version: int | None = None
    n_versions: int | None = None
    doubt: str | None = None
    form: str | None = None


_OF_STATUS = {
    FollowUpStatus.UPCOMING: Missing.UPCOMING,
    FollowUpStatus.OPEN: Missing.OPEN,
    FollowUpStatus.OVERDUE: Missing.OPEN,
    FollowUpStatus.PARTIAL: Missing.PARTIAL,
    FollowUpStatus.COMPLETED: Missing.NO_ANSWER,
    FollowUpStatus.MISSED: Missing.MISSED,
    FollowUpStatus.DECLINED: Missing.DECLINED,
    FollowUpStatus.WITHDRAWN: Missing.WITHDRAWN,
    FollowUpStatus.DIED: Missing.DIED,
}


@dataclass
class History:
    """A patient with everything that was asked and answered."""

    patient: PatientFacts
    operations: list[OperationFacts] = field(default_factory=list)
    forms: dict[int, FormFacts] = field(default_factory=dict)
    standing: defaultdict[str, list[AnswerFacts]] = field(default_factory=lambda: defaultdict(list))
    """By item, the answers that no later version has taken the place of, in order of their day."""
    n_versions: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How many versions are kept, by form and item."""
    days: defaultdict[int, list[date]] = field(default_factory=lambda: defaultdict(list))
    """On which days the standing answers of a form were given, in their order."""
    groups: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By grouping, the group and its evidence."""

    def take(self, answer: AnswerFacts) -> None:
        """Add a version of an answer; they come in order of their day."""
        self.n_versions[answer.follow_up_id, answer.item] += 1
        if answer.superseded_at is None:
            self.standing[answer.item].append(answer)
            self.days[answer.follow_up_id].append(answer.answered_on)


class Reading(NamedTuple):
    """A history, the protocol and the day on which it is read."""

    history: History
    study: Study
    today: date
    numbers: Mapping[int, int]
    """Which operation of the patient each is, counted from 1."""


def scores_of(reading: Reading, operation: OperationFacts) -> Iterator[Score]:
    """Every timepoint and item of the protocol for one operation, whether or not anything was asked."""
    own = {form.timepoint: form for form in reading.history.forms.values() if form.operation_id == operation.id}
    for timepoint in reading.study.timepoints:
        form = own.get(timepoint.code)
        status = _status(reading, form) if form else None
        for item in reading.study.items:
            if form is None or status is None:
                yield Score(timepoint.code, item.code, None, score_missing=Missing.NOT_PLANNED)
            else:
                yield _score(reading, operation, form, item.code, status)


def _score(reading: Reading, operation: OperationFacts, form: FormFacts, item: str, status: FollowUpStatus) -> Score:
    answers = reading.history.standing.get(item, ())
    counted = _counted(reading, form, answers)
    if counted is not None:
        return _shown(reading, operation, form, counted, status, None)
    own = next((answer for answer in answers if answer.follow_up_id == form.id), None)
    if own is None:
        reason, n_versions = (
            _reason_without_answer(reading, form, item, status),
            reading.history.n_versions[form.id, item],
        )
        return Score(form.timepoint, item, status, score_missing=reason, n_versions=n_versions)
    reason = _reason_of_answer(reading, form, own)
    if reason == Missing.PARTIAL:
        # The patient is still at it: what is on the form is not an answer yet.
        return Score(form.timepoint, item, status, score_missing=reason)
    return _shown(reading, operation, form, own, status, reason)


def _counted(reading: Reading, form: FormFacts, answers: Sequence[AnswerFacts]) -> AnswerFacts | None:
    """The last score in the window, on whatever form of the patient it was given: what `storage.cohorts` counts."""
    for answer in reversed(answers):
        if answer.score is None or not form.opens_on <= answer.answered_on <= form.closes_on:
            continue
        if _is_given(reading, reading.history.forms[answer.follow_up_id]):
            return answer
    return None


def _is_given(reading: Reading, form: FormFacts) -> bool:
    """Whether what stands on a form is an answer: it was sent, or the form has closed since."""
    return form.submitted_at is not None or form.closes_on < reading.today


def _shown(
    reading: Reading,
    operation: OperationFacts,
    form: FormFacts,
    answer: AnswerFacts,
    status: FollowUpStatus,
    why_not: Missing | None,
) -> Score:
    """An answer with all that is known of it: as the score that counts, or with the reason why it does not."""
    given_on, place = reading.history.forms[answer.follow_up_id], _window_class(form, answer.answered_on)
    return Score(
        timepoint=form.timepoint,
        item=answer.item,
        status=status,
        score=answer.score if why_not is None else None,
        score_missing=why_not,
        score_outside_window=answer.score if place != WindowClass.IN_WINDOW else None,
        window=place,
        days=(answer.answered_on - operation.operated_on).days,
        answered_on=answer.answered_on.isoformat(),
        skipped=int(answer.is_skipped),
        mode=answer.mode,
        respondent=given_on.respondent,
        answer_language=answer.language,
        instrument=answer.instrument_version,
        version=answer.version,
        n_versions=reading.history.n_versions[given_on.id, answer.item],
        doubt=_doubt(given_on),
        form=_name_of(reading, given_on),
    )


def _window_class(form: FormFacts, day: date) -> WindowClass:
    if form.opens_on <= day <= form.closes_on:
        return WindowClass.IN_WINDOW
    return WindowClass.EARLY if day < form.opens_on else WindowClass.LATE


def _doubt(form: FormFacts) -> Doubt | None:
    if form.suspicion is None:
        return None
    return Doubt.CONFIRMED if form.confirmed_at else Doubt(form.suspicion)


def _name_of(reading: Reading, form: FormFacts) -> str:
    number = reading.numbers.get(form.operation_id)
    return f"operation {number}, {form.timepoint}" if number else f"operation not performed, {form.timepoint}"


def _reason_of_answer(reading: Reading, form: FormFacts, own: AnswerFacts) -> Missing:
    """Why the standing answer on the operation's own form is no score that counts."""
    place = _window_class(form, own.answered_on)
    if own.is_skipped:
        return Missing.SKIPPED if _is_given(reading, form) else Missing.PARTIAL
    if place == WindowClass.IN_WINDOW:
        return Missing.PARTIAL
    return Missing.EARLY if place == WindowClass.EARLY else Missing.LATE


def _reason_without_answer(reading: Reading, form: FormFacts, item: str, status: FollowUpStatus) -> Missing:
    """Why nothing stands on the form for an item."""
    patient = reading.history.patient
    if reading.history.n_versions[form.id, item]:
        return Missing.SET_ASIDE
    was_open = patient.withdrawn_on is None or form.opens_on <= patient.withdrawn_on
    if patient.answers_deleted_at is not None and was_open:
        return Missing.ANSWERS_DELETED
    return _OF_STATUS[status]


def _status(reading: Reading, form: FormFacts) -> FollowUpStatus:
    patient, days = reading.history.patient, reading.history.days.get(form.id, [])
    has_answers = bool(days) and days[-1] >= form.opens_on
    is_submitted = form.submitted_at is not None and (not days or days[0] >= form.opens_on)
    facts = FollowUpFacts(
        window=VisitWindow(form.opens_on, form.due_on, form.closes_on),
        operation_state=OperationState.PERFORMED,
        is_before=form.timepoint == BEFORE,
        has_answers=has_answers,
        is_submitted=is_submitted,
        declined_on=form.declined_on,
        withdrawn_on=patient.withdrawn_on,
        died_on=patient.died_on,
    )
    return status_of(facts, today=reading.today)
