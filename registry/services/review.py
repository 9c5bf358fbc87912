"""Answers that may come from a program: staff look at them, and confirm them or set them aside."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, func, select

from registry.domain.actors import Actor
from registry.domain.errors import RegistryError, Unknown
from registry.domain.study import Study
from registry.services import audit
from registry.services.consent_review import set_decision_of_visit_aside
from registry.services.follow_up_plan import plan_again
from registry.services.suspected_visit import (
    CONFIRMED,
    SET_ASIDE,
    SuspectedVisit,
    n_standing_answers,
    sending_without,
    suspected_visits,
    take_out,
)
from registry.storage.forms import Form, form_of_follow_up, lock_follow_up
from registry.storage.models import Answer, Assessment, BodyMarking, Contact, FollowUp, Patient
from registry.storage.models.base import table_of

_assessment = table_of(Assessment).c


class MoreHasCome(RegistryError):
    """There is more to judge than whoever judges has seen."""


@dataclass(frozen=True)
class Doubtful:
    """Answers that nobody has looked at, whose they are said to be, and of which form."""

    assessment: Assessment
    patient: Patient
    contact: Contact
    follow_up: FollowUp
    n_answers: int
    """How many of those that stand would be taken out."""
    n_versions: int
    """How much is kept of the form: whoever judges says how much was seen."""


def answers_to_review(session: Session, *, site_id: int) -> list[Doubtful]:
    """The suspected answers of a site, the newest first."""
    rows = session.execute(
        select(Assessment, Patient, Contact, FollowUp)
        .join(Patient, col(Patient.id) == Assessment.patient_id)
        .join(Contact, col(Contact.patient_id) == Patient.id)
        .join(FollowUp, col(FollowUp.id) == Assessment.follow_up_id)
        .where(*_doubtful(site_id))
        .order_by(col(Assessment.started_at).desc(), col(Assessment.id).desc())
    ).all()
    visits = suspected_visits(session, [row[0] for row in rows])
    return [_in_doubt(*row, visit=visits[row[0].id]) for row in rows]


def _in_doubt(
    found: Assessment, patient: Patient, contact: Contact, of: FollowUp, *, visit: SuspectedVisit
) -> Doubtful:
    return Doubtful(found, patient, contact, of, n_standing_answers(visit.in_doubt), len(visit.versions))


def n_answers_to_review(session: Session, *, site_id: int) -> int:
    """How many forms of a site wait for somebody to look at them."""
    joined = select(func.count()).select_from(Assessment).join(Patient, col(Patient.id) == Assessment.patient_id)
    return session.exec(joined.where(*_doubtful(site_id))).one()


def assessment_of_site(session: Session, *, assessment_id: int, site_id: int) -> Assessment:
    """The answers of a patient of a site; another site's are not there."""
    of_site = (Assessment.id == assessment_id, Patient.site_id == site_id)
    statement = select(Assessment).join(Patient, col(Patient.id) == Assessment.patient_id).where(*of_site)
    found = session.exec(statement).first()
    if found is None:
        raise Unknown("no such answers at this site")
    return found


def n_versions_kept(session: Session, *, assessment_ids: Collection[int]) -> Counter[int]:
    """How many versions of answers and of the regions are kept of each form; it grows with all that comes."""
    counted = Counter[int]()
    for kind in (Answer, BodyMarking):
        rows = select(kind.assessment_id, func.count()).where(col(kind.assessment_id).in_(assessment_ids))
        counted.update(dict(session.exec(rows.group_by(col(kind.assessment_id))).all()))
    return counted


def confirm_answers(
    session: Session, *, assessment_id: int, by: Actor, now: datetime, n_seen: int | None = None
) -> bool:
    """Say that suspected answers are the patient's own; False when somebody else has looked at them already."""
    if not _is_doubtful(_held(session, assessment_id)):
        return False
    _refuse_unseen(session, assessment_id, n_seen)
    session.execute(update(Assessment).where(_assessment.id == assessment_id).values(confirmed_at=now))
    _record(session, CONFIRMED, assessment_id, by, now)
    return True


def set_aside(
    session: Session,
    *,
    assessment_id: int,
    study: Study,
    today: date,
    by: Actor,
    now: datetime,
    n_seen: int | None = None,
) -> bool:
    """Take what came in a suspected visit out of the form, kept as superseded versions, and ask the patient again.

    What stood before that visit stands again. False when somebody else has looked at them already.
    """
    found = _held(session, assessment_id)
    if not _is_doubtful(found):
        return False
    _refuse_unseen(session, assessment_id, n_seen)
    visit = suspected_visits(session, [found])[assessment_id]
    _record(session, SET_ASIDE, assessment_id, by, now, reason=found.suspicion)
    again = take_out(session, visit, form=_form(session, found), now=now)
    if again:
        n_answers = n_standing_answers(again)
        counted = {"n_answers": n_answers, "n_markings": len(again) - n_answers}
        _record(session, "answers_reinstated", assessment_id, by, now, **counted)
    sending = sending_without(visit, form=_form(session, found), study=study, now=now)
    values = {"suspicion": None, "confirmed_at": None, **sending}
    session.execute(update(Assessment).where(_assessment.id == assessment_id).values(**values))
    set_decision_of_visit_aside(session, assessment=found, recorded_at=visit.recorded_at, by=by, now=now)
    plan_again(session, patient_id=found.patient_id, study=study, today=today)
    return True


def _refuse_unseen(session: Session, assessment_id: int, n_seen: int | None) -> None:
    """A page that was made before the newest answers came judges none of them.

    Counted and not timed: an answer that waited for another writer is older than a page that could not show it.
    """
    if n_seen is not None and n_seen != n_versions_kept(session, assessment_ids=[assessment_id])[assessment_id]:
        raise MoreHasCome("answers have come since the page was opened")


def _form(session: Session, found: Assessment) -> Form:
    form = form_of_follow_up(session, follow_up_id=found.follow_up_id)
    if form is None:
        raise Unknown("no such follow-up")
    return form


def _held(session: Session, assessment_id: int) -> Assessment:
    """The assessment as it stands once nobody else writes on its form."""
    found = session.get_one(Assessment, assessment_id)
    lock_follow_up(session, follow_up_id=found.follow_up_id)
    session.refresh(found)
    return found


def _is_doubtful(found: Assessment) -> bool:
    return found.suspicion is not None and found.confirmed_at is None


def _doubtful(site_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Assessment.suspicion).is_not(None),
        col(Assessment.confirmed_at).is_(None),
        col(Patient.site_id) == site_id,
    )


def _record(
    session: Session, action: str, assessment_id: int, by: Actor, now: datetime, **details: audit.Detail
) -> None:
    audit.record(session, action=action, subject="assessment", subject_id=assessment_id, by=by, now=now, **details)
