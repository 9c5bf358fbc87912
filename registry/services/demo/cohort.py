"""Everybody in the demo registry: the 56 of the published study, the 137 around them, and those not yet operated on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from random import Random

from registry.domain.calendar import add_days, add_months
from registry.domain.study import Study
from registry.domain.vocabularies import LumbarDisease, OperationState
from registry.services.demo import truth
from registry.services.demo.stories import (
    INDEX_BEFORE,
    INDEX_YEAR,
    LUMBAR_BEFORE,
    LUMBAR_YEAR,
    YEAR,
    Story,
    Surgery,
)
from registry.services.demo.truth import Course

# Days from the first operation to the lumbar one: 12.8 months in the mean. None lets a form of one operation fall
# into a window of the other by which the published means are counted, but for the two where the form a year after
# the first operation is at the same time the one before the second.
_BY_YEARLY_FORM = (399, 414)
_BY_OWN_FORM = (189, 240, 286, 481, 490, 499, 508)
# Who of the 26, ordered by the score after a year, is operated on again: two by the yearly form, three early ones
# (who had less pain by then), and four later on.
_AGAIN = (13, 15, 3, 6, 9, 17, 19, 21, 23)

_N_PAST, _N_RECENT = 95, 42
_N_UNKNOWN, _N_WITH = 8, 34
_PROCEDURES = ("laminoplasty",) * 8 + ("posterior_cervical_fusion", "acdf", "cervical_laminectomy")

# The timepoint and the rung that come due, and how many days ago.
_Due = tuple[str, int, int]
_ENTRANTS_DUE: tuple[_Due, ...] = tuple(("M24", number % 3, 0) for number in range(8))
_OTHERS_DUE: tuple[_Due, ...] = (
    *((code, rung, 0) for code in ("M3", "M6", YEAR) for rung in (0, 0, 1, 1, 2, 2)),
    ("M3", 0, 1),
    ("M6", 1, 2),
    (YEAR, 0, 1),
)


def stories(random: Random, study: Study, *, today: date) -> list[Story]:
    """Everybody, in the order in which they were enrolled."""
    everybody = [
        *_entrants(random, study, today),
        *_others(random, study, today),
        *_not_operated(random, study, today),
    ]
    return sorted(everybody, key=lambda story: story.enrolled_on)


def _entrants(random: Random, study: Study, today: date) -> Iterator[Story]:
    """The 56 with a low back score of 30 or more, every one of whom answers a year later."""
    without = truth.courses(random, truth.WITHOUT)
    with_disease = sorted(truth.courses(random, truth.WITH), key=lambda course: course.after)
    yield from _operated_again(random, [with_disease[place] for place in _AGAIN], today)
    others = [course for place, course in enumerate(with_disease) if place not in _AGAIN]
    rest = [(course, LumbarDisease.WITHOUT) for course in without]
    rest += [(course, LumbarDisease.WITH) for course in others]
    for number, (course, group) in enumerate(rest):
        due = _ENTRANTS_DUE[number] if number < len(_ENTRANTS_DUE) else None
        day = _due_day(study, due, today) if due else _weekday(add_days(today, -random.randint(410, 1150)))
        story = _story(random, day, group, course, diligence=0.9)
        story.certain = frozenset({INDEX_BEFORE, INDEX_YEAR})
        _let_wait(story, due)
        story.has_email = due is not None or random.random() > 0.15
        yield story


def _operated_again(random: Random, firsts: Sequence[Course], today: date) -> Iterator[Story]:
    """The nine who have a lumbar operation later, with the scores around that one."""
    known = [course.after for course in firsts[: len(_BY_YEARLY_FORM)]]
    seconds = truth.courses_around_lumbar_operation(random, known)
    for first, second, interval in zip(firsts, seconds, _BY_YEARLY_FORM + _BY_OWN_FORM, strict=True):
        day = _weekday(add_days(today, -random.randint(930, 1150)))
        story = _story(random, day, LumbarDisease.WITH, first, diligence=0.9)
        again_on = _weekday(add_days(day, interval))
        again = Surgery(day=again_on, procedure="lumbar_decompression", recorded_on=add_days(again_on, -20))
        story.surgeries, story.courses = (*story.surgeries, again), (first, second)
        story.certain = frozenset({INDEX_BEFORE, INDEX_YEAR, LUMBAR_YEAR})
        if interval in _BY_OWN_FORM:
            story.certain |= {LUMBAR_BEFORE}
        else:
            story.left = frozenset({LUMBAR_BEFORE})
        yield story


def _others(random: Random, study: Study, today: date) -> Iterator[Story]:
    """The 137 below the entry rule, with everything that happens in a registry."""
    groups = [LumbarDisease.UNKNOWN] * _N_UNKNOWN + [LumbarDisease.WITH] * _N_WITH
    groups += [LumbarDisease.WITHOUT] * (_N_PAST + _N_RECENT - len(groups))
    random.shuffle(groups)
    for number in range(_N_PAST):
        day = _weekday(add_days(today, -random.randint(480, 1150)))
        story = _story(random, day, groups[number], _mild(random), diligence=0.8)
        _end(story, number, random)
        story.has_email = random.random() > 0.25
        yield story
    for number in range(_N_RECENT):
        due = _OTHERS_DUE[number] if number < len(_OTHERS_DUE) else None
        yield _recent(random, study, groups[_N_PAST + number], due, today)


def _recent(random: Random, study: Study, group: str, due: _Due | None, today: date) -> Story:
    """Somebody operated on within about a year, perhaps with a mail that is due."""
    day = _due_day(study, due, today) if due else _weekday(add_days(today, -random.randint(5, 350)))
    story = _story(random, day, group, _mild(random), diligence=0.85)
    _let_wait(story, due)
    if due is not None and due[:2] in (("M6", 2), (YEAR, 2)):
        story.begun = frozenset({(0, due[0])})
    return story


def _end(story: Story, number: int, random: Random) -> None:
    """Who of the long operated did not answer after a year, and why; most did."""
    day = story.surgeries[0].day
    if number < 18:
        story.left = frozenset({INDEX_YEAR})
    elif number < 24:
        story.left = frozenset({INDEX_YEAR})
        story.declined_after = {INDEX_YEAR: random.randint(2, 20)}
    elif number < 30:
        story.withdrawn_on = add_days(day, random.randint(40, 360))
    elif number < 32:
        story.died_on = add_days(day, random.randint(120, 340))
    elif number < 36:
        story.left = frozenset({INDEX_BEFORE})
    elif number < 39:
        story.emails_stopped_on = add_days(day, random.randint(100, 380))
    else:
        story.certain = frozenset({INDEX_YEAR})


def _not_operated(random: Random, study: Study, today: date) -> Iterator[Story]:
    """Operations of the next weeks, some with a mail due before them, one postponed and one cancelled."""
    every = study.ladder.before_every_days
    for number in range(6):
        planned_on = _weekday(add_days(today, 5 * (number + 1)))
        enrolled_on = add_days(today, -every * (number % 4))
        story = _planned(random, planned_on, enrolled_on, OperationState.PLANNED, None)
        if number == 2:
            story.certain, story.left = story.left, frozenset()
        yield story
    for state in (OperationState.POSTPONED, OperationState.CANCELLED):
        planned_on, enrolled_on = _weekday(add_days(today, 9)), add_days(today, -12)
        yield _planned(random, planned_on, enrolled_on, state, add_days(today, -4))


def _planned(random: Random, planned_on: date, enrolled_on: date, state: OperationState, off_on: date | None) -> Story:
    story = _story(random, planned_on, LumbarDisease.WITHOUT, _mild(random), diligence=0.0)
    story.enrolled_on = enrolled_on
    planned = replace(story.surgeries[0], recorded_on=enrolled_on, state=state, off_on=off_on)
    story.surgeries, story.left = (planned,), frozenset({INDEX_BEFORE})
    return story


def _story(random: Random, day: date, group: str, course: Course, *, diligence: float) -> Story:
    enrolled_on = add_days(day, -random.randint(6, 25))
    surgery = Surgery(day=day, procedure=random.choice(_PROCEDURES), recorded_on=enrolled_on)
    return Story(enrolled_on=enrolled_on, group=group, surgeries=(surgery,), courses=(course,), diligence=diligence)


def _let_wait(story: Story, due: _Due | None) -> None:
    """Leave the form open for which a mail is due."""
    if due is not None:
        story.left = frozenset({(0, due[0])})
        story.is_waiting = True


def _due_day(study: Study, due: _Due, today: date) -> date:
    """The day of operation for which a rung of a timepoint's ladder comes due so many days ago.

    At the end of a month it can be up to three days more: nothing is due on 31 August six months after a day.
    """
    code, rung, days_ago = due
    timepoint, days = study.timepoint(code), study.ladder.email_days
    months = timepoint.months if timepoint else 12
    return add_months(add_days(today, -days_ago - days[rung % len(days)]), -months)


def _mild(random: Random) -> Course:
    """Scores below the entry rule, most of them low; some get worse later."""
    before = min(round(random.expovariate(1 / 11)), truth.ENTRY - 1)
    after = min(max(round(0.5 * before + random.gauss(8, 12)), 0), 100)
    return Course(before, after)


def _weekday(day: date) -> date:
    """The Monday after a weekend: nobody plans an operation on a Sunday."""
    return add_days(day, 7 - day.weekday()) if day.weekday() > 4 else day
