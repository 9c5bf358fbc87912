"""The simulated patients as rows of the registry."""

from collections.abc import Sequence

from registry.domain.vocabularies import (
    LUMBAR_DISEASE,
    UNKNOWN_GROUP,
    ConsentRoute,
    Evidence,
    OperationState,
    region_of,
)
from registry.security.tokens import random_id
from registry.services.demo.answer_rows import insert_answers
from registry.services.demo.forms import Form
from registry.services.demo.mails import SimulatedMail
from registry.services.demo.simulation import Loading, Simulated
from registry.services.demo.stories import Story, Surgery
from registry.storage.bulk import Row, insert_rows, insert_with_ids
from registry.storage.models import (
    AuditEvent,
    Classification,
    Consent,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Reminder,
    ReminderKind,
    ReminderState,
)

_MAIL_HOUR = 9


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
    agreed = [(id_, one) for id_, one in pairs if any(given for _, given, _ in one.forms)]
    insert_rows(session, Consent, [_consent(loading, id_, one) for id_, one in agreed])
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
    insert_answers(loading, [(key, *form) for key, form in zip(follow_ups, forms, strict=True)])
    mails = [
        _reminder(loading, key, id_, one.number, form, mail)
        for key, (id_, one, form, _, planned) in zip(follow_ups, forms, strict=True)
        for mail in planned
    ]
    insert_rows(loading.session, Reminder, mails)


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


def _consent(loading: Loading, patient_id: int, one: Simulated) -> Row:
    """Most agree at the hospital when they are enrolled; who has answered nothing yet is asked on the form."""
    return {
        "patient_id": patient_id,
        "version": loading.settings.protocol.consent.version,
        "words_hash": "",
        "is_given": True,
        "route": ConsentRoute.HOSPITAL,
        "language": one.person.language,
        "decided_on": one.story.enrolled_on,
        "recorded_at": loading.instant(one.story.enrolled_on, 8, 35),
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
        "kind": ReminderKind.LADDER,
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
