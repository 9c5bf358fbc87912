"""The plan of an operation: its follow-ups as dates, and the mails of each, as rows long before they are sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, select

from registry.domain.ladder import Rung, SkipReason, rungs
from registry.domain.schedule import planned_windows
from registry.domain.study import BEFORE, Study, Timepoint, VisitWindow
from registry.storage.models import Enrolment, FollowUp, Operation, Reminder, ReminderKind, ReminderState

_WAITING = (ReminderState.PLANNED, ReminderState.DEFERRED)
# Nothing of these has reached the patient: they move with the plan.
_UNTOUCHED = (*_WAITING, ReminderState.SKIPPED)
# What a server refused or sent back was meant for the old address; the new one has not been tried.
_NOT_REACHED = (ReminderState.REJECTED, ReminderState.BOUNCED)


@dataclass(frozen=True)
class _Planning:
    """For whom a plan is made, on which day, and which rows may move."""

    enrolment: Enrolment
    today: date
    movable: tuple[ReminderState, ...]


def plan_follow_ups(
    session: Session,
    *,
    operation: Operation,
    enrolment: Enrolment,
    study: Study,
    today: date,
    is_new_address: bool = False,
) -> None:
    """Bring follow-ups and planned mails in line with the operation; what was sent stays as it is."""
    movable = (*_UNTOUCHED, *_NOT_REACHED) if is_new_address else _UNTOUCHED
    planning = _Planning(enrolment, today, movable)
    windows = planned_windows(
        study, state=operation.state, planned_on=operation.planned_on, operated_on=operation.operated_on
    )
    standing = {row.timepoint: row for row in _follow_ups_of(session, operation)}
    for timepoint in study.timepoints:
        follow_up = standing.get(timepoint.code)
        window = windows.get(timepoint.code)
        if window is None:
            if follow_up is not None:
                _drop_plan(session, follow_up)
            continue
        if follow_up is None:
            follow_up = FollowUp(
                patient_id=operation.patient_id, operation_id=operation.id, timepoint=timepoint.code, **vars(window)
            )
        for name, day in vars(window).items():
            setattr(follow_up, name, day)
        session.add(follow_up)
        session.flush()
        _plan_reminders(session, follow_up, _wanted(timepoint, window, study, enrolment), planning)


def _follow_ups_of(session: Session, operation: Operation) -> Iterable[FollowUp]:
    return session.exec(select(FollowUp).where(FollowUp.operation_id == operation.id)).all()


def _wanted(timepoint: Timepoint, window: VisitWindow, study: Study, enrolment: Enrolment) -> tuple[Rung, ...]:
    return rungs(timepoint, window, study.ladder, enrolled_on=enrolment.enrolled_on)


def _plan_reminders(session: Session, follow_up: FollowUp, wanted: tuple[Rung, ...], planning: _Planning) -> None:
    """One row a rung; rows that nobody received move with the plan, the others are history."""
    standing = {row.rung: row for row in _reminders_of(session, follow_up)}
    for number, rung in _numbered(follow_up, wanted, list(standing.values()), planning):
        row = standing.pop(number, None) or Reminder(
            follow_up_id=follow_up.id, patient_id=follow_up.patient_id, rung=number, due_on=rung.due_on
        )
        if row.state in planning.movable:
            _plan(row, rung.due_on)
            session.add(row)
    for row in standing.values():
        _skip(session, row)
    session.flush()


def _plan(row: Reminder, due_on: date) -> None:
    """Begin a mail from the beginning: tries for an earlier day say nothing about this one."""
    if row.state == ReminderState.REJECTED:
        # Elsewhere this mark of a mail whose fate was unknown stays: it is what keeps a third copy from going out.
        row.failed_at = None
    if row.sent_at is not None:
        # What came back has been sent all the same, of which the audit trail tells; what goes out now is another mail.
        row.sent_at = row.bounced_at = row.message_id = None
    row.due_on, row.state, row.skip_reason, row.next_attempt_at = due_on, ReminderState.PLANNED, None, None
    row.n_attempts, row.first_tried_at, row.failure = 0, None, ""


def _numbered(
    follow_up: FollowUp, wanted: tuple[Rung, ...], standing: list[Reminder], planning: _Planning
) -> Sequence[tuple[int, Rung]]:
    """The rungs that can still serve: none of a form of the past, and none at once after a mail that was sent."""
    is_past_import = planning.enrolment.is_imported and not standing and follow_up.due_on < planning.today
    if follow_up.closes_on < planning.today or is_past_import:
        return ()
    received = {row.rung: row for row in standing if row.state not in planning.movable}
    if _is_begun(standing, follow_up, planning):
        wanted = _still_to_come(wanted, standing, planning.today)
    if follow_up.timepoint == BEFORE:
        return _numbered_before(wanted, received)
    # It is the how many-th mail of its form, on whatever day; those for an earlier day of the operation come first.
    first = max((number for number, row in received.items() if row.due_on < follow_up.opens_on), default=-1) + 1
    return [(first + rung.number, rung) for rung in wanted]


def _still_to_come(wanted: tuple[Rung, ...], standing: Iterable[Reminder], today: date) -> tuple[Rung, ...]:
    """Those of later days, and one that has come due and only waits for its hour: nothing has moved it."""
    waiting = {row.due_on for row in standing if row.state in _WAITING}
    return tuple(rung for rung in wanted if rung.due_on > today or rung.due_on in waiting)


def _is_begun(standing: Iterable[Reminder], follow_up: FollowUp, planning: _Planning) -> bool:
    """Whether the last mail of this form reached the patient, for all that is known: one to a new address has not."""
    tried = [row for row in standing if row.sent_at is not None or row.state in _NOT_REACHED]
    of_window = [row for row in tried if row.due_on >= follow_up.opens_on]
    last = max(of_window, key=lambda row: row.due_on, default=None)
    return last is not None and last.state not in planning.movable


def _numbered_before(wanted: tuple[Rung, ...], received: Mapping[int, Reminder]) -> Sequence[tuple[int, Rung]]:
    """Every few days there is one, so a number says nothing: those that are still to come go on after the others."""
    done = {row.due_on for row in received.values()}
    to_come = [rung for rung in wanted if rung.due_on not in done]
    return list(enumerate(to_come, start=max(received, default=-1) + 1))


def _drop_plan(session: Session, follow_up: FollowUp) -> None:
    for row in _reminders_of(session, follow_up):
        _skip(session, row, SkipReason.OPERATION_OFF)
    session.flush()


def _skip(session: Session, row: Reminder, reason: SkipReason = SkipReason.NOT_PLANNED) -> None:
    if row.state in (ReminderState.PLANNED, ReminderState.DEFERRED):
        row.state, row.skip_reason, row.next_attempt_at = ReminderState.SKIPPED, reason, None
        session.add(row)


def _reminders_of(session: Session, follow_up: FollowUp) -> Iterable[Reminder]:
    """The mails of a follow-up, held: a dispatcher that claims one meanwhile waits, or is seen to have done so."""
    of_ladder = (Reminder.follow_up_id == follow_up.id, Reminder.kind == ReminderKind.LADDER)
    rows = select(Reminder).where(*of_ladder).order_by(col(Reminder.rung))
    return session.exec(rows.with_for_update().execution_options(populate_existing=True)).all()


def plan_again(session: Session, *, patient_id: int, study: Study, today: date, is_new_address: bool = False) -> None:
    """Bring the plan of each of a patient's operations up to date, as when an address was added."""
    enrolment = session.get_one(Enrolment, patient_id)
    for operation in session.exec(select(Operation).where(Operation.patient_id == patient_id)).all():
        plan_follow_ups(
            session,
            operation=operation,
            enrolment=enrolment,
            study=study,
            today=today,
            is_new_address=is_new_address,
        )
