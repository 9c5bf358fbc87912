"""The ledger of a form: for each rung of its ladder the day, and what became of it, or why nothing did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from registry.domain.ladder import SkipReason
from registry.domain.manual_rungs import (
    NotedCall,
    RungFacts,
    WhyNot,
    call_day,
    letter_day,
    next_call,
    why_no_call,
    why_no_letter,
)
from registry.domain.study import Ladder
from registry.domain.vocabularies import CallOutcome, CallTime


class RungKind(StrEnum):
    """By which way a form is asked for."""

    EMAIL = "email"
    CALL = "call"
    LETTER = "letter"


class Became(StrEnum):
    """What became of a rung, or will."""

    PLANNED = "planned"
    DUE = "due"
    SENT = "sent"
    LEAVING = "leaving"
    PUT_OFF = "put_off"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    CAME_BACK = "came_back"
    NOT_SENT = "not_sent"
    WILL_NOT = "will_not"
    ASKED_FOR = "asked_for"
    NOTED = "noted"
    POSTED = "posted"
    NOT_NEEDED = "not_needed"


@dataclass(frozen=True)
class Line:
    """One rung of one form."""

    kind: RungKind
    became: Became
    on: date | None = None
    why: WhyNot | None = None
    number: int | None = None
    """The how many-th mail or call."""
    outcome: CallOutcome | None = None
    call_back_on: date | None = None
    said: str = ""
    """The words of the mail server."""


NO_MAIL = Line(RungKind.EMAIL, Became.NOT_NEEDED, why=SkipReason.NOT_PLANNED)
"""Of a form that had no day left for a mail when it was planned."""


@dataclass(frozen=True)
class Called:
    """The calls of a form as they were noted, in order of time, and since when the patient waits for one."""

    noted: Sequence[NotedCall] = ()
    asked_on: date | None = None


def call_lines(facts: RungFacts, called: Called, ladder: Ladder, *, today: date) -> Iterator[Line]:
    """The calls that were noted, and then the next one or why there is none."""
    for number, call in enumerate(called.noted, start=1):
        day = call.called_at.date()
        yield Line(RungKind.CALL, Became.NOTED, day, None, number, call.outcome, call.call_back_on)
    if called.asked_on is not None:
        yield Line(RungKind.CALL, Became.ASKED_FOR, called.asked_on)
        return
    why = why_no_call(facts, ladder)
    if why is not None:
        yield Line(RungKind.CALL, Became.NOT_NEEDED, why=why)
        return
    last = called.noted[-1] if called.noted else None
    yield _waiting(
        RungKind.CALL, next_call(due_on=call_day(facts, ladder), wish=CallTime.ANY_TIME, last=last).on, today
    )


def letter_line(facts: RungFacts, ladder: Ladder, *, posted_on: date | None, today: date) -> Line:
    """The letter: posted, due, to come, or why there is none."""
    if posted_on is not None:
        return Line(RungKind.LETTER, Became.POSTED, posted_on)
    why = why_no_letter(facts, ladder)
    if why is not None:
        return Line(RungKind.LETTER, Became.NOT_NEEDED, why=why)
    return _waiting(RungKind.LETTER, letter_day(facts, ladder), today)


def _waiting(kind: RungKind, day: date, today: date) -> Line:
    return Line(kind, Became.DUE if day <= today else Became.PLANNED, day)
