"""The mails of a simulated patient: what went out or was skipped on its day, and what is still planned."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from registry.domain.calendar import add_days
from registry.domain.ladder import Rung, SkipReason, reason_to_skip, rungs
from registry.domain.schedule import FollowUpFacts, status_of
from registry.domain.study import Study
from registry.domain.vocabularies import OperationState
from registry.services.demo.forms import Form
from registry.services.demo.stories import Story

_CATCH_UP_DAYS = 5


@dataclass(frozen=True)
class SimulatedMail:
    """One rung: sent on its day, skipped for a reason, or still planned."""

    rung: Rung
    sent_on: date | None = None
    skip_reason: SkipReason | None = None


def mails_of(form: Form, story: Story, study: Study, *, today: date) -> Iterator[SimulatedMail]:
    """The ladder of a form, as the scheduler would have left it this morning before its first run."""
    ladder = rungs(form.timepoint, form.window, study.ladder, enrolled_on=story.enrolled_on)
    for place, rung in enumerate(ladder):
        if _is_planned(rung, form, story, today):
            yield SimulatedMail(rung)
            continue
        is_overtaken = place + 1 < len(ladder) and ladder[place + 1].due_on <= form.surgery.recorded_on
        reason = SkipReason.OVERTAKEN if is_overtaken else _reason_on_its_day(rung, form, story)
        yield SimulatedMail(rung, None if reason else max(rung.due_on, form.surgery.recorded_on), reason)


def _is_planned(rung: Rung, form: Form, story: Story, today: date) -> bool:
    first_day = add_days(today, -_CATCH_UP_DAYS) if story.is_waiting else today
    return rung.due_on >= first_day and form.surgery.off_on is None


def _state_on(day: date, form: Form) -> OperationState:
    """Where the operation stood on a day: planned until it was performed or called off."""
    off_on = form.surgery.off_on
    if off_on is not None and day >= off_on:
        return form.surgery.state
    return OperationState.PLANNED if form.timepoint.is_before else OperationState.PERFORMED


def _reason_on_its_day(rung: Rung, form: Form, story: Story) -> SkipReason | None:
    """Why the mail did not go out on the day on which it was due, as the dispatcher decides it."""
    day = rung.due_on
    facts = FollowUpFacts(
        window=form.window,
        operation_state=_state_on(day, form),
        is_before=form.timepoint.is_before,
        has_answers=form.answered_on is not None and form.answered_on < day,
        is_submitted=form.is_sent and form.answered_on is not None and form.answered_on < day,
        declined_on=form.declined_on,
        withdrawn_on=story.withdrawn_on,
        died_on=story.died_on,
    )
    stopped_on = story.emails_stopped_on
    return reason_to_skip(
        status_of(facts, today=day),
        is_before=form.timepoint.is_before,
        window=form.window,
        has_address=story.has_email,
        are_emails_stopped=stopped_on is not None and stopped_on <= day,
        today=day,
    )
