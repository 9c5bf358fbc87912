"""The answers on a form: the planted low back scores, and the other items around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE, Mode
from registry.domain.study import BEFORE
from registry.domain.vocabularies import BodyRegion, LumbarDisease
from registry.services.demo.forms import Form
from registry.services.demo.stories import YEAR, Story

LOW_BACK = "low_back"
_SKIPPED_SHARE = 0.02
_N_BEFORE_LEAVING = 3
_HABITS = {Mode.TOUCH: 45, Mode.MOUSE: 20, Mode.NUMBER: 12, Mode.KEYBOARD: 8, Mode.PEN: 4}
_HABITS_ON_PAPER = {Mode.PAPER: 60, Mode.PHONE: 40}
_WIDTHS = {Mode.TOUCH: 375, Mode.PEN: 810, Mode.MOUSE: 1280}


@dataclass(frozen=True)
class _Level:
    """An item's usual score before and a year after, its SD, and its share of the patient's low back score."""

    before: float
    after: float
    sd: float
    of_low_back: float = 0.0


_LEVELS = {
    "leg_pain": _Level(14, 9, 16, 0.6),
    "leg_numb": _Level(18, 12, 18, 0.5),
    "neck": _Level(46, 30, 22),
    "arm_pain": _Level(42, 26, 23),
    "arm_numb": _Level(60, 39, 23),
}
_MORE_IN_THE_LEGS = 12
_UNNAMED = _Level(40, 25, 22)


@dataclass(frozen=True)
class SimulatedAnswer:
    """One answer as the database will hold it; no score is a skipped question."""

    item: str
    score: int | None
    mode: Mode | None
    viewport_px: int | None


@dataclass(frozen=True)
class Habits:
    """What stays the same in one patient: how each item lies against others', and how answers are given."""

    mode: Mode
    levels: Mapping[str, float]


def habits(random: Random, story: Story, items: tuple[str, ...]) -> Habits:
    """The habits of a patient: items go together, and more so those of one person."""
    modes = _HABITS if story.has_email else _HABITS_ON_PAPER
    mode = random.choices(list(modes), weights=list(modes.values()))[0]
    own = random.gauss(0, 1)
    return Habits(mode, {item: 0.6 * own + 0.6 * random.gauss(0, 1) for item in items})


def answers_on(random: Random, form: Form, story: Story, own: Habits, items: tuple[str, ...]) -> list[SimulatedAnswer]:
    """The answers to every item of a form, or to the first few of one that was not sent."""
    low_back = _low_back(random, form, story)
    asked = items if form.is_sent else items[:_N_BEFORE_LEAVING]
    return [_answer(random, form, story, own, item, low_back) for item in asked]


def _answer(random: Random, form: Form, story: Story, own: Habits, item: str, low_back: int) -> SimulatedAnswer:
    is_planted = item == LOW_BACK and form.timepoint.code in (BEFORE, YEAR)
    if random.random() < _SKIPPED_SHARE and not is_planted:
        return SimulatedAnswer(item, None, None, None)
    score = low_back if item == LOW_BACK else _score(random, form, story, own, item, low_back)
    return SimulatedAnswer(item, score, own.mode, _WIDTHS.get(own.mode))


def _low_back(random: Random, form: Form, story: Story) -> int:
    """The planted score, or one between the planted ones of the operation that came last."""
    course = story.courses[form.key[0]]
    if form.timepoint.code in (BEFORE, YEAR):
        return course.before if form.timepoint.is_before else course.after
    day = form.answered_on or form.window.due_on
    place = max(place for place, surgery in enumerate(story.surgeries) if surgery.day <= day)
    course, days = story.courses[place], (day - story.surgeries[place].day).days
    wished = course.before + _share_of_change(days) * (course.after - course.before)
    return _on_the_line(wished + random.gauss(0, 7))


def _score(random: Random, form: Form, story: Story, own: Habits, item: str, low_back: int) -> int:
    level = _LEVELS.get(item, _UNNAMED)
    day = form.answered_on or form.window.due_on
    share = 0.0 if form.timepoint.is_before else _share_of_change((day - form.surgery.day).days)
    usual = level.before + share * (level.after - level.before) + level.of_low_back * low_back
    if story.group == LumbarDisease.WITH and level.of_low_back:
        usual += _MORE_IN_THE_LEGS
    return _on_the_line(usual + level.sd * (own.levels[item] + 0.5 * random.gauss(0, 1)))


def _share_of_change(days: int) -> float:
    """Most of a year's change comes in the first three months."""
    return float(min(1.0, max(days, 1) / 365) ** 0.3)


def _on_the_line(score: float) -> int:
    return min(max(round(score), LOWEST_SCORE), HIGHEST_SCORE)


_REGIONS_OF = {
    LOW_BACK: (BodyRegion.LOW_BACK,),
    "leg_pain": (BodyRegion.BUTTOCKS, BodyRegion.LEG_RIGHT),
    "leg_numb": (BodyRegion.LEG_LEFT, BodyRegion.FOOT_LEFT),
    "neck": (BodyRegion.HEAD_NECK, BodyRegion.SHOULDER_RIGHT),
    "arm_pain": (BodyRegion.ARM_RIGHT,),
    "arm_numb": (BodyRegion.HAND_RIGHT, BodyRegion.HAND_LEFT),
}
_WORTH_TICKING = 40


def regions_of(answers: Sequence[SimulatedAnswer]) -> list[str]:
    """The regions that go with the high scores of a form, in the order of the page."""
    high = {answer.item for answer in answers if answer.score is not None and answer.score >= _WORTH_TICKING}
    ticked = {region for item in high for region in _REGIONS_OF.get(item, ())}
    return [region.value for region in BodyRegion if region in ticked]
