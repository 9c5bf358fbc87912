"""The forms of a simulated patient: which are answered, on which day, and which are refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from random import Random

from registry.domain.calendar import add_days
from registry.domain.study import BEFORE, Study, Timepoint, VisitWindow
from registry.domain.vocabularies import OperationState
from registry.services.demo.stories import (
    INDEX_BEFORE,
    INDEX_YEAR,
    LUMBAR_BEFORE,
    LUMBAR_YEAR,
    FormKey,
    Story,
    Surgery,
)

_PROTECTED = (INDEX_BEFORE, INDEX_YEAR, LUMBAR_BEFORE, LUMBAR_YEAR)

# The form before an operation is handed out at the hospital as well.
_BEFORE_DILIGENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form of one operation, and what became of it until today."""

    key: FormKey
    surgery: Surgery
    timepoint: Timepoint
    window: VisitWindow
    answered_on: date | None
    declined_on: date | None
    is_sent: bool


def forms_of(random: Random, story: Story, study: Study, *, today: date) -> list[Form]:
    """The forms of all operations of a patient."""
    found = [
        _form(random, story, place, surgery, timepoint, study, today)
        for place, surgery in enumerate(story.surgeries)
        for timepoint in study.timepoints
        if timepoint.is_before or surgery.state == OperationState.PERFORMED
    ]
    return list(_without_crowding(found, story))


def _form(
    random: Random,
    story: Story,
    place: int,
    surgery: Surgery,
    timepoint: Timepoint,
    study: Study,
    today: date,
) -> Form:
    key, window = (place, timepoint.code), timepoint.window(surgery.day)
    answered_on = None
    if _is_answered(random, story, key):
        day = _day_of_answer(random, story, key, surgery, timepoint, study)
        answered_on = day if _could_answer(story, day, today) else None
    declined_on = add_days(window.due_on, story.declined_after[key]) if key in story.declined_after else None
    return Form(
        key=key,
        surgery=surgery,
        timepoint=timepoint,
        window=window,
        answered_on=answered_on,
        declined_on=declined_on,
        is_sent=key not in story.begun,
    )


def _is_answered(random: Random, story: Story, key: FormKey) -> bool:
    if key in story.certain or key in story.begun:
        return True
    chance = _BEFORE_DILIGENCE if key[1] == BEFORE else story.diligence
    return key not in story.left and random.random() < chance


def _could_answer(story: Story, day: date, today: date) -> bool:
    """Whether the day has come, and the patient was still there."""
    ends = [end for end in (story.withdrawn_on, story.died_on, today) if end is not None]
    return day < min(ends)


def _day_of_answer(
    random: Random, story: Story, key: FormKey, surgery: Surgery, timepoint: Timepoint, study: Study
) -> date:
    window = timepoint.window(surgery.day)
    if timepoint.is_before:
        return min(add_days(surgery.recorded_on, random.randint(0, 5)), add_days(surgery.day, -1))
    if key in story.begun:
        return add_days(window.due_on, random.randint(1, 5))
    if not story.has_email:
        return min(add_days(window.due_on, random.randint(5, 30)), window.closes_on)
    if random.random() < 0.08:
        return max(add_days(window.due_on, -random.randint(1, 6)), window.opens_on)
    # Most answer within a few days of a mail, fewer of each later one.
    days = study.ladder.email_days
    after = random.choices(days, weights=[0.4**place for place in range(len(days))])[0]
    return min(add_days(window.due_on, after + random.randint(0, 3)), window.closes_on)


def _without_crowding(forms: Sequence[Form], story: Story) -> Iterator[Form]:
    """Nobody answers a second form in a window by which a published mean is counted."""
    windows = [form.window for form in forms if form.key in _PROTECTED] if len(story.surgeries) > 1 else []
    for form in forms:
        day = form.answered_on
        is_crowding = day is not None and any(window.contains(day) for window in windows)
        is_dropped = is_crowding and form.key not in story.certain
        yield replace(form, answered_on=None) if is_dropped else form
