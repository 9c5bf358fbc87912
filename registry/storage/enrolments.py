"""Patients as staff look for them: pages of a list, and one patient with everything around."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session

from registry.domain.errors import Unknown
from registry.storage.follow_ups import Answered, answered_columns
from registry.storage.models import (
    AccessLink,
    Answer,
    Assessment,
    BodyMarking,
    Classification,
    Consent,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    PhoneAttempt,
    PhoneRequest,
    Site,
)
from registry.storage.models.base import table_of

_access_link = table_of(AccessLink).c
_answer = table_of(Answer).c
_assessment = table_of(Assessment).c
_body_marking = table_of(BodyMarking).c
_classification = table_of(Classification).c
_consent = table_of(Consent).c
_contact = table_of(Contact).c
_enrolment = table_of(Enrolment).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c
_phone_attempt = table_of(PhoneAttempt).c
_phone_request = table_of(PhoneRequest).c
_site = table_of(Site).c

PAGE_SIZE = 50

_Row = TypeVar("_Row", Operation, Classification)


@dataclass(frozen=True)
class FollowUpRow:
    """A follow-up with what was answered."""

    follow_up: FollowUp
    answered: Answered | None


@dataclass(frozen=True)
class PatientRow:
    """A patient with operations, classification and follow-ups."""

    patient: Patient
    contact: Contact
    enrolment: Enrolment
    operations: Sequence[Operation]
    classifications: Sequence[Classification]
    follow_ups: Sequence[FollowUpRow]


def count_patients(session: Session, *, site_id: int, study_id: str = "") -> int:
    """How many patients a list holds."""
    statement = select(func.count()).select_from(Patient).where(*_listed(site_id, study_id))
    return int(session.execute(statement).scalar_one())


def page_of_patients(session: Session, *, site_id: int, page: int, study_id: str = "") -> list[PatientRow]:
    """One page of a site's patients by study ID; four queries, whatever the size of the registry."""
    rows = session.execute(
        select(Patient, Contact, Enrolment)
        .join(Contact, _contact.patient_id == _patient.id)
        .join(Enrolment, _enrolment.patient_id == _patient.id)
        .where(*_listed(site_id, study_id))
        .order_by(_patient.study_id)
        .offset((page - 1) * PAGE_SIZE)
        .limit(PAGE_SIZE)
    ).all()
    return _with_surroundings(session, [(row.Patient, row.Contact, row.Enrolment) for row in rows])


def patient_by_public_id(session: Session, *, site_id: int, public_id: str) -> PatientRow | None:
    """One patient of a site; a patient of another site is not there."""
    row = session.execute(
        select(Patient, Contact, Enrolment)
        .join(Contact, _contact.patient_id == _patient.id)
        .join(Enrolment, _enrolment.patient_id == _patient.id)
        .where(_patient.site_id == site_id, _patient.public_id == public_id)
    ).first()
    if row is None:
        return None
    return _with_surroundings(session, [(row.Patient, row.Contact, row.Enrolment)])[0]


def site_id_of(session: Session, *, code: str) -> int | None:
    """The row of a site."""
    return session.execute(select(_site.id).where(_site.code == code)).scalar()


def answers_of_patient(session: Session, *, patient_id: int) -> Mapping[int, Mapping[str, Answer]]:
    """The standing answers of a patient, by assessment and item."""
    found: dict[int, dict[str, Answer]] = defaultdict(dict)
    answers = session.execute(
        select(Answer)
        .join(Assessment, _assessment.id == _answer.assessment_id)
        .where(_assessment.patient_id == patient_id, _answer.superseded_at.is_(None))
    ).scalars()
    for answer in answers:
        found[answer.assessment_id][answer.item] = answer
    return found


@dataclass(frozen=True)
class PatientRecords:
    """What a patient's page tells besides the answers: forms, regions, decisions and requests, oldest first."""

    assessments: Mapping[int, Assessment]
    regions: Mapping[int, Sequence[str]]
    consents: Sequence[Consent]
    phone_requests: Sequence[PhoneRequest]
    phone_attempts: Mapping[int, Sequence[PhoneAttempt]]


def records_of_patient(session: Session, *, patient_id: int) -> PatientRecords:
    """Everything that is kept of one patient's forms but the answers; five queries by index."""
    assessments = session.execute(select(Assessment).where(_assessment.patient_id == patient_id)).scalars()
    markings = session.execute(
        select(BodyMarking)
        .join(Assessment, _assessment.id == _body_marking.assessment_id)
        .where(_assessment.patient_id == patient_id, _body_marking.superseded_at.is_(None))
    ).scalars()
    consents = session.execute(
        select(Consent).where(_consent.patient_id == patient_id).order_by(_consent.recorded_at, _consent.id)
    ).scalars()
    requests = session.execute(
        select(PhoneRequest)
        .where(_phone_request.patient_id == patient_id)
        .order_by(_phone_request.requested_at, _phone_request.id)
    ).scalars()
    attempts: dict[int, list[PhoneAttempt]] = defaultdict(list)
    for attempt in session.execute(
        select(PhoneAttempt)
        .join(PhoneRequest, _phone_request.id == _phone_attempt.phone_request_id)
        .where(_phone_request.patient_id == patient_id)
        .order_by(_phone_attempt.number)
    ).scalars():
        attempts[attempt.phone_request_id].append(attempt)
    return PatientRecords(
        assessments={found.id: found for found in assessments},
        regions={found.assessment_id: found.regions for found in markings},
        consents=list(consents),
        phone_requests=list(requests),
        phone_attempts=attempts,
    )


def _listed(site_id: int, study_id: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_patient.site_id == site_id]
    if study_id:
        conditions.append(_patient.study_id.startswith(study_id, autoescape=True))
    return conditions


def _with_surroundings(session: Session, people: Sequence[tuple[Patient, Contact, Enrolment]]) -> list[PatientRow]:
    ids = [patient.id for patient, _, _ in people]
    operations = _by_patient(
        session.execute(
            select(Operation)
            .where(_operation.patient_id.in_(ids))
            .order_by(func.coalesce(_operation.operated_on, _operation.planned_on), _operation.id)
        ).scalars()
    )
    classifications = _by_patient(
        session.execute(
            select(Classification).where(_classification.patient_id.in_(ids)).order_by(_classification.recorded_at)
        ).scalars()
    )
    follow_ups: dict[int, list[FollowUpRow]] = defaultdict(list)
    for row in session.execute(
        select(FollowUp, *answered_columns())
        .outerjoin(Assessment, _assessment.follow_up_id == _follow_up.id)
        .where(_follow_up.patient_id.in_(ids))
        .order_by(_follow_up.due_on)
    ):
        follow_up, *answered = row
        found = Answered(*answered) if answered[0] is not None else None
        follow_ups[follow_up.patient_id].append(FollowUpRow(follow_up, found))
    return [
        PatientRow(
            patient,
            contact,
            enrolment,
            operations.get(patient.id, []),
            classifications.get(patient.id, []),
            follow_ups.get(patient.id, []),
        )
        for patient, contact, enrolment in people
    ]


def _by_patient(rows: Iterable[_Row]) -> Mapping[int, list[_Row]]:
    found: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        found[row.patient_id].append(row)
    return found


@dataclass(frozen=True)
class LinkedPatient:
    """The patient behind a link, as far as a preferences page needs to know."""

    public_id: str
    patient_id: int
    language: str
    site_code: str
    has_left: bool
    are_answers_deleted: bool
    are_emails_stopped: bool


def patient_behind_link(session: Session, *, public_id: str) -> LinkedPatient:
    """The patient whom a link was sent to, unless it was revoked meanwhile."""
    row = session.execute(
        select(
            _access_link.public_id,
            _access_link.patient_id,
            _patient.language,
            _site.code,
            _enrolment.withdrawn_on.is_not(None),
            _enrolment.answers_deleted_at.is_not(None),
            _contact.emails_stopped_at.is_not(None),
        )
        .join(Patient, _patient.id == _access_link.patient_id)
        .join(Site, _site.id == _patient.site_id)
        .join(Enrolment, _enrolment.patient_id == _patient.id)
        .join(Contact, _contact.patient_id == _patient.id)
        .where(_access_link.public_id == public_id, _access_link.revoked_at.is_(None), _patient.died_on.is_(None))
    ).first()
    if row is None:
        raise Unknown("no such link")
    return LinkedPatient(*row)


def has_patients(session: Session) -> bool:
    """Whether anybody is enrolled at any site."""
    return session.execute(select(_patient.id).limit(1)).first() is not None


def site_codes(session: Session) -> list[str]:
    """The code of every site that has a row."""
    return list(session.execute(select(_site.code).order_by(_site.code)).scalars())


@dataclass(frozen=True)
class PaperLabel:
    """What stands on a paper form so that it finds its way back."""

    study_id: str
    timepoint: str


def paper_label(session: Session, *, follow_up_id: int) -> PaperLabel:
    """The study ID and the timepoint of a follow-up."""
    row = session.execute(
        select(_patient.study_id, _follow_up.timepoint)
        .join(Patient, _patient.id == _follow_up.patient_id)
        .where(_follow_up.id == follow_up_id)
    ).one()
    return PaperLabel(*row)
