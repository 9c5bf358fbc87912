"""Taking part or not: each decision is kept with the version of the words that it was made under."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, select

from registry.config import Settings, SiteSettings
from registry.consent_words import ConsentWords, consent_words
from registry.domain.actors import Actor
from registry.domain.quality import suspicion_of
from registry.domain.study import Study
from registry.domain.vocabularies import ConsentRoute, Suspicion
from registry.languages import listed
from registry.services import audit
from registry.services.follow_up_plan import plan_again
from registry.storage.forms import last_mail_at
from registry.storage.models import Consent, Enrolment


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a patient decided, where, and on which words."""

    version: str
    is_given: bool
    route: ConsentRoute
    language: str
    decided_on: date
    words_hash: str = ""
    follow_up_id: int | None = None
    """On which form; none at the hospital."""


def words_for(settings: Settings, site: SiteSettings, language: str) -> ConsentWords:
    """The words that a patient of a site reads before deciding."""
    study = settings.protocol
    details = {
        "hospital": site.name[language],
        "address": site.address[language],
        "phone": site.phone,
        "contact": site.signatory[language],
        "study_no": settings.study.consent.study_no,
        "n_questions": str(len(study.items)),
        "months": listed([str(timepoint.months) for timepoint in study.follow_ups], language),
    }
    return consent_words(study.consent.version, language, details)


def decide(
    session: Session, *, patient_id: int, decision: Decision, study: Study, today: date, by: Actor, now: datetime
) -> None:
    """Take a decision; a refusal ends every mail, a later yes brings back what is still open."""
    had_refused = _held(session, patient_id).refused_on is not None
    keep_decision(session, patient_id=patient_id, decision=decision, by=by, now=now)
    if had_refused and decision.is_given:
        plan_again(session, patient_id=patient_id, study=study, today=today)


def keep_decision(session: Session, *, patient_id: int, decision: Decision, by: Actor, now: datetime) -> None:
    """Write a decision down as the one that stands; the same decision again changes nothing."""
    enrolment = _held(session, patient_id)
    standing = session.exec(
        select(Consent).where(Consent.patient_id == patient_id, col(Consent.superseded_at).is_(None))
    ).first()
    suspicion = _suspicion(session, decision, now)
    if standing is not None and _is_told_already(standing, decision, suspicion):
        return
    if standing is not None:
        standing.superseded_at = now
        session.add(standing)
        session.flush()
    row = Consent(patient_id=patient_id, recorded_at=now, suspicion=suspicion, **vars(decision))
    session.add(row)
    enrolment.refused_on = None if decision.is_given else decision.decided_on
    session.add(enrolment)
    session.flush()
    audit.record(
        session,
        action="consent_given" if decision.is_given else "consent_refused",
        subject="patient",
        subject_id=patient_id,
        by=by,
        now=now,
        version=decision.version,
        route=decision.route,
    )
    if suspicion is not None:
        audit.record(
            session, action="consent_suspected", subject="consent", subject_id=row.id, by=by, now=now, reason=suspicion
        )


def _held(session: Session, patient_id: int) -> Enrolment:
    """The enrolment as it stands once nobody else decides: two forms may be answered at the same moment."""
    return session.get_one(Enrolment, patient_id, with_for_update=True, populate_existing=True)


def _suspicion(session: Session, decision: Decision, now: datetime) -> Suspicion | None:
    """Why a decision made on a form may come from a program, by the rule that holds for answers."""
    if decision.follow_up_id is None:
        return None
    mailed_at = last_mail_at(session, follow_up_id=decision.follow_up_id)
    return suspicion_of(recorded_at=(), mailed_at=mailed_at, now=now)


def _is_told_already(standing: Consent, decision: Decision, suspicion: Suspicion | None) -> bool:
    """Whether the same was decided before; where that is in doubt, saying it again at leisure is a decision."""
    if is_doubtful(standing) and suspicion is None:
        return False
    return (standing.version, standing.is_given) == (decision.version, decision.is_given)


def is_doubtful(found: Consent) -> bool:
    """Whether a decision may come from a program and nobody has looked at it."""
    return found.suspicion is not None and found.confirmed_at is None
