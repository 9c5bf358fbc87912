"""Rows for tests: sensible by default, everything that matters overridable. Invented names, example.org addresses."""

import itertools
from datetime import date, datetime

from sqlmodel import Session

from registry.config import Settings
from registry.domain.actors import command
from registry.domain.vocabularies import ConsentRoute, Evidence, OperationState, Region, Sex
from registry.services import enrolment, operations
from registry.services.consent import Decision, words_for
from registry.services.enrolment import NewPatient
from registry.services.operations import Assigned, OperationFacts
from registry.storage.enrolments import site_id_of
from registry.storage.models import Operation, Patient

_numbers = itertools.count(1)
BY = command("test")
OWN_ADDRESS = "an address of the patient's own"


def make_patient(
    session: Session,
    *,
    now: datetime,
    study_id: str | None = None,
    enrolled_on: date = date(2026, 1, 5),
    language: str = "en",
    email: str | None = OWN_ADDRESS,
    site_code: str = "DEMO",
    sex: Sex = Sex.FEMALE,
    phone: str = "06-1111-2222",
    has_consented: bool = True,
    birth_year: int = 1952,
    born_on: date | None = None,
) -> Patient:
    """An enrolled patient, who agreed to take part at the hospital unless the form is to ask."""
    site_id = site_id_of(session, code=site_code)
    assert site_id is not None
    number = next(_numbers)
    person = NewPatient(
        study_id=study_id or f"T-{number:04}",
        sex=sex,
        birth_year=birth_year,
        born_on=born_on,
        language=language,
        family_name="Mihon",
        given_name="Hanako",
        email=f"hanako-{number}@example.org" if email == OWN_ADDRESS else email,
        phone=phone,
    )
    agreed = Decision(
        version="v1", is_given=True, route=ConsentRoute.HOSPITAL, language=language, decided_on=enrolled_on
    )
    return enrolment.enrol(
        session,
        site_id=site_id,
        patient=person,
        enrolled_on=enrolled_on,
        by=BY,
        now=now,
        consent=agreed if has_consented else None,
    )


def make_operation(
    session: Session,
    patient: Patient,
    settings: Settings,
    *,
    now: datetime,
    today: date,
    operated_on: date | None = None,
    planned_on: date | None = None,
    procedure: str = "laminoplasty",
) -> Operation:
    """A performed operation, or a planned one when only that day is given."""
    state = OperationState.PERFORMED if operated_on else OperationState.PLANNED
    facts = OperationFacts(
        state=state,
        procedure=procedure,
        region=Region.CERVICAL,
        planned_on=planned_on,
        operated_on=operated_on,
    )
    assert patient.id is not None
    return operations.record_operation(
        session, patient_id=patient.id, facts=facts, study=settings.protocol, today=today, by=BY, now=now
    )


def classify(session: Session, patient: Patient, group: str, *, now: datetime, today: date) -> None:
    """Put a patient into a lumbar disease group."""
    assigned = Assigned(
        grouping_code="lumbar_disease",
        group_code=group,
        evidence=Evidence.MRI,
        assessed_on=None,
        assessed_by="Dr Mihon",
    )
    assert patient.id is not None
    operations.classify(session, patient_id=patient.id, assigned=assigned, today=today, by=BY, now=now)


def words_read(settings: Settings) -> str:
    """What a page sends to say which words were read before a decision."""
    return words_for(settings, settings.sites[0], "en").digest
