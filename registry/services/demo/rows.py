"""The simulated patients as rows of the registry."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from sqlmodel import Session

from registry.config import Settings, SiteSettings
from registry.domain.actors import Actor
from registry.domain.study import Study
from registry.domain.vocabularies import LUMBAR_DISEASE, UNKNOWN_GROUP, Evidence, OperationState, region_of
from registry.security.tokens import random_id
from registry.services.demo.answers import Habits, SimulatedAnswer, answers_on, habits
from registry.services.demo.forms import Form, forms_of
from registry.services.demo.mails import SimulatedMail, mails_of
from registry.services.demo.people import Person, person
from registry.services.demo.stories import Story, Surgery
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
    ReminderState,
)

_MAIL_HOUR = 9


@dataclass(frozen=True)
class Simulated:
    """A patient with everything that was simulated."""

    number: int
    story: Story
    person: Person
    habits: Habits
    forms: Sequence[tuple[Form, Sequence[SimulatedAnswer], Sequence[SimulatedMail]]]


@dataclass(frozen=True)
class Loading:
    """What it takes to write the rows: the transaction, the site, who acts, and when."""

    session: Session
    settings: Settings
    site: SiteSettings
    site_id: int
    random: Random
    by: Actor
    now: datetime

    @property
    def today(self) -> date:
        """The day at the site."""
        return self.now.astimezone(self.site.zone).date()

    def instant(self, day: date, hour: int, minute: int) -> datetime:
        """A time of day at the site."""
        return datetime.combine(day, time(hour, minute), self.site.zone)


def simulated(random: Random, story: Story, study: Study, *, number: int, today: date) -> Simulated:
    """One patient, simulated as far as today."""
    items = tuple(item.code for item in study.items)
    operated_on = story.surgeries[0].day
    who = person(random, number=number, operated_on=operated_on, has_email=story.has_email)
    own = habits(random, story, items)
    forms = []
    for form in forms_of(random, story, study, today=today):
        given = answers_on(random, form, story, own, items) if form.answered_on else []
        forms.append((form, given, list(mails_of(form, story, study, today=today))))
    return Simulated(number, story, who, own, forms)


def insert_patients(loading: Loading, everybody: Sequence[Simulated]) -> list[int]:
    """Patients with contact, enrolment, classification and audit row; their ids."""
    session = loading.session
    patients = [_patient(loading, one) for one in everybody]
    ids = insert_with_ids(session, Patient, patients, key=["study_id"])
    pairs = list(zip(ids, everybody, strict=True))
    insert_rows(session, Contact, [_contact(loading, id_, one) for id_, one in pairs])
    insert_rows(session, Enrolment, [_enrolment(id_, one.story) for id_, one in pairs])
    classified = [(id_, one) for id_, one in pairs if _was_assessed(one)]
    insert_rows(session, Classification, [_classification(loading, id_, one.story) for id_, one in classified])
    insert_rows(session, AuditEvent, [_audit(loading, id_) for id_ in ids])
    return ids


def insert_histories(loading: Loading, ids: Sequence[int], everybody: Sequence[Simulated]) -> None:
    """Operations, follow-ups, answers and mails of the patients with these ids."""
    operations = [
        (id_, place, surgery)
        for id_, one in zip(ids, everybody, strict=True)
        for place, surgery in enumerate(one.story.surgeries)
    ]
    rows = [_operation(loading, id_, surgery) for id_, _, surgery in operations]
    found = insert_with_ids(loading.session, Operation, rows, key=["patient_id", "planned_on"])
    operation_ids = {(id_, place): key for (id_, place, _), key in zip(operations, found, strict=True)}
    forms = [(id_, one, *parts) for id_, one in zip(ids, everybody, strict=True) for parts in one.forms]
    follow_ups = insert_with_ids(
        loading.session,
        FollowUp,
        [_follow_up(id_, operation_ids[id_, form.key[0]], form) for id_, _, form, _, _ in forms],
        key=["operation_id", "timepoint"],
    )
    _insert_answers(loading, [(key, *form) for key, form in zip(follow_ups, forms, strict=True)])
    mails = [
        _reminder(loading, key, id_, one.number, form, mail)
        for key, (id_, one, form, _, planned) in zip(follow_ups, forms, strict=True)
        for mail in planned
    ]
    insert_rows(loading.session, Reminder, mails)


def _insert_answers(loading: Loading, forms: Sequence[tuple[int, int, Simulated, Form, Any, Any]]) -> None:
    answered = [(key, id_, one, form, given) for key, id_, one, form, given, _ in forms if given]
    rows = [_assessment(loading, key, id_, one, form) for key, id_, one, form, _ in answered]
    ids = insert_with_ids(loading.session, Assessment, rows, key=["follow_up_id"])
    answers = [
        _answer(loading, assessment_id, row, answer, form)
        for assessment_id, row, (_, _, _, form, given) in zip(ids, rows, answered, strict=True)
        for answer in given
    ]
    insert_rows(loading.session, Answer, answers)


def _patient(loading: Loading, one: Simulated) -> Row:
    return {
        "public_id": random_id(),
        "site_id": loading.site_id,
        "study_id": f"D-{one.number:03}",
        "sex": one.person.sex,
        "birth_year": one.person.birth_year,
        "language": one.person.language,
        "died_on": one.story.died_on,
        "created_at": loading.instant(one.story.enrolled_on, 8, 30),
    }


def _contact(loading: Loading, patient_id: int, one: Simulated) -> Row:
    who, stopped_on = one.person, one.story.emails_stopped_on
    return {
        "patient_id": patient_id,
        "family_name": who.family_name,
        "given_name": who.given_name,
        "kana": who.kana,
        "email": who.email,
        "phone": who.phone,
        "emails_stopped_at": loading.instant(stopped_on, 8, 0) if stopped_on else None,
    }


def _enrolment(patient_id: int, story: Story) -> Row:
    return {
        "patient_id": patient_id,
        "enrolled_on": story.enrolled_on,
        "withdrawn_on": story.withdrawn_on,
        "is_imported": False,
    }


def _was_assessed(one: Simulated) -> bool:
    """Some without a group were looked at and found unclear, the others were never looked at."""
    return one.story.group != UNKNOWN_GROUP or one.number % 2 == 0


def _classification(loading: Loading, patient_id: int, story: Story) -> Row:
    is_known = story.group != UNKNOWN_GROUP
    return {
        "patient_id": patient_id,
        "grouping_code": LUMBAR_DISEASE,
        "group_code": story.group,
        "evidence": Evidence.MRI if is_known else Evidence.NOT_STATED,
        "assessed_on": story.enrolled_on,
        "assessed_by": loading.site.signatory["en"],
        "recorded_at": loading.instant(story.enrolled_on, 8, 40),
    }


def _audit(loading: Loading, patient_id: int) -> Row:
    return {
        "at": loading.now,
        "actor_kind": loading.by.kind,
        "actor": loading.by.reference,
        "action": "patient_simulated",
        "subject": "patient",
        "subject_id": patient_id,
        "details": {},
    }


def _operation(loading: Loading, patient_id: int, surgery: Surgery) -> Row:
    is_performed = surgery.state == OperationState.PERFORMED
    return {
        "patient_id": patient_id,
        "state": surgery.state,
        "planned_on": surgery.day,
        "operated_on": surgery.day if is_performed else None,
        "region": region_of(surgery.procedure),
        "procedure": surgery.procedure,
        "recorded_at": loading.instant(surgery.recorded_on, 8, 45),
    }


def _follow_up(patient_id: int, operation_id: int, form: Form) -> Row:
    return {
        "patient_id": patient_id,
        "operation_id": operation_id,
        "timepoint": form.timepoint.code,
        "opens_on": form.window.opens_on,
        "due_on": form.window.due_on,
        "closes_on": form.window.closes_on,
        "declined_on": form.declined_on,
    }


def _assessment(loading: Loading, follow_up_id: int, patient_id: int, one: Simulated, form: Form) -> Row:
    day = form.answered_on or form.window.due_on
    started_at = loading.instant(day, loading.random.randint(10, 20), loading.random.randint(0, 50))
    return {
        "follow_up_id": follow_up_id,
        "patient_id": patient_id,
        "reference": random_id(8),
        "language": one.person.language,
        "started_at": started_at,
        "submitted_at": started_at + timedelta(minutes=loading.random.randint(2, 9)) if form.is_sent else None,
    }


def _answer(loading: Loading, assessment_id: int, assessment: Row, answer: SimulatedAnswer, form: Form) -> Row:
    is_drawn = answer.viewport_px is not None
    return {
        "assessment_id": assessment_id,
        "item": answer.item,
        "version": 1,
        "score": answer.score,
        "is_skipped": answer.score is None,
        "mode": answer.mode,
        "instrument_version": loading.settings.protocol.instrument.version,
        "language": assessment["language"],
        "answered_on": form.answered_on,
        "recorded_at": assessment["submitted_at"] or assessment["started_at"],
        "viewport_px": answer.viewport_px,
        "line_px": min((answer.viewport_px or 0) - 32, 640) if is_drawn else None,
        "ms_to_first_mark": loading.random.randint(1500, 15000) if is_drawn else None,
        "n_changes": loading.random.choice((0, 0, 0, 1, 1, 2)) if is_drawn else None,
    }


def _reminder(
    loading: Loading, follow_up_id: int, patient_id: int, number: int, form: Form, mail: SimulatedMail
) -> Row:
    sent_at = None
    if mail.sent_on is not None:
        sent_at = loading.instant(mail.sent_on, _MAIL_HOUR, loading.random.randint(0, 9))
    place, rung = form.key[0], mail.rung
    domain = loading.settings.mail.sender.rpartition("@")[2]
    message_id = f"<demo.{number}.{place}.{form.timepoint.code}.{rung.number}@{domain}>"
    return {
        "follow_up_id": follow_up_id,
        "patient_id": patient_id,
        "rung": rung.number,
        "due_on": rung.due_on,
        "state": _state(mail),
        "skip_reason": mail.skip_reason,
        "fence": 1 if sent_at else 0,
        "claimed_at": sent_at,
        "n_attempts": 1 if sent_at else 0,
        "message_id": message_id if sent_at else None,
        "sent_at": sent_at,
        "failure": "",
    }


def _state(mail: SimulatedMail) -> ReminderState:
    if mail.skip_reason is not None:
        return ReminderState.SKIPPED
    return ReminderState.PLANNED if mail.sent_on is None else ReminderState.ACCEPTED
