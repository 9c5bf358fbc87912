"""The status of a follow-up, on every day that matters."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from registry.config import load_settings
from registry.domain.schedule import FollowUpFacts, FollowUpStatus, planned_windows, status_of
from registry.domain.study import VisitWindow
from registry.domain.vocabularies import OperationState

OPENS, DUE, CLOSES = date(2026, 11, 6), date(2026, 11, 20), date(2027, 2, 18)
WINDOW = VisitWindow(OPENS, DUE, CLOSES)
DAY = timedelta(days=1)
STUDY = load_settings(Path(__file__).parents[3] / "config.toml").protocol


def status(today: date, **facts: object) -> FollowUpStatus:
    standard: dict[str, object] = {"window": WINDOW, "operation_state": OperationState.PERFORMED}
    return status_of(FollowUpFacts(**(standard | facts)), today=today)


@pytest.mark.parametrize(
    ("today", "wanted"),
    [
        (OPENS - DAY, FollowUpStatus.UPCOMING),
        (OPENS, FollowUpStatus.OPEN),
        (DUE - DAY, FollowUpStatus.OPEN),
        (DUE, FollowUpStatus.OPEN),
        (DUE + DAY, FollowUpStatus.OVERDUE),
        (CLOSES, FollowUpStatus.OVERDUE),
        (CLOSES + DAY, FollowUpStatus.MISSED),
    ],
)
def test_without_answers_the_calendar_decides(today: date, wanted: FollowUpStatus) -> None:
    assert status(today) == wanted


@pytest.mark.parametrize(
    ("today", "wanted"),
    [
        (OPENS, FollowUpStatus.PARTIAL),
        (DUE + DAY, FollowUpStatus.PARTIAL),
        (CLOSES, FollowUpStatus.PARTIAL),
        (CLOSES + DAY, FollowUpStatus.COMPLETED),
    ],
)
def test_saved_answers_are_partial_until_the_close_and_count_after_it(today: date, wanted: FollowUpStatus) -> None:
    assert status(today, has_answers=True) == wanted


@pytest.mark.parametrize("today", [OPENS, DUE, CLOSES, CLOSES + DAY])
def test_sent_answers_complete_a_follow_up(today: date) -> None:
    assert status(today, has_answers=True, is_submitted=True) == FollowUpStatus.COMPLETED


ENDS = [
    ("died_on", FollowUpStatus.DIED),
    ("withdrawn_on", FollowUpStatus.WITHDRAWN),
    ("declined_on", FollowUpStatus.DECLINED),
]


@pytest.mark.parametrize(("fact", "wanted"), ENDS)
@pytest.mark.parametrize("ended_on", [OPENS - DAY, OPENS, DUE, CLOSES])
def test_what_happened_by_the_close_ends_a_follow_up(fact: str, wanted: FollowUpStatus, ended_on: date) -> None:
    assert status(max(DUE, ended_on), **{fact: ended_on}) == wanted
    assert status(CLOSES + DAY, **{fact: ended_on}) == wanted


@pytest.mark.parametrize(("fact", "wanted"), ENDS)
def test_what_happened_on_the_due_date_ends_the_follow_up_that_day(fact: str, wanted: FollowUpStatus) -> None:
    assert (status(DUE - DAY, **{fact: DUE}), status(DUE, **{fact: DUE})) == (FollowUpStatus.OPEN, wanted)


@pytest.mark.parametrize(("fact", "wanted"), ENDS)
def test_what_happened_after_the_close_leaves_a_missed_follow_up_missed(fact: str, wanted: FollowUpStatus) -> None:
    assert status(CLOSES + DAY * 30, **{fact: CLOSES + DAY}) == FollowUpStatus.MISSED


@pytest.mark.parametrize(("fact", "wanted"), ENDS)
def test_sent_answers_stay_completed_whatever_ended_the_rest(fact: str, wanted: FollowUpStatus) -> None:
    assert status(DUE, has_answers=True, is_submitted=True, **{fact: DUE}) == FollowUpStatus.COMPLETED


def test_death_is_told_before_withdrawal_and_refusal() -> None:
    assert status(DUE, died_on=DUE, withdrawn_on=OPENS, declined_on=OPENS) == FollowUpStatus.DIED


@pytest.mark.parametrize("state", [OperationState.POSTPONED, OperationState.CANCELLED])
@pytest.mark.parametrize("today", [OPENS - DAY, DUE, CLOSES + DAY])
def test_an_operation_that_is_off_needs_no_follow_up(state: OperationState, today: date) -> None:
    assert status(today, operation_state=state) == FollowUpStatus.NOT_NEEDED


def test_a_planned_operation_asks_for_the_form_before_it() -> None:
    assert status(DUE, operation_state=OperationState.PLANNED, is_before=True) == FollowUpStatus.OPEN


def test_a_planned_operation_asks_for_nothing_after_it() -> None:
    assert status(DUE, operation_state=OperationState.PLANNED) == FollowUpStatus.NOT_NEEDED


# Which windows there are


def test_a_performed_operation_opens_every_window() -> None:
    windows = planned_windows(
        STUDY, state=OperationState.PERFORMED, planned_on=date(2026, 1, 1), operated_on=date(2026, 1, 8)
    )

    assert {code: window.due_on for code, window in windows.items()} == {
        "before": date(2026, 1, 8),
        "M3": date(2026, 4, 8),
        "M6": date(2026, 7, 8),
        "M12": date(2027, 1, 8),
        "M24": date(2028, 1, 8),
    }


def test_a_planned_operation_opens_only_the_window_before_it() -> None:
    windows = planned_windows(STUDY, state=OperationState.PLANNED, planned_on=date(2026, 3, 2), operated_on=None)

    assert windows == {"before": VisitWindow(date(2026, 1, 1), date(2026, 3, 2), date(2026, 3, 2))}


@pytest.mark.parametrize("state", [OperationState.POSTPONED, OperationState.CANCELLED])
def test_an_operation_that_is_off_opens_no_window(state: OperationState) -> None:
    assert planned_windows(STUDY, state=state, planned_on=date(2026, 3, 2), operated_on=None) == {}


@pytest.mark.parametrize("state", [OperationState.PLANNED, OperationState.PERFORMED])
def test_an_operation_without_its_day_opens_no_window(state: OperationState) -> None:
    assert planned_windows(STUDY, state=state, planned_on=None, operated_on=None) == {}


@pytest.mark.parametrize(
    ("day", "is_in"),
    [(OPENS - DAY, False), (OPENS, True), (DUE, True), (CLOSES, True), (CLOSES + DAY, False)],
)
def test_a_window_contains_both_its_ends(day: date, is_in: bool) -> None:
    assert WINDOW.contains(day) is is_in


def test_the_windows_of_m12_are_14_days_before_to_90_after() -> None:
    timepoint = STUDY.timepoint("M12")
    assert timepoint is not None

    assert timepoint.window(date(2024, 2, 29)) == VisitWindow(date(2025, 2, 14), date(2025, 2, 28), date(2025, 5, 29))
