"""What is simulated of a patient, and what it takes to write it down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from random import Random

from sqlmodel import Session

from registry.config import Settings, SiteSettings
from registry.domain.actors import Actor
from registry.domain.study import Study
from registry.services.demo.answers import Habits, SimulatedAnswer, answers_on, habits
from registry.services.demo.forms import Form, forms_of
from registry.services.demo.mails import SimulatedMail, mails_of
from registry.services.demo.people import Person, person
from registry.services.demo.stories import Story


@dataclass(frozen=True)
class Simulated:
    """A patient with everything that was simulated."""

    number: int
    story: Story
    person: Person
    habits: Habits
    forms: Sequence[tuple[Form, Sequence[SimulatedAnswer], Sequence[SimulatedMail]]]


@dataclass(frozen=True)
class Loading:
    """What it takes to write the rows: the transaction, the site, who acts, and when."""

    session: Session
    settings: Settings
    site: SiteSettings
    site_id: int
    random: Random
    by: Actor
    now: datetime

    @property
    def today(self) -> date:
        """The day at the site."""
        return self.now.astimezone(self.site.zone).date()

    def instant(self, day: date, hour: int, minute: int) -> datetime:
        """A time of day at the site."""
        return datetime.combine(day, time(hour, minute), self.site.zone)


def simulated(random: Random, story: Story, study: Study, *, number: int, today: date) -> Simulated:
    """One patient, simulated as far as today."""
    items = tuple(item.code for item in study.items)
    operated_on = story.surgeries[0].day
    who = person(random, number=number, operated_on=operated_on, has_email=story.has_email)
    own = habits(random, story, items)
    forms = []
    for form in forms_of(random, story, study, today=today):
        given = answers_on(random, form, story, own, items) if form.answered_on else []
        forms.append((form, given, list(mails_of(form, story, study, today=today))))
    return Simulated(number, story, who, own, forms)
