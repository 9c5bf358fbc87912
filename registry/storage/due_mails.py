"""Everything that decides about one claimed mail, read in one look at the moment of sending."""

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Label, Select, bindparam, func, literal_column, select

from registry.storage.database import Rows
from registry.storage.follow_ups import Answered, answered_columns
from registry.storage.models import (
    Assessment,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Reminder,
    ReminderKind,
    ReminderState,
)
from registry.storage.models.base import table_of
from registry.storage.outbox import IS_HELD, Claim, PlannedMail, wants_call_column
from registry.storage.prepared import Prepared

_assessment = table_of(Assessment).c
_contact = table_of(Contact).c
_enrolment = table_of(Enrolment).c
_follow_up = table_of(FollowUp).c
_operation = table_of(Operation).c
_patient = table_of(Patient).c
_reminder = table_of(Reminder).c


@dataclass(frozen=True)
class LadderFacts:
    """A mail among the others of its follow-up."""

    is_overtaken: bool
    """Whether a later rung has come due meanwhile, as after an outage."""
    first_sent_at: datetime | None
    last_rung: int


@dataclass(frozen=True)
class DueMail(PlannedMail):
    """A claimed mail, with what decides which words it carries."""

    ladder: LadderFacts


def due_mail(rows: Rows, claim: Claim, *, today: date) -> DueMail | None:
    """The facts of a claimed mail, read at the moment of sending; None when the claim was lost."""
    found = _DUE_MAIL.all(rows, {"claimed_id": claim.id, "held": claim.fence, "today": today})
    return _due_mail(found[0]) if found else None


_PARTS = (Reminder, FollowUp, Operation, Patient, Contact, Enrolment)
_OTHER = table_of(Reminder).alias("other").c


def _due_mails() -> Select[*tuple[Any, ...]]:
    """Everything that decides about one mail, in one look, with each table's columns beside each other."""
    columns = [column for part in _PARTS for column in table_of(part).c]
    named = [column.label(f"{column.table.name}_{column.name}") for column in columns]
    reached = (
        select(*named, wants_call_column(), *answered_columns(), *_ladder_columns())
        .join_from(table_of(Reminder), table_of(FollowUp), _follow_up.id == _reminder.follow_up_id)
        .join(table_of(Operation), _operation.id == _follow_up.operation_id)
        .join(table_of(Patient), _patient.id == _reminder.patient_id)
        .join(table_of(Contact), _contact.patient_id == _patient.id)
        .join(table_of(Enrolment), _enrolment.patient_id == _patient.id)
        .outerjoin(table_of(Assessment), _assessment.follow_up_id == _follow_up.id)
        .where(*IS_HELD)
    )
    # Whoever corrects the address waits until this mail's link is in the database, where it can be revoked.
    return reached.with_for_update(read=True, of=table_of(Contact))


def _ladder_columns() -> Sequence[Label[Any]]:
    """The others of the same ladder; what was sent for an earlier day of the operation is another ladder."""
    of_ladder = (_OTHER.follow_up_id == _follow_up.id, _OTHER.kind == literal_column(f"'{ReminderKind.LADDER}'"))
    is_kept = _OTHER.state != literal_column(f"'{ReminderState.SKIPPED}'")
    is_later = (_OTHER.rung > _reminder.rung, _OTHER.due_on <= bindparam("today"))
    first = select(func.min(_OTHER.sent_at)).where(*of_ladder, _OTHER.due_on >= _follow_up.opens_on)
    last = select(func.max(_OTHER.rung)).where(*of_ladder, is_kept)
    later = select(_OTHER.id).where(*of_ladder, is_kept, *is_later)
    around = (table_of(Reminder), table_of(FollowUp))
    return (
        later.correlate(*around).exists().label("is_overtaken"),
        first.correlate(*around).scalar_subquery().label("first_sent_at"),
        last.correlate(*around).scalar_subquery().label("last_rung"),
    )


_DUE_MAIL = Prepared(_due_mails())
_ROWS: list[Any] = [namedtuple(part.__name__, [column.name for column in table_of(part).c]) for part in _PARTS]


def _due_mail(row: Any) -> DueMail:
    """The row as its parts, each with the names of its table; as objects of the tables they would cost a lot."""
    parts: list[Any] = []
    begins = 0
    for kind in _ROWS:
        parts.append(kind._make(row[begins : begins + len(kind._fields)]))
        begins += len(kind._fields)
    wants_call, *answered, is_overtaken, first_sent_at, last_rung = row[begins:]
    parts.append(Answered(*answered) if answered[0] is not None else None)
    parts += (bool(wants_call), LadderFacts(bool(is_overtaken), first_sent_at, last_rung))
    return DueMail(*parts)
