"""Whose form it is, where two patients share a mailbox: the year of birth is asked once, and not guessed for long.

Of two who were born in the same year, the day tells which.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlmodel import Session, col, func, select

from registry.domain.actors import Actor
from registry.domain.errors import TooManyTries
from registry.services import audit
from registry.storage.forms import lock_follow_ups
from registry.storage.mailboxes import Contemporary, contemporaries
from registry.storage.models import AuditEvent, Patient

MOST_TRIES = 5
_WITHIN = timedelta(hours=1)
_WRONG = "birth_year_wrong"

# Many Japanese patients know the year of their birth by its era.
_YEARS_BEFORE = {"大": 1911, "T": 1911, "昭": 1925, "S": 1925, "平": 1988, "H": 1988}
_YEAR = re.compile(
    r"(?:(?P<era>大|昭|平|[TSH])[正和成]?[\s.]*)?(?P<year>[0-9]{1,4}|元)\s*"
    r"(?:年?|[年./-]\s*(?P<month>[0-9]{1,2})\s*[月./-]\s*(?P<day>[0-9]{1,2})\s*日?)\s*(?:生まれ)?"
)
_EIGHT_DIGITS = re.compile(r"(?P<era>)(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})")


class Finding(StrEnum):
    """What was typed, held against what is known of the patient."""

    RIGHT = "right"
    WRONG_YEAR = "wrong_year"
    WRONG_DAY = "wrong_day"
    DAY_MISSING = "day_missing"
    """The year is right, and somebody else's at the same address as well."""
    SAME_AS_ANOTHER = "same_as_another"
    """The year is right, and nothing that could be asked tells the two apart."""


def check_birth_year(session: Session, *, patient_id: int, typed: str, by: Actor, now: datetime) -> Finding:
    """Whether the year is the patient's; each wrong one is written down, and after a few nothing helps but time.

    The tries of all a patient's links count together.
    """
    # One after the other: many tries at once would all see that few were made.
    lock_follow_ups(session, patient_id=patient_id)
    if _n_wrong(session, patient_id, now) >= MOST_TRIES:
        raise TooManyTries("the year of birth was wrong too often")
    birth = _birth(typed)
    if birth is None:
        return Finding.WRONG_YEAR
    found = _held_against(session, birth, session.get_one(Patient, patient_id))
    if found in (Finding.WRONG_YEAR, Finding.WRONG_DAY):
        audit.record(session, action=_WRONG, subject="patient", subject_id=patient_id, by=by, now=now)
    return found


def _n_wrong(session: Session, patient_id: int, now: datetime) -> int:
    tries = select(func.count(col(AuditEvent.id))).where(
        AuditEvent.subject == "patient",
        AuditEvent.subject_id == patient_id,
        AuditEvent.action == _WRONG,
        AuditEvent.at > now - _WITHIN,
    )
    return session.exec(tries).one()


def not_told_apart(session: Session, *, patient: Patient) -> list[Contemporary]:
    """Those whose form the patient could be answering: same mailbox, same year, and no day that differs."""
    others = contemporaries(session, patient_id=patient.id)
    return [other for other in others if patient.born_on is None or other.born_on == patient.born_on]


def _held_against(session: Session, birth: "_Birth", patient: Patient) -> Finding:
    if birth.year != patient.birth_year:
        return Finding.WRONG_YEAR
    if not contemporaries(session, patient_id=patient.id):
        return Finding.RIGHT
    if not_told_apart(session, patient=patient):
        return Finding.SAME_AS_ANOTHER
    if birth.day is None:
        return Finding.DAY_MISSING
    return Finding.RIGHT if birth.day == patient.born_on else Finding.WRONG_DAY


@dataclass(frozen=True)
class _Birth:
    """What was typed: a year, or a whole date."""

    year: int
    day: date | None


def _birth(typed: str) -> _Birth | None:
    """A year as people write it: 1952, １９５２, 1952年, 昭和27年, S27; or a date: 19520304, 1952/3/4, S27.3.4."""
    text = unicodedata.normalize("NFKC", typed).strip().upper()
    found = _EIGHT_DIGITS.fullmatch(text) or _YEAR.fullmatch(text)
    if found is None:
        return None
    era, number, month, day = found.group("era", "year", "month", "day")
    year = (1 if number == "元" else int(number)) + _YEARS_BEFORE.get(era, 0)
    try:
        return _Birth(year, date(year, int(month), int(day)) if month else None)
    except ValueError:
        return None
