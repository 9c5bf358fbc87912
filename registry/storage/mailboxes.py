"""Mailboxes that several patients are written to at; each question takes look-ups by index alone."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import and_, bindparam, func, select
from sqlmodel import Session

from registry.storage.models import AccessLink, Contact, Patient
from registry.storage.models.base import table_of

_access_link = table_of(AccessLink).c
_own, _other = table_of(Contact).alias("own").c, table_of(Contact).alias("other").c
_patient, _contemporary = table_of(Patient).alias("patient").c, table_of(Patient).alias("contemporary").c

# A mailbox is one however its address is written.
_IS_SAME_MAILBOX = and_(
    func.lower(_other.email) == func.lower(_own.email), _own.email != "", _other.patient_id != _own.patient_id
)
_SHARES = (
    select(_other.patient_id)
    .join_from(table_of(AccessLink), _own.email.table, _own.patient_id == _access_link.patient_id)
    .join(_other.email.table, _IS_SAME_MAILBOX)
    .where(_access_link.public_id == bindparam("public_id"))
    .limit(1)
)


def shares_address(session: Session, *, public_id: str) -> bool:
    """Whether somebody else is written to at the same address as the patient behind a link."""
    return session.execute(_SHARES, {"public_id": public_id}).first() is not None


@dataclass(frozen=True)
class Contemporary:
    """Somebody else at the same address who was born in the same year."""

    site_id: int
    study_id: str
    born_on: date | None


_CONTEMPORARIES = (
    select(_contemporary.site_id, _contemporary.study_id, _contemporary.born_on)
    .join_from(_patient.id.table, _own.email.table, _own.patient_id == _patient.id)
    .join(_other.email.table, _IS_SAME_MAILBOX)
    .join(_contemporary.id.table, _contemporary.id == _other.patient_id)
    .where(
        _patient.id == bindparam("patient_id"),
        _contemporary.birth_year == _patient.birth_year,
        # Nobody opens a link of the dead by mistake: the survivor must not be kept out.
        _contemporary.died_on.is_(None),
    )
    .order_by(_contemporary.study_id)
)


def contemporaries(session: Session, *, patient_id: int) -> list[Contemporary]:
    """Everybody else at a patient's address who was born in the same year and lives."""
    return [Contemporary(*row) for row in session.execute(_CONTEMPORARIES, {"patient_id": patient_id})]
