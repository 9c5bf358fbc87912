"""Operations and classifications of a patient."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, select

from registry.domain.actors import Actor
from registry.domain.errors import InvalidInput
from registry.domain.quality import earliest_birth, problems_of_day, problems_of_operation
from registry.domain.study import Study
from registry.domain.vocabularies import Evidence, OperationState, Region
from registry.services import audit
from registry.services.follow_up_plan import plan_follow_ups
from registry.storage.models import Classification, Enrolment, Operation, Patient


@dataclass(frozen=True, kw_only=True)
class OperationFacts:
    """What is known of an operation."""

    state: OperationState
    procedure: str
    region: Region
    planned_on: date | None = None
    operated_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """A patient's group, with its evidence."""

    grouping_code: str
    group_code: str
    evidence: Evidence
    assessed_on: date | None
    assessed_by: str


def record_operation(
    session: Session,
    *,
    patient_id: int,
    facts: OperationFacts,
    study: Study,
    today: date,
    by: Actor,
    now: datetime,
) -> Operation:
    """Add an operation and plan its follow-ups."""
    _refuse_unfit(session, patient_id, facts, today=today)
    operation = Operation(patient_id=patient_id, recorded_at=now, **vars(facts))
    return _save(session, operation, facts, study=study, today=today, by=by, now=now, action="operation_recorded")


def change_operation(
    session: Session,
    *,
    operation: Operation,
    facts: OperationFacts,
    study: Study,
    today: date,
    by: Actor,
    now: datetime,
) -> Operation:
    """Correct an operation or move it on; its follow-ups move along, what was sent stays."""
    # Before the row is touched: a query would send the half-changed row to the database, which refuses it its own way.
    _refuse_unfit(session, operation.patient_id, facts, today=today, changed=operation)
    for name, value in vars(facts).items():
        setattr(operation, name, value)
    return _save(session, operation, facts, study=study, today=today, by=by, now=now, action="operation_changed")


def _save(
    session: Session,
    operation: Operation,
    facts: OperationFacts,
    *,
    study: Study,
    today: date,
    by: Actor,
    now: datetime,
    action: str,
) -> Operation:
    session.add(operation)
    session.flush()
    enrolment = session.get_one(Enrolment, operation.patient_id)
    plan_follow_ups(session, operation=operation, enrolment=enrolment, study=study, today=today)
    audit.record(session, action=action, subject="operation", subject_id=operation.id, by=by, now=now, **vars(facts))
    return operation


def _refuse_unfit(
    session: Session, patient_id: int, facts: OperationFacts, *, today: date, changed: Operation | None = None
) -> None:
    """Refuse impossible days, and an operation that is recorded already; the patient is held from here on."""
    patient = held_patient(session, patient_id)
    problems = dict(
        problems_of_operation(
            state=facts.state,
            planned_on=facts.planned_on,
            operated_on=facts.operated_on,
            born_on=earliest_birth(patient.birth_year, patient.born_on),
            today=today,
        )
    )
    if problems:
        raise InvalidInput(problems)
    _refuse_twin(session, patient_id, facts, changed)


def held_patient(session: Session, patient_id: int) -> Patient:
    """A patient, held until the transaction ends: two people who change the same one do so one after the other.

    Not held against new rows that name the patient: a first answer would wait for this, and this for its form.
    """
    return session.get_one(Patient, patient_id, with_for_update={"key_share": True})


def _refuse_twin(session: Session, patient_id: int, facts: OperationFacts, changed: Operation | None) -> None:
    """A second operation on the same day is a button pressed twice: it would send every mail twice."""
    field, day = ("operated_on", facts.operated_on) if facts.operated_on else ("planned_on", facts.planned_on)
    others = select(Operation).where(Operation.patient_id == patient_id, Operation.state == facts.state)
    for other in session.exec(others):
        if other is not changed and day is not None and getattr(other, field) == day:
            raise InvalidInput({field: f"An operation on {day.isoformat()} is recorded already"})


def classify(
    session: Session, *, patient_id: int, assigned: Assigned, today: date, by: Actor, now: datetime
) -> Classification:
    """Put a patient into a group; an earlier classification is kept beside the new one."""
    problems = dict(problems_of_day("assessed_on", assigned.assessed_on, earliest=None, today=today))
    if problems:
        raise InvalidInput(problems)
    held_patient(session, patient_id)
    for earlier in current_classifications(session, patient_id=patient_id):
        if earlier.grouping_code == assigned.grouping_code:
            earlier.superseded_at = now
            session.add(earlier)
    session.flush()
    row = Classification(patient_id=patient_id, recorded_at=now, **vars(assigned))
    session.add(row)
    session.flush()
    audit.record(
        session,
        action="patient_classified",
        subject="patient",
        subject_id=patient_id,
        by=by,
        now=now,
        grouping=assigned.grouping_code,
        group=assigned.group_code,
    )
    return row


def current_classifications(session: Session, *, patient_id: int) -> list[Classification]:
    """A patient's classifications that stand."""
    standing = select(Classification).where(
        Classification.patient_id == patient_id, col(Classification.superseded_at).is_(None)
    )
    return list(session.exec(standing))
