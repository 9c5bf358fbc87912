"""Addresses from which mails came back: the list for staff, and what ends it for one of them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlmodel import Session

from registry.domain.actors import Actor
from registry.domain.study import Study
from registry.services import audit
from registry.services.follow_up_plan import plan_again
from registry.storage.models import Contact, Enrolment, Patient
from registry.storage.models.base import table_of

_contact = table_of(Contact).c
_enrolment = table_of(Enrolment).c
_patient = table_of(Patient).c

_COLUMNS = (_patient.id, _patient.public_id, _patient.study_id, _contact.email_bounced_at, _contact.email_bounce)


@dataclass(frozen=True)
class BouncedAddress:
    """A patient to whom no mail is sent any longer, since when and why."""

    patient_id: int
    public_id: str
    study_id: str
    bounced_at: datetime
    reason: str


def bounced_addresses(session: Session, *, site_id: int) -> list[BouncedAddress]:
    """The addresses of a site from which mails came back, of patients who still take part; the newest first."""
    newest_first = _bounced(*_COLUMNS, site_id=site_id).order_by(_contact.email_bounced_at.desc(), _patient.id)
    return [BouncedAddress(*row) for row in session.execute(newest_first)]


def n_bounced_addresses(session: Session, *, site_id: int) -> int:
    """How many addresses of a site wait for somebody to correct them."""
    return int(session.execute(_bounced(func.count(), site_id=site_id)).scalar_one())


def _bounced(*columns: ColumnElement[Any], site_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(*columns)
        .join_from(table_of(Patient), table_of(Contact), _contact.patient_id == _patient.id)
        .join(table_of(Enrolment), _enrolment.patient_id == _patient.id)
        .where(
            _contact.email_bounced_at.is_not(None),
            _patient.site_id == site_id,
            _patient.died_on.is_(None),
            _enrolment.withdrawn_on.is_(None),
            _enrolment.refused_on.is_(None),
        )
    )


def forget_bounces(session: Session, *, contact: Contact) -> None:
    """Begin anew: what came back from an earlier address, or before it was put right, counts no more."""
    contact.email_bounced_at = contact.soft_bounced_on = None
    contact.email_bounce, contact.n_soft_bounces = "", 0
    session.add(contact)
    session.flush()


def try_address_again(
    session: Session, *, patient_id: int, study: Study, today: date, by: Actor, now: datetime
) -> bool:
    """Write to an address again that mails came back from; what never arrived goes out anew while its form is open.

    False when somebody has already done so, or has corrected the address.
    """
    contact = session.get_one(Contact, patient_id, with_for_update=True, populate_existing=True)
    if contact.email_bounced_at is None:
        return False
    forget_bounces(session, contact=contact)
    audit.record(session, action="address_tried_again", subject="patient", subject_id=patient_id, by=by, now=now)
    plan_again(session, patient_id=patient_id, study=study, today=today, is_new_address=True)
    return True
