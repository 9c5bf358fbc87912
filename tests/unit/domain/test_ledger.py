"""The ledger of a form: what became of calls and letters, or why there are none, row by row."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from registry.domain.ladder import SkipReason
from registry.domain.ledger import Became, Called, Line, RungKind, call_lines, letter_line
from registry.domain.manual_rungs import MOST_CALLS, NoRung, NotedCall, RungFacts
from registry.domain.schedule import FollowUpStatus
from registry.domain.study import Ladder, VisitWindow
from registry.domain.vocabularies import CallOutcome

DUE = date(2026, 6, 10)
WINDOW = VisitWindow(DUE - timedelta(14), DUE, DUE + timedelta(45))
LADDER = Ladder((0, 7, 14), 3)
OVERDUE = RungFacts(status=FollowUpStatus.OVERDUE, window=WINDOW)
NOBODY = Called()


def day(offset: int) -> date:
    return DUE + timedelta(offset)


def call(offset: int, outcome: CallOutcome = CallOutcome.NOT_REACHED, back: date | None = None) -> NotedCall:
    return NotedCall(datetime.combine(day(offset), datetime.min.time()), outcome, back)


def calls(facts: RungFacts, offset: int, called: Called = NOBODY) -> list[Line]:
    return list(call_lines(facts, called, LADDER, today=day(offset)))


def with_status(status: str) -> dict[str, Any]:
    return {"status": FollowUpStatus(status)}


# What speaks against a call, and against a letter; none of it is known by another rule.
WHY_NOT = [
    (with_status("completed"), SkipReason.ANSWERED, SkipReason.ANSWERED),
    (with_status("declined"), SkipReason.DECLINED, SkipReason.DECLINED),
    (with_status("withdrawn"), SkipReason.WITHDRAWN, SkipReason.WITHDRAWN),
    (with_status("died"), SkipReason.DIED, SkipReason.DIED),
    (with_status("missed"), SkipReason.WINDOW_CLOSED, SkipReason.WINDOW_CLOSED),
    (with_status("not_needed"), SkipReason.OPERATION_OFF, SkipReason.OPERATION_OFF),
    ({"is_before": True}, NoRung.BEFORE_OPERATION, NoRung.BEFORE_OPERATION),
    ({"is_past_import": True}, NoRung.PAST_IMPORT, NoRung.PAST_IMPORT),
    ({"has_telephone": False}, NoRung.NO_TELEPHONE, None),
    ({"wants_no_calls": True}, NoRung.WANTS_NO_CALLS, None),
    ({"n_not_reached": MOST_CALLS}, NoRung.CALLED_IN_VAIN, None),
    ({"is_call_answered": True}, NoRung.CALL_ANSWERED, None),
    ({"is_letter_posted": True}, NoRung.LETTER_POSTED, NoRung.LETTER_POSTED),
    ({"window": VisitWindow(day(-14), DUE, day(20))}, NoRung.CLOSES_FIRST, NoRung.CLOSES_FIRST),
    ({"window": VisitWindow(day(-14), DUE, day(30))}, None, NoRung.CLOSES_FIRST),
]


@pytest.mark.parametrize(("changes", "no_call", "no_letter"), WHY_NOT)
def test_a_rung_that_is_not_climbed_says_why(changes: dict[str, Any], no_call: object, no_letter: object) -> None:
    facts = replace(OVERDUE, **changes)

    (found,) = calls(facts, 5)
    letter = letter_line(facts, LADDER, posted_on=None, today=day(5))

    assert (found.why, letter.why) == (no_call, no_letter)
    assert (found.became, letter.became) == tuple(
        Became.NOT_NEEDED if why else Became.PLANNED for why in (no_call, no_letter)
    )


@pytest.mark.parametrize(
    ("status", "changes", "offset", "call_on", "letter_on"),
    [
        ("upcoming", {}, -30, 21, 35),
        ("open", {}, 0, 21, 35),
        ("overdue", {}, 20, 21, 35),
        ("overdue", {}, 21, 21, 35),
        ("partial", {}, 40, 21, 35),
        ("upcoming", {"has_address": False}, -30, 0, 35),
        ("open", {"are_emails_stopped": True}, 0, 0, 35),
        ("overdue", {"is_address_dead": True}, 3, 0, 35),
    ],
)
def test_a_rung_that_waits_has_its_day(
    status: str, changes: dict[str, Any], offset: int, call_on: int, letter_on: int
) -> None:
    facts = replace(OVERDUE, **with_status(status), **changes)

    (found,) = calls(facts, offset)
    letter = letter_line(facts, LADDER, posted_on=None, today=day(offset))

    became = {True: Became.DUE, False: Became.PLANNED}
    assert (found.on, found.became) == (day(call_on), became[offset >= call_on])
    assert (letter.on, letter.became) == (day(letter_on), became[offset >= letter_on])


def test_a_letter_is_due_at_once_where_nothing_else_is_left() -> None:
    facts = replace(OVERDUE, has_address=False, has_telephone=False)

    assert letter_line(facts, LADDER, posted_on=None, today=day(0)) == Line(RungKind.LETTER, Became.DUE, DUE)


def test_calls_that_were_noted_come_before_the_next_one() -> None:
    called = Called([call(21), call(23, CallOutcome.CALL_BACK, day(30))])

    first, second, following = calls(replace(OVERDUE, n_not_reached=1, call_back_on=day(30)), 24, called)

    assert (first.number, first.on, first.outcome) == (1, day(21), CallOutcome.NOT_REACHED)
    assert (second.number, second.on, second.call_back_on) == (2, day(23), day(30))
    assert following == Line(RungKind.CALL, Became.PLANNED, day(30))


def test_the_patients_own_request_stands_in_the_place_of_the_ladders_call() -> None:
    assert calls(OVERDUE, 3, Called(asked_on=day(2))) == [Line(RungKind.CALL, Became.ASKED_FOR, day(2))]


def test_a_letter_that_was_posted_has_its_day() -> None:
    posted = replace(OVERDUE, is_letter_posted=True, status=FollowUpStatus.COMPLETED)

    assert letter_line(posted, LADDER, posted_on=day(36), today=day(50)) == Line(
        RungKind.LETTER, Became.POSTED, day(36)
    )
