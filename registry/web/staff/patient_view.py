"""A patient as staff see one: statuses, answers and mails put together for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from registry.domain.schedule import FollowUpStatus, status_of
from registry.domain.study import Study
from registry.domain.vocabularies import LUMBAR_DISEASE
from registry.services.follow_up_facts import facts_of
from registry.storage.database import Session
from registry.storage.enrolments import FollowUpRow, PatientRow, answers_of_patient
from registry.storage.models import Answer, Classification, FollowUp, Operation, Reminder
from registry.storage.outbox import reminders_of_patient


@dataclass(frozen=True)
class FollowUpView:
    """A follow-up with its status of today and its answers."""

    follow_up: FollowUp
    operation: Operation
    status: FollowUpStatus
    submitted_at: datetime | None
    assessment_id: int | None
    answers: Mapping[str, Answer]


@dataclass(frozen=True)
class MailView:
    """A mail in the site's time."""

    reminder: Reminder
    timepoint: str
    sent_at: datetime | None


@dataclass(frozen=True)
class PatientView:
    """Everything that a page about a patient shows."""

    row: PatientRow
    classification: Classification | None
    follow_ups: Sequence[FollowUpView]
    next_follow_up: FollowUpView | None
    mails: Sequence[MailView] = ()
    emails_stopped_on: date | None = None

    def with_history(self, session: Session, *, zone: ZoneInfo) -> "PatientView":
        """The same with answers and mails, each fetched by one query."""
        answers = answers_of_patient(session, patient_id=self.row.patient.id)
        follow_ups = [_answered(view, answers, zone) for view in self.follow_ups]
        mails = [
            MailView(reminder, follow_up.timepoint, reminder.sent_at and reminder.sent_at.astimezone(zone))
            for reminder, follow_up in reminders_of_patient(session, patient_id=self.row.patient.id)
        ]
        stopped_at = self.row.contact.emails_stopped_at
        stopped_on = stopped_at.astimezone(zone).date() if stopped_at else None
        return replace(self, follow_ups=follow_ups, mails=mails, emails_stopped_on=stopped_on)


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


_WAITING = frozenset({FollowUpStatus.UPCOMING, FollowUpStatus.OPEN, FollowUpStatus.OVERDUE, FollowUpStatus.PARTIAL})


def _view(found: FollowUpRow, operation: Operation, row: PatientRow, today: date) -> FollowUpView:
    facts = facts_of(found.follow_up, operation, row.patient, row.enrolment, found.answered)
    return FollowUpView(
        follow_up=found.follow_up,
        operation=operation,
        status=status_of(facts, today=today),
        submitted_at=found.answered.submitted_at if found.answered else None,
        assessment_id=found.answered.assessment_id if found.answered else None,
        answers={},
    )


def _answered(view: FollowUpView, answers: Mapping[int, Mapping[str, Answer]], zone: ZoneInfo) -> FollowUpView:
    received = view.submitted_at and view.submitted_at.astimezone(zone)
    return replace(view, answers=answers.get(view.assessment_id or 0, {}), submitted_at=received)
