"""Letters with the form on paper, which staff send by post and note here."""

from datetime import date, datetime

from sqlmodel import Session, col, select

from registry.domain.actors import Actor
from registry.services import audit
from registry.storage.forms import lock_follow_up
from registry.storage.models import FollowUp, PostedLetter


def record_posted_letter(session: Session, *, follow_up_id: int, today: date, by: Actor, now: datetime) -> bool:
    """Note that a letter about a form was posted today; False when one about this form is noted already."""
    lock_follow_up(session, follow_up_id=follow_up_id)
    follow_up = session.get_one(FollowUp, follow_up_id)
    if _is_posted(session, follow_up):
        return False
    letter = PostedLetter(
        follow_up_id=follow_up.id,
        patient_id=follow_up.patient_id,
        posted_on=today,
        recorded_at=now,
        recorded_by=by.reference,
    )
    session.add(letter)
    session.flush()
    audit.record(session, action="letter_posted", subject="posted_letter", subject_id=letter.id, by=by, now=now)
    return True


def _is_posted(session: Session, follow_up: FollowUp) -> bool:
    """Whether a letter about the form as it stands was posted; one for an earlier day of the operation was another."""
    of_form = (PostedLetter.follow_up_id == follow_up.id, col(PostedLetter.posted_on) >= follow_up.opens_on)
    return session.exec(select(PostedLetter.id).where(*of_form)).first() is not None
