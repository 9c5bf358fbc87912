"""A fresh link for a form that has closed: asked for on its page, sent to the registered address alone."""

from datetime import date, datetime, timedelta

from sqlmodel import Session, col, select

from registry.domain.actors import Actor
from registry.domain.ladder import SkipReason
from registry.domain.schedule import last_late_day
from registry.services import audit
from registry.storage.forms import Form
from registry.storage.models import Contact, Enrolment, FollowUp, Patient, Reminder, ReminderKind

_SPACING = timedelta(hours=24)
_MOST_MAILS = 5


def ask_for_fresh_link(session: Session, *, form: Form, today: date, by: Actor, now: datetime) -> None:
    """Plan the mail with a fresh link; silently nothing when none may go out, so that the page tells nobody anything.

    The form must have been locked and opened in this transaction.
    """
    if not form.is_closed(today) or _reason_to_refuse(session, form, today) is not None:
        return
    earlier = _earlier_mails(session, form.follow_up_id)
    is_too_soon = any(row.claimed_at is None or now - row.claimed_at < _SPACING for row in earlier)
    if is_too_soon or len(earlier) >= _MOST_MAILS:
        return
    row = Reminder(
        follow_up_id=form.follow_up_id,
        patient_id=form.patient_id,
        kind=ReminderKind.FRESH_LINK,
        rung=len(earlier),
        due_on=today,
    )
    session.add(row)
    session.flush()
    audit.record(session, action="fresh_link_asked", subject="reminder", subject_id=row.id, by=by, now=now)


def reason_to_refuse(
    patient: Patient, enrolment: Enrolment, contact: Contact, follow_up: FollowUp, *, today: date
) -> SkipReason | None:
    """Why no fresh link may go out, or None when one may."""
    reasons = (
        (patient.died_on is not None, SkipReason.DIED),
        (enrolment.withdrawn_on is not None, SkipReason.WITHDRAWN),
        (enrolment.refused_on is not None, SkipReason.DECLINED),
        (today > last_late_day(follow_up.closes_on), SkipReason.WINDOW_CLOSED),
        (contact.emails_stopped_at is not None, SkipReason.EMAILS_STOPPED),
        (contact.email_bounced_at is not None, SkipReason.BOUNCED),
        (not contact.email, SkipReason.NO_ADDRESS),
    )
    return next((reason for applies, reason in reasons if applies), None)


def _reason_to_refuse(session: Session, form: Form, today: date) -> SkipReason | None:
    return reason_to_refuse(
        session.get_one(Patient, form.patient_id),
        session.get_one(Enrolment, form.patient_id),
        session.get_one(Contact, form.patient_id),
        session.get_one(FollowUp, form.follow_up_id),
        today=today,
    )


def _earlier_mails(session: Session, follow_up_id: int) -> list[Reminder]:
    of_form = (Reminder.follow_up_id == follow_up_id, Reminder.kind == ReminderKind.FRESH_LINK)
    return list(session.exec(select(Reminder).where(*of_form).order_by(col(Reminder.rung))).all())
