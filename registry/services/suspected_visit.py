"""The visit in which answers became suspect: what came in it, and what stands once that is set aside."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session, col, select

from registry.domain.actors import ActorKind
from registry.domain.instruments import Mode, is_given_on_device
from registry.domain.quality import is_of_one_visit, moments_in_doubt
from registry.domain.study import Study
from registry.services.assessment import SENDINGS, stands
from registry.storage.forms import MAY_HAVE_ARRIVED, Form, SavedAnswer
from registry.storage.models import Answer, Assessment, AuditEvent, BodyMarking, Reminder

SET_ASIDE = "answers_set_aside"
"""What the audit trail calls it when staff set such a visit aside."""
CONFIRMED = "answers_confirmed"
"""And when they say that what came is the patient's own."""

_SUSPECTED = "answers_suspected"
_TOLD = (_SUSPECTED, SET_ASIDE, CONFIRMED, *SENDINGS)
# A mail still on its way counts from its claim, as it does when an answer comes.

Version = Answer | BodyMarking


@dataclass(frozen=True)
class _Trail:
    """What the audit trail tells of the answers of a form, the oldest first."""

    events: Sequence[AuditEvent]

    @property
    def suspected_at(self) -> datetime | None:
        """When they became suspect, if somebody has written that down since they were last set aside."""
        told = [event for event in self.events if event.action in (_SUSPECTED, SET_ASIDE)]
        return told[-1].at if told and told[-1].action == _SUSPECTED else None

    @property
    def confirmed_at(self) -> datetime | None:
        """Until when staff have looked at what came, and know that it is the patient's own."""
        return max((event.at for event in self.events if event.action == CONFIRMED), default=None)

    def may_stand_again(self, version: Version) -> bool:
        """Whether a version stood, or was kept beside one that did, since answers were last set aside."""
        set_aside_at = [event.at for event in self.events if event.action == SET_ASIDE]
        until = version.superseded_at
        return until is not None and all(until > at for at in set_aside_at)

    def sendings(self, since: datetime) -> list[AuditEvent]:
        """Every time somebody has sent the form from then on."""
        return [event for event in self.events if event.action in SENDINGS and event.at >= since]


@dataclass(frozen=True)
class SuspectedVisit:
    """What came in such a visit, among all that was kept of its form."""

    trail: _Trail
    versions: Sequence[Version]
    """Every version of every answer and of the regions, the oldest first."""
    in_doubt: Sequence[Version]
    """Those that came in the visit, whether they stand or not."""

    @property
    def recorded_at(self) -> list[datetime]:
        """The moments of the visit."""
        return [version.recorded_at for version in self.in_doubt]

    @property
    def has_left_regions(self) -> bool:
        """Whether the regions that stand were ticked in it."""
        return any(isinstance(found, BodyMarking) and found.superseded_at is None for found in self.in_doubt)

    @property
    def earlier(self) -> list[Version]:
        """What did not come in it, and stands or may stand again."""
        in_doubt = {_key(version) for version in self.in_doubt}
        others = (version for version in self.versions if _key(version) not in in_doubt)
        return [other for other in others if other.superseded_at is None or self.trail.may_stand_again(other)]


def suspected_visits(session: Session, assessments: Sequence[Assessment]) -> Mapping[int, SuspectedVisit]:
    """The suspected visit of each form, by the number of its assessment."""
    trails, versions = _trails(session, assessments), _versions(session, assessments)
    mailed_at = _mailed_at(session, assessments)
    return {
        key: SuspectedVisit(trail, versions[key], _in_doubt(versions[key], trail, mailed_at[key]))
        for key, trail in trails.items()
    }


def n_standing_answers(versions: Iterable[Version]) -> int:
    """How many of these are answers that stand; the regions are not counted."""
    return sum(isinstance(version, Answer) and version.superseded_at is None for version in versions)


def take_out(session: Session, visit: SuspectedVisit, *, form: Form, now: datetime) -> list[Version]:
    """Let what came in the visit stand no more, and what would stand without it stand again; the latter is returned."""
    earlier = [version for version in visit.earlier if version.superseded_at is not None]
    taken = [version for version in visit.in_doubt if version.superseded_at is None]
    _stand_until(session, taken, now)
    standing = (_standing(form, [other for other in earlier if _item(other) == _item(one)]) for one in taken)
    again = [version for version in standing if version is not None]
    _stand_until(session, again, None)
    return again


def sending_without(
    visit: SuspectedVisit, *, form: Form, study: Study, now: datetime
) -> dict[str, datetime | str | None]:
    """What becomes of a form's sending: it stays if what is left is complete and was not sent by the visit alone."""
    unsent: dict[str, datetime | str | None] = {"submitted_at": None, "respondent": None}
    if form.submitted_at is None or not all(item.code in form.answers for item in study.items):
        return unsent
    visited_at = min(visit.recorded_at, default=now)
    was_sent = form.submitted_at < visited_at
    trusted = [
        event
        for event in visit.trail.sendings(form.submitted_at)
        if event.at < visited_at or _is_own_sending(event, visit, form, study)
    ]
    if trusted:
        first_at = form.submitted_at if was_sent else trusted[0].at
        return {"submitted_at": first_at, "respondent": trusted[-1].details["respondent"]}
    if was_sent:
        return {}
    return {"respondent": None} if _is_completed_by_staff(form) else unsent


def _is_own_sending(event: AuditEvent, visit: SuspectedVisit, form: Form, study: Study) -> bool:
    """Whether a form was sent outside the visit, or by staff, with every question answered even without the visit."""
    is_of_staff = event.actor_kind == ActorKind.STAFF
    if not is_of_staff and is_of_one_visit(decided_at=event.at, recorded_at=visit.recorded_at):
        return False
    opens_on = form.window.opens_on
    there = (found for found in visit.earlier if found.recorded_at <= event.at and found.answered_on >= opens_on)
    return {item.code for item in study.items} <= {_item(found) for found in there}


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


def _versions(session: Session, assessments: Iterable[Assessment]) -> Mapping[int, list[Version]]:
    """Every version of every answer and of the regions of each form, the oldest first."""
    found: defaultdict[int, list[Version]] = defaultdict(list)
    ids = [assessment.id for assessment in assessments]
    answers = select(Answer).where(col(Answer.assessment_id).in_(ids)).order_by(col(Answer.version))
    markings = select(BodyMarking).where(col(BodyMarking.assessment_id).in_(ids)).order_by(col(BodyMarking.version))
    for version in (*session.exec(answers), *session.exec(markings)):
        found[version.assessment_id].append(version)
    return found


def _mailed_at(session: Session, assessments: Iterable[Assessment]) -> Mapping[int, list[datetime]]:
    """When the mails went out that carried the link of each form."""
    found: defaultdict[int, list[datetime]] = defaultdict(list)
    keys = {assessment.follow_up_id: assessment.id for assessment in assessments}
    mailed = (col(Reminder.follow_up_id).in_(keys), col(Reminder.state).in_(MAY_HAVE_ARRIVED))
    for mail in session.exec(select(Reminder).where(*mailed)):
        if (at := mail.sent_at or mail.claimed_at) is not None:
            found[keys[mail.follow_up_id]].append(at)
    return found


def _in_doubt(versions: Iterable[Version], trail: _Trail, mailed_at: Collection[datetime]) -> list[Version]:
    """What a device sent in the suspected visit; all that one sent where nobody wrote down when that was."""
    # What staff have entered from paper or a telephone call is nobody's doubt.
    sent = [version for version in versions if is_given_on_device(_mode(version))]
    if (confirmed_at := trail.confirmed_at) is not None:
        sent = [version for version in sent if version.recorded_at > confirmed_at]
    if trail.suspected_at is None:
        return sent
    recorded_at = [version.recorded_at for version in sent]
    moments = moments_in_doubt(recorded_at, suspected_at=trail.suspected_at, mailed_at=mailed_at)
    return [version for version in sent if version.recorded_at in moments]


def _stand_until(session: Session, versions: Iterable[Version], superseded_at: datetime | None) -> None:
    for version in versions:
        version.superseded_at = superseded_at
        session.add(version)
    session.flush()


def _standing(form: Form, versions: Iterable[Version]) -> Version | None:
    """Which version of one question stands when these are kept one after the other."""
    standing: Version | None = None
    for version in versions:
        item = _item(version)
        saved = {} if standing is None else {item: _saved(standing)}
        if stands(replace(form, saved=saved), item=item, mode=_mode(version), answered_on=version.answered_on):
            standing = version
    return standing


def _saved(version: Version) -> SavedAnswer:
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


def _key(version: Version) -> tuple[str, int]:
    return _item(version), version.version


def _item(version: Version) -> str:
    """The question that a version answers; the regions are one without a name."""
    return version.item if isinstance(version, Answer) else ""


def _mode(version: Version) -> Mode | None:
    return version.mode if isinstance(version, Answer) else None


def _is_completed_by_staff(form: Form) -> bool:
    """Whether the last answers that stand came from staff, whose entry of a complete form sends it."""
    newest = max(found.recorded_at for found in form.answers.values())
    last = [found.mode for found in form.answers.values() if found.recorded_at == newest]
    return not all(is_given_on_device(mode) for mode in last)
