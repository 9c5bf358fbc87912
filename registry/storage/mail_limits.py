"""How many mails may leave now, counted from the rows of those that left, are leaving, or were put off."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, literal_column, or_, select

from registry.storage.database import Rows
from registry.storage.models import Patient, Reminder, ReminderState, Site
from registry.storage.models.base import table_of
from registry.storage.prepared import Prepared

_patient = table_of(Patient).c
_reminder = table_of(Reminder).c
_site = table_of(Site).c


def _state_is(*states: ReminderState) -> ColumnElement[bool]:
    return or_(*(_reminder.state == literal_column(f"'{state}'") for state in states))


_IS_HELD = and_(_reminder.next_attempt_at > bindparam("now"), _state_is(ReminderState.CLAIMED, ReminderState.SENDING))
# A mail of unknown fate may have been taken, so it counts as one.
_IS_UNKNOWN = and_(_reminder.failed_at > bindparam("since"), _state_is(ReminderState.UNKNOWN))
_SITE_AND_COUNT: tuple[Any, ...] = (_patient.site_id, func.count().label("n_mails"))
_LEFT = Prepared(
    select(*_SITE_AND_COUNT)
    .join_from(table_of(Reminder), table_of(Patient), _patient.id == _reminder.patient_id)
    .where(or_(_reminder.sent_at > bindparam("since"), _IS_UNKNOWN, _IS_HELD))
    .group_by(_patient.site_id)
)
_HELD = Prepared(select(_reminder.id).where(_IS_HELD).limit(literal_column("1")))
# Not a key that others refer to: patients are enrolled meanwhile.
_EVERY_SITE = Prepared(select(_site.id).order_by(_site.id).with_for_update(key_share=True))


def left_by_site(rows: Rows, *, since: datetime, now: datetime) -> Counter[int]:
    """How many mails of each site left since then or are about to; nobody else counts until this transaction ends."""
    _EVERY_SITE.all(rows, {})
    return Counter({row.site_id: row.n_mails for row in _LEFT.all(rows, {"since": since, "now": now})})


@dataclass(frozen=True)
class Refusals:
    """The mails that the server did not want for the registry's own sake, since it last took one."""

    n_mails: int
    first_at: datetime | None
    last_at: datetime | None


# A mail that is put off though the server said no: it minds what is sent or who sends it, but for a lost route.
_IS_UNWELCOME = and_(
    _state_is(ReminderState.DEFERRED),
    _reminder.failure.like(literal_column("'5%'")),
    _reminder.failure.not_like(literal_column("'5__ 5.4.4%'")),
)
_LAST_TAKEN = select(func.max(_reminder.sent_at)).scalar_subquery()
_FACTS: tuple[Any, ...] = (
    func.count().label("n_mails"),
    func.min(_reminder.first_tried_at).label("first_at"),
    func.max(_reminder.claimed_at).label("last_at"),
)
_REFUSALS = Prepared(
    select(*_FACTS).where(
        _reminder.next_attempt_at.is_not(None),
        _IS_UNWELCOME,
        or_(_LAST_TAKEN.is_(None), _reminder.claimed_at >= _LAST_TAKEN),
    )
)


def refusals(rows: Rows) -> Refusals:
    """What was refused in a row; costs what is put off."""
    (row,) = _REFUSALS.all(rows, {})
    return Refusals(row.n_mails, row.first_at, row.last_at)


def is_any_held(rows: Rows, *, now: datetime) -> bool:
    """Whether some mail is on its way at this moment."""
    return bool(_HELD.all(rows, {"now": now}))
