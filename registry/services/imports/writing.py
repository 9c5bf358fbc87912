"""Checked patients as rows, table by table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlmodel import Session

from registry.config import SiteSettings
from registry.domain.actors import Actor
from registry.domain.instruments import Mode
from registry.domain.ladder import rungs
from registry.domain.study import Study, Timepoint, VisitWindow
from registry.domain.vocabularies import LUMBAR_DISEASE, Evidence, OperationState, Sex, region_of
from registry.security.tokens import random_id
from registry.services.imports.checking import ImportedForm
from registry.services.imports.comparing import Addition
from registry.storage.bulk import Row, insert_rows, insert_with_ids
from registry.storage.models import (
    Answer,
    Assessment,
    AuditEvent,
    Classification,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Reminder,
    ReminderKind,
    ReminderState,
)

_LANGUAGE = "ja"
_OTHER_PROCEDURE = "other"
# Longer than those of receipts: tens of thousands are drawn at once, and none may repeat.
_REFERENCE_LENGTH = 12


@dataclass(frozen=True)
class Writing:
    """What it takes to write the rows: the transaction, the site, the protocol, who acts, and when."""

    session: Session
    site: SiteSettings
    site_id: int
    study: Study
    today: date
    by: Actor
    now: datetime

    def noon(self, day: date) -> datetime:
        """The middle of a day at the site, or now on the day of the import itself.

        An imported answer was sent on its day at a time that nobody knows. Were it dated by the import, answers of
        years ago would look like today's; when they entered the registry stands in `recorded_at`.
        """
        return min(datetime.combine(day, time(12), self.site.zone), self.now)


def write_patients(writing: Writing, additions: Sequence[Addition]) -> None:
    """Write what is new, in the order in which the tables need each other."""
    session = writing.session
    new = [one for one in additions if one.is_new]
    rows = [_patient(writing, one) for one in new]
    for one, key in zip(new, insert_with_ids(session, Patient, rows, key=["study_id"]), strict=True):
        one.patient_id = key
    insert_rows(session, Contact, [_contact(one) for one in new])
    insert_rows(session, Enrolment, [_enrolment(one, writing.today) for one in new])
    classified = [_classification(writing, one) for one in additions if one.adds_group]
    insert_rows(session, Classification, classified)
    _write_operations(writing, additions)
    _write_answers(writing, additions)
    insert_rows(session, AuditEvent, [_audit(writing, one) for one in additions])


def _write_operations(writing: Writing, additions: Sequence[Addition]) -> None:
    operated = [one for one in additions if one.adds_operation]
    rows = [_operation(writing, one) for one in operated]
    keys = insert_with_ids(writing.session, Operation, rows, key=["patient_id"])
    for one, key in zip(operated, keys, strict=True):
        one.operation_id = key
    wanted = [(one, timepoint) for one in additions for timepoint in _missing_follow_ups(writing, one)]
    rows = [_follow_up(one, timepoint) for one, timepoint in wanted]
    keys = insert_with_ids(writing.session, FollowUp, rows, key=["operation_id", "timepoint"])
    mails: list[Row] = []
    for (one, timepoint), key in zip(wanted, keys, strict=True):
        one.follow_ups[timepoint.code] = key
        mails += _reminders(writing, one, timepoint, key)
    insert_rows(writing.session, Reminder, mails)


def _missing_follow_ups(writing: Writing, one: Addition) -> list[Timepoint]:
    """Every timepoint of a new operation; of a recorded one those with scores that were not planned then."""
    asked = writing.study.timepoints if one.adds_operation else tuple(form.timepoint for form in one.forms)
    return [timepoint for timepoint in asked if timepoint.code not in one.follow_ups]


def _write_answers(writing: Writing, additions: Sequence[Addition]) -> None:
    forms = [(one, form) for one in additions for form in one.forms]
    new = [(one, form) for one, form in forms if form.timepoint.code not in one.assessments]
    rows = [_assessment(writing, one, form) for one, form in new]
    keys = insert_with_ids(writing.session, Assessment, rows, key=["follow_up_id"])
    for (one, form), key in zip(new, keys, strict=True):
        one.assessments[form.timepoint.code] = key
    insert_rows(writing.session, Answer, [row for one, form in forms for row in _answers(writing, one, form)])


def _patient(writing: Writing, one: Addition) -> Row:
    return {
        "public_id": random_id(),
        "site_id": writing.site_id,
        "study_id": one.facts.study_id,
        "sex": one.facts.sex or Sex.UNKNOWN,
        "birth_year": one.facts.birth_year,
        "language": _LANGUAGE,
        "created_at": writing.now,
    }


def _contact(one: Addition) -> Row:
    return {"patient_id": one.patient_id, "family_name": "", "given_name": "", "kana": "", "phone": ""}


def _enrolment(one: Addition, today: date) -> Row:
    enrolled_on = one.facts.earliest_on or today
    return {"patient_id": one.patient_id, "enrolled_on": enrolled_on, "is_imported": True}


def _classification(writing: Writing, one: Addition) -> Row:
    return {
        "patient_id": one.patient_id,
        "grouping_code": LUMBAR_DISEASE,
        "group_code": one.facts.group,
        "evidence": Evidence.NOT_STATED,
        "assessed_on": None,
        "assessed_by": "",
        "recorded_at": writing.now,
    }


def _operation(writing: Writing, one: Addition) -> Row:
    procedure = one.facts.procedure or _OTHER_PROCEDURE
    return {
        "patient_id": one.patient_id,
        "state": OperationState.PERFORMED,
        "operated_on": one.facts.operated_on,
        "region": region_of(procedure),
        "procedure": procedure,
        "recorded_at": writing.now,
    }


def _window(one: Addition, timepoint: Timepoint) -> VisitWindow:
    assert one.facts.operated_on is not None  # noqa: S101  (checked with the row)
    return timepoint.window(one.facts.operated_on)


def _follow_up(one: Addition, timepoint: Timepoint) -> Row:
    key = {"patient_id": one.patient_id, "operation_id": one.operation_id, "timepoint": timepoint.code}
    return key | vars(_window(one, timepoint))


def _reminders(writing: Writing, one: Addition, timepoint: Timepoint, follow_up_id: int) -> list[Row]:
    """The mails of a timepoint that is still to come; what lies in the past sends nothing."""
    window = _window(one, timepoint)
    if timepoint.is_before or window.due_on < writing.today:
        return []
    ladder = rungs(timepoint, window, writing.study.ladder, enrolled_on=writing.today)
    return [
        {
            "follow_up_id": follow_up_id,
            "patient_id": one.patient_id,
            "rung": rung.number,
            "due_on": rung.due_on,
            "kind": ReminderKind.LADDER,
            "state": ReminderState.PLANNED,
            "fence": 0,
            "n_attempts": 0,
            "failure": "",
        }
        for rung in ladder
    ]


def _assessment(writing: Writing, one: Addition, form: ImportedForm) -> Row:
    noon = writing.noon(form.answered_on)
    return {
        "follow_up_id": one.follow_ups[form.timepoint.code],
        "patient_id": one.patient_id,
        "reference": random_id(_REFERENCE_LENGTH),
        "language": _LANGUAGE,
        "started_at": noon,
        "submitted_at": noon,
    }


def _answers(writing: Writing, one: Addition, form: ImportedForm) -> list[Row]:
    shared = {
        "assessment_id": one.assessments[form.timepoint.code],
        "version": 1,
        "is_skipped": False,
        "mode": Mode.IMPORT,
        "instrument_version": writing.study.instrument.version,
        "language": _LANGUAGE,
        "answered_on": form.answered_on,
        "recorded_at": writing.now,
    }
    return [shared | {"item": item, "score": score} for item, score in form.scores.items()]


def _audit(writing: Writing, one: Addition) -> Row:
    return {
        "at": writing.now,
        "actor_kind": writing.by.kind,
        "actor": writing.by.reference,
        "action": "patient_imported" if one.is_new else "patient_completed_by_import",
        "subject": "patient",
        "subject_id": one.patient_id,
        "details": {
            "row": one.facts.row,
            "operation": one.adds_operation,
            "classification": one.adds_group,
            "timepoints": " ".join(form.timepoint.code for form in one.forms),
        },
    }
