"""Operations and classifications of a patient."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, select

from registry.domain.actors import Actor
from registry.domain.errors import InvalidInput
from registry.domain.quality import problems_of_day, problems_of_operation
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
    patient = session.get_one(Patient, operation.patient_id)
    _check(facts, birth_year=patient.birth_year, today=today)
    session.add(operation)
    session.flush()
    enrolment = session.get_one(Enrolment, operation.patient_id)
    plan_follow_ups(session, operation=operation, enrolment=enrolment, study=study, today=today)
    audit.record(session, action=action, subject="operation", subject_id=operation.id, by=by, now=now, **vars(facts))
    return operation


def _check(facts: OperationFacts, *, birth_year: int, today: date) -> None:
    problems = dict(
        problems_of_operation(
            state=facts.state,
            planned_on=facts.planned_on,
            operated_on=facts.operated_on,
            birth_year=birth_year,
            today=today,
        )
    )
    if problems:
        raise InvalidInput(problems)


def classify(
    session: Session, *, patient_id: int, assigned: Assigned, today: date, by: Actor, now: datetime
) -> Classification:
    """Put a patient into a group; an earlier classification is kept beside the new one."""
    problems = dict(problems_of_day("assessed_on", assigned.assessed_on, earliest=None, today=today))
    if problems:
        raise InvalidInput(problems)
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
