"""Whose form it is, where two patients share a mailbox: the year of birth is asked once, and not guessed for long."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from registry.domain.actors import Actor
from registry.domain.errors import TooManyTries
from registry.services import audit
from registry.storage.forms import Form, lock_follow_up, lock_follow_ups
from registry.storage.models import AuditEvent, Patient

MOST_TRIES = 5
_WITHIN = timedelta(hours=1)
_WRONG = "birth_year_wrong"

# Many Japanese patients know the year of their birth by its era.
_YEARS_BEFORE = {"大": 1911, "T": 1911, "昭": 1925, "S": 1925, "平": 1988, "H": 1988}
_YEAR = re.compile(r"(?:(大|昭|平|[TSH])[正和成]?[\s.]*)?([0-9]{1,4}|元)\s*年?(?:生まれ)?")


def is_birth_year_of(session: Session, *, form: Form, typed: str, by: Actor, now: datetime) -> bool:
    """Whether the year is the patient's; each wrong one is written down, and after a few nothing helps but time."""
    # One after the other: many tries at once would all see that few were made.
    lock_follow_up(session, follow_up_id=form.follow_up_id)
    trying = _Trying(session, "follow_up", form.follow_up_id, by, now)
    return _is_right(trying, typed, patient_id=form.patient_id)


def is_birth_year_of_patient(session: Session, *, patient_id: int, typed: str, by: Actor, now: datetime) -> bool:
    """As for a form, where the question is not about one form but about taking part."""
    lock_follow_ups(session, patient_id=patient_id)
    return _is_right(_Trying(session, "patient", patient_id, by, now), typed, patient_id=patient_id)


@dataclass(frozen=True)
class _Trying:
    """Where the tries are written down and counted."""

    session: Session
    subject: str
    subject_id: int
    by: Actor
    now: datetime

    def n_wrong(self) -> int:
        """How many tries were wrong lately."""
        tries = select(func.count(col(AuditEvent.id))).where(
            AuditEvent.subject == self.subject,
            AuditEvent.subject_id == self.subject_id,
            AuditEvent.action == _WRONG,
            AuditEvent.at > self.now - _WITHIN,
        )
        return self.session.exec(tries).one()


def _is_right(trying: _Trying, typed: str, *, patient_id: int) -> bool:
    if trying.n_wrong() >= MOST_TRIES:
        raise TooManyTries("the year of birth was wrong too often")
    year = _year(typed)
    if year is None or trying.session.get_one(Patient, patient_id).birth_year == year:
        return year is not None
    about, about_id = trying.subject, trying.subject_id
    audit.record(trying.session, action=_WRONG, subject=about, subject_id=about_id, by=trying.by, now=trying.now)
    return False


def _year(typed: str) -> int | None:
    """A year as people write it: 1952, １９５２, 1952年, 昭和27年, S27."""
    found = _YEAR.fullmatch(unicodedata.normalize("NFKC", typed).strip().upper())
    if found is None:
        return None
    era, number = found.groups()
    return (1 if number == "元" else int(number)) + _YEARS_BEFORE.get(era, 0)
