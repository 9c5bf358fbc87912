"""Decisions that may come from a program: staff confirm them, or set them aside and the patient is asked again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, func, select

from registry.domain.actors import Actor
from registry.domain.errors import Unknown
from registry.domain.quality import is_of_one_visit
from registry.domain.study import Study
from registry.services import audit
from registry.services.consent import is_doubtful
from registry.services.follow_up_plan import plan_again
from registry.storage.models import Assessment, Consent, Contact, Enrolment, FollowUp, Patient


@dataclass(frozen=True)
class DoubtfulDecision:
    """A decision that nobody has looked at, whose it is said to be, and on which form."""

    consent: Consent
    patient: Patient
    contact: Contact
    follow_up: FollowUp


def decisions_to_review(session: Session, *, site_id: int) -> list[DoubtfulDecision]:
    """The suspected decisions of a site that stand, the newest first."""
    rows = session.execute(
        select(Consent, Patient, Contact, FollowUp)
        .join(Patient, col(Patient.id) == Consent.patient_id)
        .join(Contact, col(Contact.patient_id) == Patient.id)
        .join(FollowUp, col(FollowUp.id) == Consent.follow_up_id)
        .where(*_doubtful(site_id))
        .order_by(col(Consent.recorded_at).desc(), col(Consent.id).desc())
    )
    return [DoubtfulDecision(*row) for row in rows]


def n_decisions_to_review(session: Session, *, site_id: int) -> int:
    """How many decisions of a site wait for somebody to look at them; costs those alone, by their own index."""
    joined = select(func.count()).select_from(Consent).join(Patient, col(Patient.id) == Consent.patient_id)
    return session.exec(joined.where(*_doubtful(site_id))).one()


def decision_of_site(session: Session, *, consent_id: int, site_id: int) -> Consent:
    """The decision of a patient of a site; another site's is not there."""
    of_site = (Consent.id == consent_id, Patient.site_id == site_id)
    found = session.exec(select(Consent).join(Patient, col(Patient.id) == Consent.patient_id).where(*of_site)).first()
    if found is None:
        raise Unknown("no such decision at this site")
    return found


def confirm_decision(session: Session, *, consent_id: int, by: Actor, now: datetime) -> bool:
    """Say that a suspected decision is the patient's own; False when somebody else has looked at it already."""
    found, _ = _held(session, consent_id)
    if not _waits(found):
        return False
    found.confirmed_at = now
    session.add(found)
    session.flush()
    audit.record(session, action="consent_confirmed", subject="consent", subject_id=found.id, by=by, now=now)
    return True


def set_decision_aside(
    session: Session, *, consent_id: int, study: Study, today: date, by: Actor, now: datetime
) -> bool:
    """Let a suspected decision count no more; False when somebody else has looked at it already."""
    found, enrolment = _held(session, consent_id)
    if not _waits(found):
        return False
    _take_back(session, found, enrolment, by, now)
    plan_again(session, patient_id=found.patient_id, study=study, today=today)
    return True


def set_decision_of_visit_aside(
    session: Session, *, assessment: Assessment, recorded_at: Iterable[datetime], by: Actor, now: datetime
) -> None:
    """Let the decision count no more that was taken with answers which are not the patient's, recorded then."""
    standing = _standing_on_form(session, assessment)
    if standing is None:
        return
    found, enrolment = _held(session, standing.id)
    if _is_of_visit(found, recorded_at):
        _take_back(session, found, enrolment, by, now)


def stands_in_visit(session: Session, *, assessment: Assessment, recorded_at: Iterable[datetime]) -> bool:
    """Whether a decision stands that was taken with answers recorded then, and that nobody has looked at."""
    standing = _standing_on_form(session, assessment)
    return standing is not None and _is_of_visit(standing, recorded_at)


def _standing_on_form(session: Session, assessment: Assessment) -> Consent | None:
    """The decision that stands, if it was taken on this form."""
    of_form = (Consent.follow_up_id == assessment.follow_up_id, col(Consent.superseded_at).is_(None))
    return session.exec(select(Consent).where(Consent.patient_id == assessment.patient_id, *of_form)).first()


def _is_of_visit(found: Consent, recorded_at: Iterable[datetime]) -> bool:
    if found.superseded_at is not None or found.confirmed_at is not None:
        return False
    return is_doubtful(found) or is_of_one_visit(decided_at=found.recorded_at, recorded_at=recorded_at)


def _take_back(session: Session, found: Consent, enrolment: Enrolment, by: Actor, now: datetime) -> None:
    """Keep a decision as one that was set aside; what the patient had decided before stands again."""
    found.superseded_at = found.set_aside_at = now
    session.add(found)
    session.flush()
    earlier = _earlier(session, found)
    if earlier is not None:
        earlier.superseded_at = None
        session.add(earlier)
    enrolment.refused_on = earlier.decided_on if earlier is not None and not earlier.is_given else None
    session.add(enrolment)
    session.flush()
    audit.record(
        session,
        action="consent_set_aside",
        subject="consent",
        subject_id=found.id,
        by=by,
        now=now,
        was_given=found.is_given,
        reason=found.suspicion,
        stands_again=earlier.id if earlier is not None else None,
    )


def _earlier(session: Session, found: Consent) -> Consent | None:
    """The newest decision before this one that nobody has to doubt."""
    trusted = or_(col(Consent.suspicion).is_(None), col(Consent.confirmed_at).is_not(None))
    before = (Consent.patient_id == found.patient_id, Consent.id < found.id, col(Consent.set_aside_at).is_(None))
    return session.exec(select(Consent).where(*before, trusted).order_by(col(Consent.id).desc())).first()


def _held(session: Session, consent_id: int) -> tuple[Consent, Enrolment]:
    """A decision as it stands once nobody else decides for its patient."""
    found = session.get_one(Consent, consent_id)
    enrolment = session.get_one(Enrolment, found.patient_id, with_for_update=True, populate_existing=True)
    session.refresh(found)
    return found, enrolment


def _waits(found: Consent) -> bool:
    return is_doubtful(found) and found.superseded_at is None


def _doubtful(site_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Consent.suspicion).is_not(None),
        col(Consent.confirmed_at).is_(None),
        col(Consent.superseded_at).is_(None),
        col(Patient.site_id) == site_id,
    )
