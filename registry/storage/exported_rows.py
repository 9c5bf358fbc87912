"""The rows of an export, in batches of patients: clinical facts alone, nothing that names or reaches anybody."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, select

from registry.domain.instruments import Mode
from registry.domain.vocabularies import Evidence, OperationState, Region, Respondent, Sex, Suspicion
from registry.storage.database import Session
from registry.storage.models import (
    Answer,
    Assessment,
    Classification,
    Consent,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Site,
)
from registry.storage.models.base import table_of

_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_classification = table_of(Classification).c
_consent = table_of(Consent).c
_enrolment = table_of(Enrolment).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c
_site = table_of(Site).c

_AT_ONCE = 5000


class PatientFacts(NamedTuple):
    """A person under a study ID; the date of birth is here for the age alone."""

    id: int
    public_id: str
    study_id: str
    site: str
    sex: Sex
    birth_year: int
    born_on: date | None
    died_on: date | None
    withdrawn_on: date | None
    answers_deleted_at: datetime | None
    consent_version: str | None
    """Under which words the patient has agreed; none for somebody who was not asked."""


class OperationFacts(NamedTuple):
    """A performed operation."""

    id: int
    patient_id: int
    operated_on: date
    region: Region
    procedure: str


class FormFacts(NamedTuple):
    """One expected form, and what is known of the one that was sent."""

    id: int
    patient_id: int
    operation_id: int
    timepoint: str
    opens_on: date
    due_on: date
    closes_on: date
    declined_on: date | None
    submitted_at: datetime | None
    respondent: Respondent | None
    suspicion: Suspicion | None
    confirmed_at: datetime | None


class AnswerFacts(NamedTuple):
    """One version of the answer to one item."""

    id: int
    patient_id: int
    follow_up_id: int
    item: str
    version: int
    score: int | None
    is_skipped: bool
    mode: Mode | None
    instrument_version: str
    language: str
    answered_on: date
    superseded_at: datetime | None


class GroupFacts(NamedTuple):
    """The standing classification of a patient by one grouping."""

    patient_id: int
    grouping: str
    group: str
    evidence: Evidence


class Batch(NamedTuple):
    """The rows of some patients, each table in the order of its time."""

    patients: Sequence[PatientFacts]
    operations: Sequence[OperationFacts]
    forms: Sequence[FormFacts]
    answers: Sequence[AnswerFacts]
    groups: Sequence[GroupFacts]


class LeftOut(NamedTuple):
    """How much of a registry an export does not hold."""

    n_refused: int
    """Patients who do not agree to take part."""
    n_not_operated: int
    """Patients of whom no operation was performed."""
    n_operations: Counter[OperationState]
    """Operations of the other patients that were not performed."""


def patients_with_operations(session: Session, *, site_id: int | None) -> Iterator[tuple[int, str]]:
    """The number and public id of every patient who takes part and was operated on."""
    statement = select(_patient.id, _patient.public_id).where(*_of_site(site_id), ~_has_refused(), _was_operated_on())
    for row in session.execute(statement.order_by(_patient.id).execution_options(yield_per=_AT_ONCE)):
        yield row.id, row.public_id


def left_out(session: Session, *, site_id: int | None) -> LeftOut:
    """What an export of this site, or of all, passes over."""
    of_site, takes_part = _of_site(site_id), ~_has_refused()
    n_refused = select(func.count()).select_from(Patient).where(*of_site, _has_refused())
    n_not_operated = select(func.count()).select_from(Patient).where(*of_site, takes_part, ~_was_operated_on())
    operations = (
        select(_operation.state, func.count().label("n"))
        .join_from(Operation, Patient, _patient.id == _operation.patient_id)
        .where(*of_site, takes_part, _operation.state != OperationState.PERFORMED)
        .group_by(_operation.state)
    )
    counted = Counter({row.state: row.n for row in session.execute(operations)})
    return LeftOut(session.execute(n_refused).scalar_one(), session.execute(n_not_operated).scalar_one(), counted)


def n_performed(session: Session, *, site_id: int | None) -> int:
    """How many operations an export of this site, or of all, holds."""
    statement = (
        select(func.count())
        .select_from(Operation)
        .join(Patient, _patient.id == _operation.patient_id)
        .where(*_of_site(site_id), ~_has_refused(), _operation.state == OperationState.PERFORMED)
    )
    return int(session.execute(statement).scalar_one())


def read_batch(session: Session, *, patient_ids: Collection[int]) -> Batch:
    """Everything that an export needs of some patients: a statement for each table, however many they are."""
    rows = session.connection()
    return Batch(
        [PatientFacts(*row) for row in rows.execute(_patients(patient_ids)).all()],
        [OperationFacts(*row) for row in rows.execute(_operations(patient_ids)).all()],
        [FormFacts(*row) for row in rows.execute(_forms(patient_ids)).all()],
        [AnswerFacts(*row) for row in rows.execute(_answers(patient_ids)).all()],
        [GroupFacts(*row) for row in rows.execute(_groups(patient_ids)).all()],
    )


def _of_site(site_id: int | None) -> tuple[ColumnElement[bool], ...]:
    return () if site_id is None else (_patient.site_id == site_id,)


def _has_refused() -> ColumnElement[bool]:
    has_said_no = (_enrolment.patient_id == _patient.id, _enrolment.refused_on.is_not(None))
    return select(_enrolment.patient_id).where(*has_said_no).correlate(table_of(Patient)).exists()


def _was_operated_on() -> ColumnElement[bool]:
    performed = (_operation.patient_id == _patient.id, _operation.state == OperationState.PERFORMED)
    return select(_operation.id).where(*performed).correlate(table_of(Patient)).exists()


def _patients(ids: Collection[int]) -> Select[Any]:
    standing = and_(_consent.patient_id == _patient.id, _consent.superseded_at.is_(None), _consent.is_given.is_(True))
    return (
        select(
            _patient.id,
            _patient.public_id,
            _patient.study_id,
            _site.code,
            _patient.sex,
            _patient.birth_year,
            _patient.born_on,
            _patient.died_on,
            _enrolment.withdrawn_on,
            _enrolment.answers_deleted_at,
            _consent.version,
        )
        .join_from(table_of(Patient), table_of(Site), _site.id == _patient.site_id)
        .outerjoin(table_of(Enrolment), _enrolment.patient_id == _patient.id)
        .outerjoin(table_of(Consent), standing)
        .where(_patient.id.in_(ids))
    )


def _operations(ids: Collection[int]) -> Select[Any]:
    columns = (_operation.id, _operation.patient_id, _operation.operated_on, _operation.region, _operation.procedure)
    performed = (_operation.patient_id.in_(ids), _operation.state == OperationState.PERFORMED)
    return select(*columns).where(*performed).order_by(_operation.operated_on, _operation.id)


def _forms(ids: Collection[int]) -> Select[Any]:
    # Of every operation: an answer on the form before one that was never performed can count for another.
    return (
        select(
            _follow_up.id,
            _follow_up.patient_id,
            _follow_up.operation_id,
            _follow_up.timepoint,
            _follow_up.opens_on,
            _follow_up.due_on,
            _follow_up.closes_on,
            _follow_up.declined_on,
            _assessment.submitted_at,
            _assessment.respondent,
            _assessment.suspicion,
            _assessment.confirmed_at,
        )
        .join_from(table_of(FollowUp), table_of(Assessment), _assessment.follow_up_id == _follow_up.id, isouter=True)
        .where(_follow_up.patient_id.in_(ids))
        .order_by(_follow_up.id)
    )


def _answers(ids: Collection[int]) -> Select[Any]:
    return (
        select(
            _answer.id,
            _assessment.patient_id,
            _assessment.follow_up_id,
            _answer.item,
            _answer.version,
            _answer.score,
            _answer.is_skipped,
            _answer.mode,
            _answer.instrument_version,
            _answer.language,
            _answer.answered_on,
            _answer.superseded_at,
        )
        .join_from(table_of(Assessment), table_of(Answer), _answer.assessment_id == _assessment.id)
        .where(_assessment.patient_id.in_(ids))
        .order_by(_answer.answered_on, _answer.id)
    )


def _groups(ids: Collection[int]) -> Select[Any]:
    columns = (
        _classification.patient_id,
        _classification.grouping_code,
        _classification.group_code,
        _classification.evidence,
    )
    standing = (_classification.patient_id.in_(ids), _classification.superseded_at.is_(None))
    return select(*columns).where(*standing)
