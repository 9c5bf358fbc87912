"""Mails that did not reach a patient: the list for staff, read by the indexes on what failed and what waits."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, Subquery, case, func, select, union_all
from sqlmodel import Session

from registry.services.sent_mails import said_of
from registry.storage.models import FollowUp, Patient, Reminder, ReminderKind, ReminderState
from registry.storage.models.base import table_of

MOST_SHOWN = 50
# A server that is away for an hour is no news; one that has put a mail off for a day is.
_LONG = timedelta(days=1)

_follow_up, _patient, _reminder = table_of(FollowUp).c, table_of(Patient).c, table_of(Reminder).c


@dataclass(frozen=True)
class FailedMail:
    """A mail that was refused, is put off for long, or whose fate nobody knows."""

    id: int
    public_id: str
    study_id: str
    timepoint: str
    closes_on: date
    kind: ReminderKind
    rung: int
    state: ReminderState
    at: datetime
    """When it failed, or when it was first put off."""
    failure: str

    @property
    def reason(self) -> str:
        """Why, as staff may read it."""
        return said_of(self.failure)


@dataclass(frozen=True)
class NumberOfFailed:
    """How many mails of a site failed, and of how many of them the form is still open."""

    all: int
    open: int


def failed_mails(session: Session, *, site_id: int, now: datetime) -> list[FailedMail]:
    """The newest of a site's failed mails; costs what failed, at any site."""
    failed = _failed(site_id, now)
    statement = _with_their_forms(
        failed,
        _reminder.id,
        _patient.public_id,
        _patient.study_id,
        _follow_up.timepoint,
        _follow_up.closes_on,
        _reminder.kind,
        _reminder.rung,
        _reminder.state,
        failed.c.at,
        _reminder.failure,
    )
    newest_first = statement.order_by(failed.c.at.desc(), _reminder.id.desc()).limit(MOST_SHOWN)
    return [FailedMail(*row) for row in session.execute(newest_first)]


def n_failed_mails(session: Session, *, site_id: int, today: date, now: datetime) -> NumberOfFailed:
    """How many there are, and how many of them somebody can still do something about."""
    is_open = case((_follow_up.closes_on >= today, 1))
    row = session.execute(_with_their_forms(_failed(site_id, now), func.count(), func.count(is_open))).one()
    return NumberOfFailed(row[0], row[1])


def _failed(site_id: int, now: datetime) -> Subquery:
    """Two looks, each by a partial index of its own, which serves only who says that there is something in it."""
    gave_up = (_reminder.failed_at.is_not(None), _reminder.state.in_((ReminderState.REJECTED, ReminderState.UNKNOWN)))
    waits = (_reminder.next_attempt_at.is_not(None), _reminder.state == ReminderState.DEFERRED)
    is_long = _reminder.first_tried_at < now - _LONG
    # Asked of each mail that failed: a join might be answered by way of every patient of the site.
    of_site = select(_patient.id).where(_patient.id == _reminder.patient_id, _patient.site_id == site_id).exists()
    return union_all(
        select(_reminder.id, _reminder.failed_at.label("at")).where(*gave_up, of_site),
        select(_reminder.id, _reminder.first_tried_at.label("at")).where(*waits, is_long, of_site),
    ).subquery("failed")


def _with_their_forms(failed: Subquery, *columns: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(*columns)
        .join_from(failed, table_of(Reminder), _reminder.id == failed.c.id)
        .join(table_of(FollowUp), _follow_up.id == _reminder.follow_up_id)
        .join(table_of(Patient), _patient.id == _reminder.patient_id)
    )
