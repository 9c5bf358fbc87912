"""Taking part: enrolling a patient, withdrawing, dying, and stopping e-mails."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from registry.domain.actors import Actor
from registry.domain.errors import InvalidInput
from registry.domain.quality import Problem, earliest_birth, problems_of_birth, problems_of_day
from registry.domain.study import Study
from registry.domain.vocabularies import Sex
from registry.security.tokens import random_id
from registry.services import audit
from registry.services.bounced_addresses import forget_bounces
from registry.services.consent import Decision, keep_decision
from registry.services.follow_up_plan import plan_again
from registry.services.links import revoke_links
from registry.storage.erasure import remove_answers
from registry.storage.forms import lock_follow_ups
from registry.storage.models import Contact, Enrolment, Patient


@dataclass(frozen=True, kw_only=True)
class NewPatient:
    """What is asked on the enrolment page."""

    study_id: str
    sex: Sex
    birth_year: int
    language: str
    family_name: str
    given_name: str = ""
    kana: str = ""
    born_on: date | None = None
    email: str | None = None
    phone: str = ""


def enrol(
    session: Session,
    *,
    site_id: int,
    patient: NewPatient,
    enrolled_on: date,
    by: Actor,
    now: datetime,
    is_imported: bool = False,
    consent: Decision | None = None,
) -> Patient:
    """Take a patient in, with the consent if it was given at the hospital.

    Refused when the site has this study ID already or a value is impossible.
    """
    problems = dict(problems_of_birth(patient.birth_year, patient.born_on, today=enrolled_on))
    if _is_taken(session, site_id, patient.study_id):
        problems["study_id"] = f"Study ID {patient.study_id} is already enrolled"
    if problems:
        raise InvalidInput(problems)
    row = _insert(session, site_id, patient, now)
    session.add(Enrolment(patient_id=row.id, enrolled_on=enrolled_on, is_imported=is_imported))
    session.add(_contact(row, patient))
    session.flush()
    audit.record(session, action="patient_enrolled", subject="patient", subject_id=row.id, by=by, now=now)
    if consent is not None:
        keep_decision(session, patient_id=row.id, decision=consent, by=by, now=now)
    return row


def _is_taken(session: Session, site_id: int, study_id: str) -> bool:
    found = select(Patient.id).where(Patient.site_id == site_id, Patient.study_id == study_id)
    return session.exec(found).first() is not None


def _insert(session: Session, site_id: int, patient: NewPatient, now: datetime) -> Patient:
    row = Patient(
        public_id=random_id(),
        site_id=site_id,
        study_id=patient.study_id,
        sex=patient.sex,
        birth_year=patient.birth_year,
        born_on=patient.born_on,
        language=patient.language,
        created_at=now,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError:
        # Two people enrolled the same patient at the same moment; the database let one of them through.
        raise InvalidInput({"study_id": f"Study ID {patient.study_id} is already enrolled"}) from None
    return row


def _contact(row: Patient, patient: NewPatient) -> Contact:
    return Contact(
        patient_id=row.id,
        family_name=patient.family_name,
        given_name=patient.given_name,
        kana=patient.kana,
        email=patient.email,
        phone=patient.phone,
    )


@dataclass(frozen=True, kw_only=True)
class ContactDetails:
    """How a patient is named and reached, and in which language."""

    family_name: str
    given_name: str
    kana: str
    email: str | None
    phone: str
    language: str


def change_contact(
    session: Session,
    *,
    patient_id: int,
    details: ContactDetails,
    study: Study,
    today: date,
    by: Actor,
    now: datetime,
    is_strangers_address: bool = False,
) -> None:
    """Correct how a patient is named and reached; no link works any longer when the address was a stranger's.

    The audit trail tells which details changed, not their content.
    """
    # Held against a mail on its way: its link is issued before this, and revoked, or after it, for the new address.
    contact = session.get_one(Contact, patient_id, with_for_update=True, populate_existing=True)
    changed = _take(session, session.get_one(Patient, patient_id), contact, details)
    if changed:
        _record(session, "contact_changed", patient_id, by, now, changed=", ".join(changed))
    if is_strangers_address:
        revoke_links(session, patient_id=patient_id, by=by, now=now)
    if "email" in changed:
        forget_bounces(session, contact=contact)
        # Mails that did not go out for want of a good address come back while their form is open.
        plan_again(session, patient_id=patient_id, study=study, today=today, is_new_address=True)


def _take(session: Session, patient: Patient, contact: Contact, details: ContactDetails) -> list[str]:
    """Write what is different, and name it."""
    changed = []
    for name, value in vars(details).items():
        row = patient if name == "language" else contact
        if getattr(row, name) != value:
            setattr(row, name, value)
            changed.append(name)
    session.add_all([patient, contact])
    session.flush()
    return changed


def withdraw(session: Session, *, patient_id: int, withdrawn_on: date, today: date, by: Actor, now: datetime) -> None:
    """Record that a patient leaves; every planned mail ends with it."""
    enrolment = session.get_one(Enrolment, patient_id)
    _refuse(problems_of_day("withdrawn_on", withdrawn_on, earliest=enrolment.enrolled_on, today=today))
    enrolment.withdrawn_on = withdrawn_on
    session.add(enrolment)
    session.flush()
    _record(session, "patient_withdrew", patient_id, by, now, withdrawn_on=withdrawn_on)


def leave_study(
    session: Session, *, patient_id: int, delete_answers: bool, today: date, by: Actor, now: datetime
) -> None:
    """Let a patient leave at once, and remove every answer given so far when the patient wants that."""
    lock_follow_ups(session, patient_id=patient_id)
    enrolment = session.get_one(Enrolment, patient_id, populate_existing=True)
    if enrolment.withdrawn_on is None:
        withdraw(session, patient_id=patient_id, withdrawn_on=today, today=today, by=by, now=now)
    if delete_answers and enrolment.answers_deleted_at is None:
        n_answers = remove_answers(session, patient_id=patient_id)
        enrolment.answers_deleted_at = now
        session.add(enrolment)
        session.flush()
        _record(session, "answers_deleted", patient_id, by, now, n_answers=n_answers)


def record_death(session: Session, *, patient_id: int, died_on: date, today: date, by: Actor, now: datetime) -> None:
    """Record that a patient has died; every planned mail ends with it."""
    patient = session.get_one(Patient, patient_id)
    earliest = earliest_birth(patient.birth_year, patient.born_on)
    _refuse(problems_of_day("died_on", died_on, earliest=earliest, today=today))
    patient.died_on = died_on
    session.add(patient)
    session.flush()
    _record(session, "patient_died", patient_id, by, now, died_on=died_on)


def stop_emails(session: Session, *, patient_id: int, by: Actor, now: datetime) -> None:
    """Stop e-mails to a patient, who stays in the registry; doing it twice changes nothing more."""
    contact = session.get_one(Contact, patient_id)
    if contact.emails_stopped_at is None:
        contact.emails_stopped_at = now
        session.add(contact)
        session.flush()
        _record(session, "emails_stopped", patient_id, by, now)


def resume_emails(session: Session, *, patient_id: int, study: Study, today: date, by: Actor, now: datetime) -> None:
    """Take back a stop of e-mails that was a mistake; forms that are still open are asked for again."""
    contact = session.get_one(Contact, patient_id)
    if contact.emails_stopped_at is not None:
        contact.emails_stopped_at = None
        session.add(contact)
        session.flush()
        _record(session, "emails_resumed", patient_id, by, now)
        plan_again(session, patient_id=patient_id, study=study, today=today)


def _refuse(problems: Iterable[Problem]) -> None:
    found = dict(problems)
    if found:
        raise InvalidInput(found)


def _record(session: Session, action: str, patient_id: int, by: Actor, now: datetime, **details: audit.Detail) -> None:
    audit.record(session, action=action, subject="patient", subject_id=patient_id, by=by, now=now, **details)
