"""A form that the patient does not want to fill in, while taking part goes on."""

from datetime import date, datetime

from sqlmodel import Session

from registry.domain.actors import Actor
from registry.services import audit
from registry.storage.forms import lock_follow_up
from registry.storage.models import FollowUp


def decline_follow_up(session: Session, *, follow_up_id: int, today: date, by: Actor, now: datetime) -> bool:
    """Record that a patient declines one form, whose mails end with it; False when that is known already."""
    lock_follow_up(session, follow_up_id=follow_up_id)
    follow_up = session.get_one(FollowUp, follow_up_id, populate_existing=True)
    if follow_up.declined_on is not None:
        return False
    follow_up.declined_on = today
    session.add(follow_up)
    session.flush()
    audit.record(session, action="follow_up_declined", subject="follow_up", subject_id=follow_up_id, by=by, now=now)
    return True
