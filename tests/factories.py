"""Rows for tests: sensible by default, everything that matters overridable. Invented names, example.org addresses."""

import itertools
from datetime import date, datetime

from sqlmodel import Session

from registry.config import Settings
from registry.domain.actors import command
from registry.domain.vocabularies import Evidence, OperationState, Region, Sex
from registry.services import enrolment, operations
from registry.services.enrolment import NewPatient
from registry.services.operations import Assigned, OperationFacts
from registry.storage.enrolments import site_id_of
from registry.storage.models import Operation, Patient

_numbers = itertools.count(1)
BY = command("test")


def make_patient(
    session: Session,
    *,
    now: datetime,
    study_id: str | None = None,
    enrolled_on: date = date(2026, 1, 5),
    language: str = "en",
    email: str | None = "hanako@example.org",
    site_code: str = "DEMO",
    sex: Sex = Sex.FEMALE,
) -> Patient:
    """An enrolled patient."""
    site_id = site_id_of(session, code=site_code)
    assert site_id is not None
    person = NewPatient(
        study_id=study_id or f"T-{next(_numbers):04}",
        sex=sex,
        birth_year=1952,
        language=language,
        family_name="Mihon",
        given_name="Hanako",
        email=email,
    )
    return enrolment.enrol(session, site_id=site_id, patient=person, enrolled_on=enrolled_on, by=BY, now=now)


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
