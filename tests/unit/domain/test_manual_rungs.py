"""Calls, letters and forms at risk: every combination of facts against a plain table, and the boundaries by name."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.manual_rungs import (
    MOST_CALLS,
    NextCall,
    NotedCall,
    RungFacts,
    call_due_on,
    is_baseline_at_risk,
    is_due_soon,
    is_hidden,
    is_overdue,
    letter_due_on,
    next_call,
)
from registry.domain.schedule import FollowUpFacts, FollowUpStatus, status_of
from registry.domain.study import Ladder, VisitWindow
from registry.domain.vocabularies import CallOutcome, CallTime, OperationState

DUE = date(2026, 6, 10)
WINDOW = VisitWindow(DUE - timedelta(14), DUE, DUE + timedelta(45))
LADDER = Ladder((0, 7, 14), 3)
OVERDUE = RungFacts(status=FollowUpStatus.OVERDUE, window=WINDOW)
UNREACHED = replace(OVERDUE, n_not_reached=MOST_CALLS)
UNMAILED = replace(OVERDUE, has_address=False)


def day(offset: int) -> date:
    return DUE + timedelta(offset)


def call_is_due(facts: RungFacts, offset: int) -> bool:
    return call_due_on(facts, LADDER, today=day(offset)) is not None


def letter_is_due(facts: RungFacts, offset: int) -> bool:
    return letter_due_on(facts, LADDER, today=day(offset)) is not None


# By name


@pytest.mark.parametrize(("offset", "is_due"), [(0, False), (20, False), (21, True), (45, True)])
def test_a_call_is_due_when_the_mails_are_over(offset: int, is_due: bool) -> None:
    assert call_is_due(OVERDUE, offset) is is_due


@pytest.mark.parametrize("changes", [{"has_address": False}, {"are_emails_stopped": True}, {"is_address_dead": True}])
@pytest.mark.parametrize(("offset", "is_due"), [(-1, False), (0, True), (1, True)])
def test_a_call_is_due_at_once_where_no_mail_arrives(changes: dict[str, Any], offset: int, is_due: bool) -> None:
    assert call_is_due(replace(OVERDUE, **changes), offset) is is_due


@pytest.mark.parametrize(
    "changes",
    [
        {"n_not_reached": 3},
        {"has_telephone": False},
        {"wants_no_calls": True},
        {"is_call_answered": True},
        {"is_letter_posted": True},
        *({"status": status} for status in ("completed", "declined", "withdrawn", "died", "missed", "not_needed")),
    ],
)
def test_the_calls_end(changes: dict[str, Any]) -> None:
    changes = {name: FollowUpStatus(value) if name == "status" else value for name, value in changes.items()}

    assert (call_is_due(OVERDUE, 30), call_is_due(replace(OVERDUE, **changes), 30)) == (True, False)


def test_two_calls_in_vain_are_not_the_last() -> None:
    assert call_is_due(replace(OVERDUE, n_not_reached=2), 30)


def test_a_call_that_was_agreed_is_made_though_a_letter_was_sent() -> None:
    assert call_is_due(replace(OVERDUE, is_letter_posted=True, call_back_on=day(40)), 40)


@pytest.mark.parametrize(("offset", "is_due"), [(34, False), (35, True), (45, True)])
@pytest.mark.parametrize("facts", [OVERDUE, UNREACHED, UNMAILED])
def test_a_letter_is_due_on_its_day(facts: RungFacts, offset: int, is_due: bool) -> None:
    assert letter_is_due(facts, offset) is is_due


@pytest.mark.parametrize("changes", [{"n_not_reached": 3}, {"has_telephone": False}, {"wants_no_calls": True}])
@pytest.mark.parametrize(("offset", "is_due"), [(-1, False), (0, True), (12, True)])
def test_a_letter_is_due_at_once_where_nothing_else_is_left(changes: dict[str, Any], offset: int, is_due: bool) -> None:
    assert letter_is_due(replace(UNMAILED, **changes), offset) is is_due


def test_a_letter_is_sent_once() -> None:
    assert not letter_is_due(replace(OVERDUE, is_letter_posted=True), 40)


def test_the_days_come_from_the_settings() -> None:
    ladder = replace(LADDER, phone_after_days=25, letter_after_days=40)

    found = [
        (call_due_on(OVERDUE, ladder, today=today), letter_due_on(OVERDUE, ladder, today=today))
        for today in (day(24), day(25), day(39), day(40))
    ]

    assert found == [(None, None), (day(25), None), (day(25), None), (day(25), day(40))]


# Every combination

FLAGS = (
    "has_address",
    "are_emails_stopped",
    "is_address_dead",
    "has_telephone",
    "wants_no_calls",
    "is_call_answered",
    "is_letter_posted",
    "is_before",
    "is_past_import",
)
DAYS = (-15, -14, -1, 0, 1, 20, 21, 34, 35, 45, 46)
# How often a call reached nobody, and whether another one was agreed.
TRIED = [(0, None), (2, None), (2, DUE), (3, None)]


def combinations() -> list[RungFacts]:
    flags: list[dict[str, Any]] = [
        dict(zip(FLAGS, values, strict=True)) for values in product((False, True), repeat=len(FLAGS))
    ]
    return [
        RungFacts(status=status, window=WINDOW, n_not_reached=n, call_back_on=agreed, **chosen)
        for status, chosen, (n, agreed) in product(FollowUpStatus, flags, TRIED)
    ]


def from_the_table(facts: RungFacts, offset: int) -> tuple[bool, bool]:
    """The rules as they stand in docs/follow-up.md, one line for each."""
    if facts.status not in ("open", "overdue", "partial") or facts.is_before or facts.is_past_import:
        return False, False
    mail = all((facts.has_address, not facts.are_emails_stopped, not facts.is_address_dead))
    phone = all((facts.has_telephone, not facts.wants_no_calls, facts.n_not_reached in (0, 1, 2)))
    rows: dict[
        tuple[bool, bool], tuple[int | None, int]
    ] = {  # mail and phone still reach the patient: from which day a call, and a letter
        (True, True): (21, 35),
        (True, False): (None, 35),
        (False, True): (0, 35),
        (False, False): (None, 0),
    }
    call_from, letter_from = rows[mail, phone]
    if facts.is_call_answered or (facts.is_letter_posted and not facts.call_back_on):
        call_from = None
    if facts.is_letter_posted:
        letter_from = None
    return call_from is not None and offset >= call_from, letter_from is not None and offset >= letter_from


def test_every_combination_is_as_in_the_table() -> None:
    wrong = [
        (facts, offset)
        for facts in combinations()
        for offset in DAYS
        if (call_is_due(facts, offset), letter_is_due(facts, offset)) != from_the_table(facts, offset)
    ]

    assert wrong == []


def test_nobody_is_left_without_a_next_step_before_the_close() -> None:
    """Whatever was tried, somebody who can still answer is mailed, called, written to, or was sent the letter."""
    asked = [facts for facts in combinations() if facts.status == FollowUpStatus.OVERDUE]
    left = [
        facts
        for facts in asked
        if not (facts.is_before or facts.is_past_import or facts.is_letter_posted)
        and not any(call_is_due(facts, offset) or letter_is_due(facts, offset) for offset in range(46))
    ]

    assert (left, len(asked) > 1000) == ([], True)


@given(
    state=st.sampled_from(OperationState),
    offset=st.integers(-60, 120),
    is_submitted=st.booleans(),
    has_answers=st.booleans(),
    ended=st.dictionaries(
        st.sampled_from(["declined_on", "withdrawn_on", "died_on"]), st.integers(-30, 60).map(day), max_size=2
    ),
)
def test_nobody_is_called_or_written_to_who_is_not_asked(
    state: OperationState, offset: int, is_submitted: bool, has_answers: bool, ended: dict[str, Any]
) -> None:
    known = FollowUpFacts(WINDOW, state, has_answers=has_answers, is_submitted=is_submitted, **ended)
    status = status_of(known, today=day(offset))
    facts = RungFacts(status=status, window=WINDOW, operation_state=state)
    is_over = is_submitted or state != OperationState.PERFORMED or any(day(offset) >= on for on in ended.values())

    tasks = (call_is_due(facts, offset), letter_is_due(facts, offset), is_overdue(facts, today=day(offset)))

    if is_over or offset > 45:
        assert tasks == (False, False, False)
    else:
        assert tasks == (offset >= 21, offset >= 35, offset > 0)


# The lists of the day

BEFORE = RungFacts(
    status=FollowUpStatus.OPEN,
    window=VisitWindow(DUE - timedelta(60), DUE, DUE),
    operation_state=OperationState.PLANNED,
    is_before=True,
)


@pytest.mark.parametrize(("offset", "is_at_risk"), [(-8, False), (-7, True), (0, True), (1, False)])
@pytest.mark.parametrize("status", [FollowUpStatus.UPCOMING, FollowUpStatus.OPEN, FollowUpStatus.PARTIAL])
def test_a_form_before_an_operation_is_at_risk_in_the_last_week(
    status: FollowUpStatus, offset: int, is_at_risk: bool
) -> None:
    assert is_baseline_at_risk(replace(BEFORE, status=status), today=day(offset)) is is_at_risk


@pytest.mark.parametrize(
    "changes",
    [
        {"status": FollowUpStatus.COMPLETED},
        {"status": FollowUpStatus.NOT_NEEDED},
        {"operation_state": OperationState.PERFORMED},
        {"is_before": False},
    ],
)
def test_what_was_sent_or_comes_too_late_is_not_at_risk(changes: dict[str, Any]) -> None:
    assert not is_baseline_at_risk(replace(BEFORE, **changes), today=day(-1))


@pytest.mark.parametrize(("offset", "is_soon"), [(-8, False), (-7, True), (0, True), (1, False)])
@pytest.mark.parametrize("status", [FollowUpStatus.UPCOMING, FollowUpStatus.OPEN, FollowUpStatus.PARTIAL])
def test_a_form_is_due_soon_in_the_week_before_its_day(status: FollowUpStatus, offset: int, is_soon: bool) -> None:
    assert is_due_soon(replace(OVERDUE, status=status), today=day(offset)) is is_soon


@pytest.mark.parametrize("changes", [{"status": FollowUpStatus.COMPLETED}, {"is_before": True}])
def test_what_was_answered_is_not_due_soon(changes: dict[str, Any]) -> None:
    assert not is_due_soon(replace(OVERDUE, **changes), today=DUE)


# The next call


def reached_nobody(at: str) -> NotedCall:
    return NotedCall(datetime.fromisoformat(f"{at}+09:00"), CallOutcome.NOT_REACHED)


@pytest.mark.parametrize("wish", CallTime)
def test_the_first_call_is_made_on_its_day_at_the_time_asked_for(wish: CallTime) -> None:
    assert next_call(due_on=DUE, wish=wish, last=None) == NextCall(DUE, wish)


@pytest.mark.parametrize(
    ("at", "on", "time"),
    [
        ("2026-06-10T09:30", date(2026, 6, 11), CallTime.AFTERNOON),
        ("2026-06-10T11:59", date(2026, 6, 11), CallTime.AFTERNOON),
        ("2026-06-10T12:00", date(2026, 6, 11), CallTime.MORNING),
        ("2026-06-12T09:30", date(2026, 6, 15), CallTime.AFTERNOON),
        ("2026-06-13T09:30", date(2026, 6, 15), CallTime.AFTERNOON),
        ("2026-06-14T16:00", date(2026, 6, 15), CallTime.MORNING),
    ],
)
def test_after_a_call_in_vain_the_next_is_on_a_working_day_at_another_time(at: str, on: date, time: CallTime) -> None:
    assert next_call(due_on=DUE, wish=CallTime.ANY_TIME, last=reached_nobody(at)) == NextCall(on, time)


def test_a_time_of_day_that_was_asked_for_is_kept() -> None:
    found = next_call(due_on=DUE, wish=CallTime.MORNING, last=reached_nobody("2026-06-10T09:30"))

    assert found.time == CallTime.MORNING


@pytest.mark.parametrize(("offset", "hides"), [(3, True), (4, False), (5, False)])
def test_a_call_that_was_agreed_is_hidden_until_its_day(offset: int, hides: bool) -> None:
    last = NotedCall(datetime.fromisoformat("2026-06-11T09:30+09:00"), CallOutcome.CALL_BACK, day(4))

    assert is_hidden(last, today=day(offset)) is hides
    assert next_call(due_on=DUE, wish=CallTime.ANY_TIME, last=last) == NextCall(day(4), CallTime.ANY_TIME)


@pytest.mark.parametrize("last", [None, reached_nobody("2026-06-10T09:30")])
def test_a_call_in_vain_hides_nobody(last: NotedCall | None) -> None:
    assert not is_hidden(last, today=DUE)
