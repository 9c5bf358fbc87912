"""The [study] section of the configuration, read into the protocol and checked as a whole."""

from collections.abc import Mapping
from datetime import time
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, model_validator

from registry.consent_words import SLOTS, consent_text, unknown_slots
from registry.domain.instruments import INSTRUMENTS
from registry.domain.sending_hours import USUAL, SendingHours, Weekday
from registry.domain.study import (
    BEFORE,
    ConsentRule,
    EntryRule,
    Grouping,
    Ladder,
    Study,
    Timepoint,
    known_instruments,
    problems_of,
)
from registry.languages import LANGUAGES


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BeforeSection(_Section):
    """How long before an operation the form before it counts."""

    opens_days_before: int = 60


class TimepointSection(_Section):
    """One follow-up timepoint and its window."""

    code: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,9}$")
    months: int
    opens_days_before: int
    closes_days_after: int


class RemindersSection(_Section):
    """When mails go out, and when staff call or write instead."""

    email_days: tuple[int, ...]
    before_every_days: int
    phone_after_days: int = 21
    letter_after_days: int = 35
    send_from: time = USUAL.begins
    send_until: time = USUAL.ends
    retry_until: time = USUAL.retries_end
    weekdays: frozenset[Weekday] = USUAL.weekdays

    @property
    def hours(self) -> SendingHours:
        """When mails leave."""
        return SendingHours(self.send_from, self.send_until, self.retry_until, self.weekdays)

    @property
    def ladder(self) -> Ladder:
        """The section as the domain knows it."""
        return Ladder(
            self.email_days, self.before_every_days, self.hours, self.phone_after_days, self.letter_after_days
        )


class EntrySection(_Section):
    """The usual filter of a cohort."""

    item: str
    at_least: int


class GroupingSection(_Section):
    """By what patients are compared."""

    code: str
    groups: tuple[str, ...]
    labels: Mapping[str, Mapping[str, str]]


class ConsentSection(_Section):
    """What patients agree to before their first answer, and under which number; without a version nobody is asked."""

    version: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,40}$")
    still_valid: tuple[str, ...] = ()
    study_no: str = ""

    def problems(self) -> list[str]:
        """What is wrong with the words or their number."""
        if not self.version:
            return []
        found = [] if self.study_no else ["study.consent.study_no: give the number of the ethics committee's approval"]
        for language in LANGUAGES:
            text = consent_text(self.version, language)
            if text is None:
                found.append(f"study.consent.version: there is no templates/consent/{self.version}.{language}.txt")
            elif unknown := unknown_slots(text):
                found.append(
                    f"study.consent.version: templates/consent/{self.version}.{language}.txt has the unknown "
                    f"placeholder {', '.join(sorted(unknown))}; known are {', '.join(SLOTS)}"
                )
        return found


class StudySection(_Section):
    """The whole protocol."""

    instrument: str
    body_regions: bool = False
    consent: ConsentSection = ConsentSection()
    items: tuple[str, ...] = Field(min_length=1)
    before: BeforeSection = BeforeSection()
    timepoints: tuple[TimepointSection, ...] = Field(min_length=1)
    reminders: RemindersSection
    entry: EntrySection
    groupings: tuple[GroupingSection, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "StudySection":
        problems = self._unknown_names()
        if self.instrument in INSTRUMENTS:
            problems += problems_of(self.protocol)
        problems += self.consent.problems()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _unknown_names(self) -> list[str]:
        if self.instrument not in INSTRUMENTS:
            return [f"study.instrument: {self.instrument!r} is not known; known are {known_instruments()}"]
        known = [item.code for item in INSTRUMENTS[self.instrument].items]
        unknown = [
            f"study.items: {code!r} is not an item of the instrument; its items are {', '.join(known)}"
            for code in self.items
            if code not in known
        ]
        twice = sorted({code for code in self.items if self.items.count(code) > 1})
        return unknown + [f"study.items: {code!r} is there more than once" for code in twice]

    @cached_property
    def protocol(self) -> Study:
        """The section as the domain knows it."""
        instrument = INSTRUMENTS[self.instrument]
        before = Timepoint(BEFORE, 0, self.before.opens_days_before, 0)
        after = (Timepoint(t.code, t.months, t.opens_days_before, t.closes_days_after) for t in self.timepoints)
        return Study(
            instrument=instrument,
            items=tuple(item for code in self.items for item in instrument.items if item.code == code),
            timepoints=(before, *after),
            ladder=self.reminders.ladder,
            entry_rule=EntryRule(self.entry.item, self.entry.at_least),
            groupings=tuple(Grouping(g.code, g.groups, g.labels) for g in self.groupings),
            consent=ConsentRule(self.consent.version, self.consent.still_valid),
            asks_body_regions=self.body_regions,
        )
