"""Everything that decides about one claimed mail, read in one look at the moment of sending."""

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, Select, bindparam, func, literal_column, select
from sqlmodel import SQLModel

from registry.storage.follow_ups import Answered, answered_columns
from registry.storage.models import (
    AccessLink,
    Assessment,
    Contact,
    Enrolment,
    FollowUp,
    LinkPurpose,
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
class StandingLink:
    """The newest link of a kind that still opens, without its token, which is not stored."""

    id: int
    public_id: str
    key_id: str


@dataclass(frozen=True)
class DueMail(PlannedMail):
    """A claimed mail, with what decides which words it carries."""

    ladder: LadderFacts
    form: StandingLink | None = None
    """The link to the form, as the mails of a ladder carry it."""
    stop: StandingLink | None = None


def due_mail(rows: Connection, claim: Claim, *, today: date) -> DueMail | None:
    """The facts of a claimed mail, read at the moment of sending; None when the claim was lost."""
    held = {"claimed_id": claim.id, "held": claim.fence}
    # SQLite has one writer, and this is it.
    if rows.dialect.name != "sqlite":
        _ADDRESS.all(rows, held)
    found = _DUE_MAIL.all(rows, {**held, "today": today})
    return _due_mail(found[0]) if found else None


# What decides about a mail and its words: whatever else the tables hold would only be carried about.
_PARTS: dict[type[SQLModel], tuple[str, ...]] = {
    Reminder: (
        *("id", "patient_id", "follow_up_id", "kind", "rung", "n_attempts", "first_tried_at"),
        *("next_attempt_at", "failed_at", "message_id", "access_link_id"),
    ),
    FollowUp: ("timepoint", "opens_on", "due_on", "closes_on", "declined_on"),
    Operation: ("state",),
    Patient: ("public_id", "sex", "language", "died_on"),
    Contact: ("email", "family_name", "given_name", "emails_stopped_at", "email_bounced_at"),
    Enrolment: ("withdrawn_on", "refused_on"),
}
_OTHER = table_of(Reminder).alias("other").c
_FORM, _STOP = table_of(AccessLink).alias("form"), table_of(AccessLink).alias("stop")
_LINKS, _LINK = table_of(AccessLink).c, ("id", "public_id", "key_id")


def _address() -> Select[*tuple[Any, ...]]:
    """Whoever corrects the address waits until this mail's link is in the database, where it can be revoked.

    By a look of its own before the other: that one must see the links as a correction left them for which this waited.
    """
    of_mail = select(_contact.patient_id).join(table_of(Reminder), _reminder.patient_id == _contact.patient_id)
    return of_mail.where(*IS_HELD).with_for_update(read=True, of=table_of(Contact))


def _due_mail_with_all() -> Select[*tuple[Any, ...]]:
    """Everything that decides about one mail, in one look, with each table's columns beside each other."""
    columns = [table_of(part).c[name] for part, names in _PARTS.items() for name in names]
    named = [column.label(f"{column.table.name}_{column.name}") for column in columns]
    links = [link.c[name].label(f"{link.name}_{name}") for link in (_FORM, _STOP) for name in _LINK]
    return (
        select(*named, *links, wants_call_column(), *answered_columns(), *_ladder_columns())
        .join_from(table_of(Reminder), table_of(FollowUp), _follow_up.id == _reminder.follow_up_id)
        .join(table_of(Operation), _operation.id == _follow_up.operation_id)
        .join(table_of(Patient), _patient.id == _reminder.patient_id)
        .join(table_of(Contact), _contact.patient_id == _patient.id)
        .join(table_of(Enrolment), _enrolment.patient_id == _patient.id)
        .outerjoin(table_of(Assessment), _assessment.follow_up_id == _follow_up.id)
        .outerjoin(_FORM, _FORM.c.id == _newest(_LINKS.follow_up_id == _reminder.follow_up_id, LinkPurpose.FORM))
        .outerjoin(_STOP, _STOP.c.id == _newest(_LINKS.patient_id == _reminder.patient_id, LinkPurpose.PREFERENCES))
        .where(*IS_HELD)
    )


def _newest(is_of: ColumnElement[bool], purpose: LinkPurpose) -> ColumnElement[int]:
    """The newest link that still opens; one for after the close of its form is not for the mails of a ladder."""
    is_purpose = _LINKS.purpose == literal_column(f"'{purpose}'")
    stands = select(func.max(_LINKS.id)).where(
        is_of, is_purpose, _LINKS.revoked_at.is_(None), _LINKS.late_until.is_(None)
    )
    return stands.correlate(table_of(Reminder)).scalar_subquery()


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


_ADDRESS, _DUE_MAIL = Prepared(_address()), Prepared(_due_mail_with_all())
_ROWS: list[Any] = [namedtuple(part.__name__, names) for part, names in _PARTS.items()]


def _due_mail(row: Any) -> DueMail:
    """The row as its parts, each with the names of its table; as objects of the tables they would cost a lot."""
    parts: list[Any] = []
    begins = 0
    for kind in _ROWS:
        parts.append(kind._make(row[begins : begins + len(kind._fields)]))
        begins += len(kind._fields)
    form, stop = row[begins : begins + 3], row[begins + 3 : begins + 6]
    wants_call, *answered, is_overtaken, first_sent_at, last_rung = row[begins + 6 :]
    parts.append(Answered(*answered) if answered[0] is not None else None)
    parts += (bool(wants_call), LadderFacts(bool(is_overtaken), first_sent_at, last_rung))
    return DueMail(*parts, *(StandingLink(*link) if link[0] is not None else None for link in (form, stop)))
