"""Answers that may come from a program: staff look at them, and confirm them or set them aside."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, func, select

from registry.domain.actors import Actor, ActorKind
from registry.domain.errors import Unknown
from registry.domain.instruments import DEVICE_MODES, Mode
from registry.domain.quality import moments_in_doubt
from registry.domain.study import Study
from registry.services import audit
from registry.services.assessment import stands
from registry.services.consent_review import set_decision_of_visit_aside
from registry.services.follow_up_plan import plan_again
from registry.storage.forms import Form, SavedAnswer, form_of_follow_up, lock_follow_up
from registry.storage.models import Answer, Assessment, AuditEvent, BodyMarking, Contact, FollowUp, Patient
from registry.storage.models.base import table_of

_assessment = table_of(Assessment).c

_SUSPECTED, _SET_ASIDE = "answers_suspected", "answers_set_aside"
_SENT = ("answers_sent", "respondent_changed")
_TOLD = (_SUSPECTED, _SET_ASIDE, *_SENT)

_Version = Answer | BodyMarking


@dataclass(frozen=True)
class Doubtful:
    """Answers that nobody has looked at, whose they are said to be, and of which form."""

    assessment: Assessment
    patient: Patient
    contact: Contact
    follow_up: FollowUp
    n_answers: int
    """How many of those that stand would be taken out."""


@dataclass(frozen=True)
class _Trail:
    """What the audit trail tells of the answers of a form, the oldest first."""

    events: Sequence[AuditEvent]

    @property
    def suspected_at(self) -> datetime | None:
        """When they became suspect, if somebody has written that down since they were last set aside."""
        told = [event for event in self.events if event.action in (_SUSPECTED, _SET_ASIDE)]
        return told[-1].at if told and told[-1].action == _SUSPECTED else None

    def may_stand_again(self, version: _Version) -> bool:
        """Whether a version stood, or was kept beside one that did, since answers were last set aside."""
        set_aside_at = [event.at for event in self.events if event.action == _SET_ASIDE]
        until = version.superseded_at
        return until is not None and all(until > at for at in set_aside_at)

    def respondent(self, visited_at: datetime) -> str | None:
        """Who last said to have filled the form in, before a visit or by way of staff."""
        told = [event for event in self.events if event.action in _SENT]
        trusted = [event for event in told if event.at < visited_at or event.actor_kind == ActorKind.STAFF]
        return trusted[-1].details["respondent"] if trusted else None


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
    counted = _n_to_take_out(session, [row[0] for row in rows])
    return [Doubtful(found, patient, contact, of, counted[found.id]) for found, patient, contact, of in rows]


def _n_to_take_out(session: Session, assessments: Sequence[Assessment]) -> Mapping[int, int]:
    trails, versions = _trails(session, assessments), _versions(session, assessments)
    return {key: sum(map(_is_standing_answer, _in_doubt(versions[key], trails[key]))) for key in trails}


def _is_standing_answer(version: _Version) -> bool:
    return isinstance(version, Answer) and version.superseded_at is None


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


def confirm_answers(session: Session, *, assessment_id: int, by: Actor, now: datetime) -> bool:
    """Say that suspected answers are the patient's own; False when somebody else has looked at them already."""
    if not _is_doubtful(_held(session, assessment_id)):
        return False
    session.execute(update(Assessment).where(_assessment.id == assessment_id).values(confirmed_at=now))
    _record(session, "answers_confirmed", assessment_id, by, now)
    return True


def set_aside(session: Session, *, assessment_id: int, study: Study, today: date, by: Actor, now: datetime) -> bool:
    """Take what came in a suspected visit out of the form, kept as superseded versions, and ask the patient again.

    What stood before that visit stands again. False when somebody else has looked at them already.
    """
    found = _held(session, assessment_id)
    if not _is_doubtful(found):
        return False
    trail, versions = _trails(session, [found])[assessment_id], _versions(session, [found])[assessment_id]
    _record(session, _SET_ASIDE, assessment_id, by, now, reason=found.suspicion)
    doubted = _in_doubt(versions, trail)
    again = _take_out(session, _form(session, found), versions, doubted, trail, now)
    if again:
        n_answers = sum(map(_is_standing_answer, again))
        counted = {"n_answers": n_answers, "n_markings": len(again) - n_answers}
        _record(session, "answers_reinstated", assessment_id, by, now, **counted)
    recorded_at = [version.recorded_at for version in doubted]
    sending = _sending(_form(session, found), study, trail, visited_at=min(recorded_at, default=now))
    values = {"suspicion": None, "confirmed_at": None, **sending}
    session.execute(update(Assessment).where(_assessment.id == assessment_id).values(**values))
    set_decision_of_visit_aside(session, assessment=found, recorded_at=recorded_at, by=by, now=now)
    plan_again(session, patient_id=found.patient_id, study=study, today=today)
    return True


def _trails(session: Session, assessments: Iterable[Assessment]) -> Mapping[int, _Trail]:
    """What is told of each; nothing from before it was begun, for a database may give a deleted row's number anew."""
    begun = {found.id: found.started_at for found in assessments}
    events: dict[int, list[AuditEvent]] = {assessment_id: [] for assessment_id in begun}
    told = (
        AuditEvent.subject == "assessment",
        col(AuditEvent.subject_id).in_(begun),
        col(AuditEvent.action).in_(_TOLD),
    )
    for event in session.exec(select(AuditEvent).where(*told).order_by(col(AuditEvent.id))):
        if event.at >= begun[event.subject_id]:
            events[event.subject_id].append(event)
    return {assessment_id: _Trail(found) for assessment_id, found in events.items()}


def _versions(session: Session, assessments: Iterable[Assessment]) -> Mapping[int, list[_Version]]:
    """Every version of every answer and of the regions of each form, the oldest first."""
    found: defaultdict[int, list[_Version]] = defaultdict(list)
    ids = [assessment.id for assessment in assessments]
    answers = select(Answer).where(col(Answer.assessment_id).in_(ids)).order_by(col(Answer.version))
    markings = select(BodyMarking).where(col(BodyMarking.assessment_id).in_(ids)).order_by(col(BodyMarking.version))
    for version in (*session.exec(answers), *session.exec(markings)):
        found[version.assessment_id].append(version)
    return found


def _in_doubt(versions: Iterable[_Version], trail: _Trail) -> list[_Version]:
    """What a device sent in the suspected visit; all that one sent where nobody wrote down when that was."""
    sent = [version for version in versions if _is_by_device(version)]
    if trail.suspected_at is None:
        return sent
    moments = moments_in_doubt((version.recorded_at for version in sent), suspected_at=trail.suspected_at)
    return [version for version in sent if version.recorded_at in moments]


def _is_by_device(version: _Version) -> bool:
    """What staff have entered from paper or a telephone call is nobody's doubt; a skipped question has no mode."""
    return _mode(version) is None or _mode(version) in DEVICE_MODES


def _take_out(
    session: Session,
    form: Form,
    versions: Sequence[_Version],
    doubted: Sequence[_Version],
    trail: _Trail,
    now: datetime,
) -> list[_Version]:
    """Let what is in doubt stand no more, and what would stand without it stand again; the latter is returned."""
    in_doubt = {_key(version) for version in doubted}
    earlier = [version for version in versions if _key(version) not in in_doubt and trail.may_stand_again(version)]
    taken = [version for version in doubted if version.superseded_at is None]
    _stand_until(session, taken, now)
    standing = (_standing(form, [other for other in earlier if _item(other) == _item(one)]) for one in taken)
    again = [version for version in standing if version is not None]
    _stand_until(session, again, None)
    return again


def _stand_until(session: Session, versions: Iterable[_Version], superseded_at: datetime | None) -> None:
    for version in versions:
        version.superseded_at = superseded_at
        session.add(version)
    session.flush()


def _standing(form: Form, versions: Iterable[_Version]) -> _Version | None:
    """Which version of one question stands when these are kept one after the other."""
    standing: _Version | None = None
    for version in versions:
        item = _item(version)
        saved = {} if standing is None else {item: _saved(standing)}
        if stands(replace(form, saved=saved), item=item, mode=_mode(version), answered_on=version.answered_on):
            standing = version
    return standing


def _saved(version: _Version) -> SavedAnswer:
    """A version as the form knows one; which of two stands is a matter of when and how, and not of the score."""
    return SavedAnswer(
        id=version.id,
        version=version.version,
        score=None,
        is_skipped=False,
        mode=_mode(version),
        answered_on=version.answered_on,
        recorded_at=version.recorded_at,
    )


def _key(version: _Version) -> tuple[str, int]:
    return _item(version), version.version


def _item(version: _Version) -> str:
    """The question that a version answers; the regions are one without a name."""
    return version.item if isinstance(version, Answer) else ""


def _mode(version: _Version) -> Mode | None:
    return version.mode if isinstance(version, Answer) else None


def _form(session: Session, found: Assessment) -> Form:
    form = form_of_follow_up(session, follow_up_id=found.follow_up_id)
    if form is None:
        raise Unknown("no such follow-up")
    return form


def _sending(form: Form, study: Study, trail: _Trail, *, visited_at: datetime) -> dict[str, datetime | str | None]:
    """What becomes of a form's sending: it stays if what is left is complete and was not sent by the visit alone."""
    is_complete = form.submitted_at is not None and all(item.code in form.answers for item in study.items)
    was_sent = form.submitted_at is not None and form.submitted_at < visited_at
    if not is_complete or not (was_sent or _is_completed_by_staff(form)):
        return {"submitted_at": None, "respondent": None}
    return {"respondent": trail.respondent(visited_at) or (form.respondent if was_sent else None)}


def _is_completed_by_staff(form: Form) -> bool:
    """Whether the last answers that stand came from staff, whose entry of a complete form sends it."""
    newest = max(found.recorded_at for found in form.answers.values())
    last = [found.mode for found in form.answers.values() if found.recorded_at == newest]
    return any(mode is not None and mode not in DEVICE_MODES for mode in last)


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
