"""A patient as staff see one: statuses, answers and mails put together for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from registry.domain.schedule import FollowUpStatus, status_of
from registry.domain.study import Study
from registry.domain.vocabularies import LUMBAR_DISEASE, CallOutcome
from registry.services.follow_up_facts import facts_of
from registry.services.identity import not_told_apart
from registry.services.review import n_versions_kept
from registry.services.sent_mails import TRIED
from registry.storage.database import Session
from registry.storage.enrolments import (
    FollowUpRow,
    PatientRecords,
    PatientRow,
    answers_of_patient,
    records_of_patient,
)
from registry.storage.models import (
    Answer,
    Assessment,
    Classification,
    Consent,
    FollowUp,
    Operation,
    Patient,
    PhoneRequest,
    Reminder,
)
from registry.storage.outbox import reminders_of_patient


@dataclass(frozen=True)
class FollowUpView:
    """A follow-up with its status of today and its answers."""

    follow_up: FollowUp
    operation: Operation
    status: FollowUpStatus
    can_be_entered: bool
    """Whether staff may enter answers: it has opened, its operation is on, and the patient takes part."""
    submitted_at: datetime | None
    assessment_id: int | None
    answers: Mapping[str, Answer]
    assessment: Assessment | None = None
    regions: Sequence[str] | None = None
    n_versions: int = 0
    """How much is kept of what came, which whoever judges it says was seen."""

    @property
    def is_open(self) -> bool:
        """Whether the patient is asked for it now."""
        return self.status in _OPEN

    @property
    def is_doubtful(self) -> bool:
        """Whether somebody has to look at the answers."""
        found = self.assessment
        return found is not None and found.suspicion is not None and found.confirmed_at is None

    @property
    def is_late(self) -> bool:
        """Whether an answer was given after the window had closed."""
        return any(answer.answered_on > self.follow_up.closes_on for answer in self.answers.values())


@dataclass(frozen=True)
class MailView:
    """A mail in the site's time."""

    reminder: Reminder
    timepoint: str
    sent_at: datetime | None

    @property
    def is_tried(self) -> bool:
        """Whether there is a mail to look at."""
        return self.reminder.state in TRIED


@dataclass(frozen=True)
class CallView:
    """A call that the patient or the ladder asked for, in the site's time."""

    request: PhoneRequest
    timepoint: str
    requested_at: datetime
    closed_at: datetime | None
    not_reached_at: Sequence[datetime]
    call_back_on: date | None
    """The day that was agreed in the last call."""


@dataclass(frozen=True)
class PatientView:
    """Everything that a page about a patient shows."""

    row: PatientRow
    classification: Classification | None
    follow_ups: Sequence[FollowUpView]
    next_follow_up: FollowUpView | None
    mails: Sequence[MailView] = ()
    consents: Sequence[Consent] = ()
    calls: Sequence[CallView] = ()
    emails_stopped_on: date | None = None
    answers_deleted_on: date | None = None
    not_told_apart: Sequence[str | None] = ()
    """Study IDs of those whose links cannot be told apart from the patient's; none for one of another hospital."""

    @property
    def consent(self) -> Consent | None:
        """The decision that stands."""
        return next((found for found in self.consents if found.superseded_at is None), None)

    @property
    def has_answers(self) -> bool:
        """Whether any answer stands."""
        return any(view.answers for view in self.follow_ups)

    def with_history(self, session: Session, *, zone: ZoneInfo) -> "PatientView":
        """The same with answers, mails and everything else that is kept, each fetched by one query."""
        patient_id = self.row.patient.id
        # Counted before they are read: what comes in between is then more than the page says was seen.
        n_versions = n_versions_kept(session, assessment_ids=[view.assessment_id or 0 for view in self.follow_ups])
        answers = answers_of_patient(session, patient_id=patient_id)
        records = records_of_patient(session, patient_id=patient_id)
        mails = [
            MailView(reminder, follow_up.timepoint, _local(reminder.sent_at, zone))
            for reminder, follow_up in reminders_of_patient(session, patient_id=patient_id)
        ]
        return replace(
            self,
            follow_ups=[
                replace(_answered(view, answers, records, zone), n_versions=n_versions[view.assessment_id or 0])
                for view in self.follow_ups
            ],
            mails=mails,
            consents=records.consents,
            calls=self._calls(records, zone),
            emails_stopped_on=_day(self.row.contact.emails_stopped_at, zone),
            answers_deleted_on=_day(self.row.enrolment.answers_deleted_at, zone),
            not_told_apart=_not_told_apart(session, self.row.patient),
        )

    def _calls(self, records: PatientRecords, zone: ZoneInfo) -> list[CallView]:
        timepoints = {view.follow_up.id: view.follow_up.timepoint for view in self.follow_ups}
        return [
            CallView(
                request,
                timepoints[request.follow_up_id],
                request.requested_at.astimezone(zone),
                _local(request.closed_at, zone),
                [
                    attempt.called_at.astimezone(zone)
                    for attempt in records.phone_attempts.get(request.id, ())
                    if attempt.outcome == CallOutcome.NOT_REACHED
                ],
                next((one.call_back_on for one in reversed(records.phone_attempts.get(request.id, ()))), None),
            )
            for request in records.phone_requests
        ]


def patient_view(row: PatientRow, study: Study, *, today: date) -> PatientView:
    """A patient with the status of each follow-up."""
    order = {timepoint.code: number for number, timepoint in enumerate(study.timepoints)}
    operations = {operation.id: operation for operation in row.operations}
    follow_ups = sorted(
        (_view(found, operations[found.follow_up.operation_id], row, today) for found in row.follow_ups),
        key=lambda view: (view.follow_up.operation_id, order.get(view.follow_up.timepoint, len(order))),
    )
    waiting = [view for view in follow_ups if view.status in _WAITING]
    standing = [found for found in row.classifications if found.superseded_at is None]
    return PatientView(
        row=row,
        classification=next((found for found in standing if found.grouping_code == LUMBAR_DISEASE), None),
        follow_ups=follow_ups,
        next_follow_up=min(waiting, key=lambda view: view.follow_up.due_on, default=None),
    )


_OPEN = frozenset({FollowUpStatus.OPEN, FollowUpStatus.OVERDUE, FollowUpStatus.PARTIAL})
_WAITING = _OPEN | {FollowUpStatus.UPCOMING}


def _view(found: FollowUpRow, operation: Operation, row: PatientRow, today: date) -> FollowUpView:
    facts = facts_of(found.follow_up, operation, row.patient, row.enrolment, found.answered)
    status = status_of(facts, today=today)
    has_ended = row.patient.died_on or row.enrolment.withdrawn_on or row.enrolment.refused_on
    is_off = status in (FollowUpStatus.NOT_NEEDED, FollowUpStatus.DECLINED)
    return FollowUpView(
        follow_up=found.follow_up,
        operation=operation,
        status=status,
        can_be_entered=today >= found.follow_up.opens_on and not (has_ended or is_off),
        submitted_at=found.answered.submitted_at if found.answered else None,
        assessment_id=found.answered.assessment_id if found.answered else None,
        answers={},
    )


def _not_told_apart(session: Session, patient: Patient) -> list[str | None]:
    others = not_told_apart(session, patient=patient)
    return [other.study_id if other.site_id == patient.site_id else None for other in others]


def _answered(
    view: FollowUpView, answers: Mapping[int, Mapping[str, Answer]], records: PatientRecords, zone: ZoneInfo
) -> FollowUpView:
    assessment_id = view.assessment_id or 0
    return replace(
        view,
        answers=answers.get(assessment_id, {}),
        submitted_at=_local(view.submitted_at, zone),
        assessment=records.assessments.get(assessment_id),
        regions=records.regions.get(assessment_id),
    )


def _local(instant: datetime | None, zone: ZoneInfo) -> datetime | None:
    return instant.astimezone(zone) if instant else None


def _day(instant: datetime | None, zone: ZoneInfo) -> date | None:
    return instant.astimezone(zone).date() if instant else None
