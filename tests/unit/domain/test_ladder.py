"""Which mails there are, when each is due, and why one is not sent."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from registry.config import load_settings
from registry.domain.ladder import MailKind, SkipReason, mail_kind, reason_to_skip, rungs
from registry.domain.schedule import FollowUpStatus
from registry.domain.study import BEFORE, Ladder, Timepoint, VisitWindow

STUDY = load_settings(Path(__file__).parents[3] / "config.toml").protocol
OPENS, DUE, CLOSES = date(2026, 11, 6), date(2026, 11, 20), date(2027, 2, 18)
WINDOW = VisitWindow(OPENS, DUE, CLOSES)
DAY = timedelta(days=1)
BEFORE_FORM = Timepoint(BEFORE, 0, 60, 0)
LONG_AGO = date(2020, 1, 1)


def days_before(operation_day: date, *, enrolled_on: date, every: int = 3) -> list[date]:
    window = BEFORE_FORM.window(operation_day)
    return [rung.due_on for rung in rungs(BEFORE_FORM, window, Ladder((0,), every), enrolled_on=enrolled_on)]


# After an operation


def test_follow_up_mails_count_from_the_due_date() -> None:
    timepoint = STUDY.timepoint("M12")
    assert timepoint is not None

    found = rungs(timepoint, WINDOW, STUDY.ladder, enrolled_on=LONG_AGO)

    assert [(rung.number, rung.due_on) for rung in found] == [(0, DUE), (1, DUE + DAY * 7), (2, DUE + DAY * 14)]


@pytest.mark.parametrize("timepoint", STUDY.follow_ups, ids=lambda timepoint: timepoint.code)
def test_no_follow_up_gets_more_than_three_mails(timepoint: Timepoint) -> None:
    assert len(rungs(timepoint, timepoint.window(DUE), STUDY.ladder, enrolled_on=LONG_AGO)) == 3


# Before an operation


def test_mails_before_an_operation_begin_60_days_before_it() -> None:
    found = days_before(date(2026, 3, 2), enrolled_on=LONG_AGO)

    assert (found[0], found[1]) == (date(2026, 1, 1), date(2026, 1, 4))


def test_mails_before_an_operation_begin_at_enrolment_when_that_is_later() -> None:
    assert days_before(date(2026, 3, 2), enrolled_on=date(2026, 2, 20))[0] == date(2026, 2, 20)


def test_the_last_mail_before_an_operation_is_on_its_eve_at_the_latest() -> None:
    assert days_before(date(2026, 3, 4), enrolled_on=date(2026, 2, 25)) == [
        date(2026, 2, 25),
        date(2026, 2, 28),
        date(2026, 3, 3),
    ]


@pytest.mark.parametrize("days", range(70))
def test_no_mail_is_due_on_the_day_of_the_operation_or_later(days: int) -> None:
    operation_day = date(2026, 3, 4)

    found = days_before(operation_day, enrolled_on=operation_day - DAY * days)

    assert all(day < operation_day for day in found)


@pytest.mark.parametrize(("enrolled_on", "n"), [(date(2026, 3, 1), 1), (date(2026, 3, 2), 0), (date(2026, 3, 9), 0)])
def test_who_enrols_on_the_eve_gets_one_mail_and_later_none(enrolled_on: date, n: int) -> None:
    assert len(days_before(date(2026, 3, 2), enrolled_on=enrolled_on)) == n


def test_rungs_before_an_operation_are_numbered_without_a_gap() -> None:
    window = BEFORE_FORM.window(DUE)

    found = rungs(BEFORE_FORM, window, Ladder((0,), 3), enrolled_on=LONG_AGO)

    assert [rung.number for rung in found] == list(range(20))


# Why a mail is not sent

STOPPED_BY = {
    FollowUpStatus.COMPLETED: SkipReason.ANSWERED,
    FollowUpStatus.DECLINED: SkipReason.DECLINED,
    FollowUpStatus.WITHDRAWN: SkipReason.WITHDRAWN,
    FollowUpStatus.DIED: SkipReason.DIED,
    FollowUpStatus.MISSED: SkipReason.WINDOW_CLOSED,
    FollowUpStatus.NOT_NEEDED: SkipReason.OPERATION_OFF,
    FollowUpStatus.UPCOMING: SkipReason.NOT_YET_OPEN,
    FollowUpStatus.OPEN: None,
    FollowUpStatus.OVERDUE: None,
    FollowUpStatus.PARTIAL: None,
}


def reason(status: FollowUpStatus = FollowUpStatus.OPEN, today: date = DUE, **changes: bool) -> SkipReason | None:
    standard = {"is_before": False, "has_address": True, "are_emails_stopped": False}
    return reason_to_skip(status, window=WINDOW, today=today, **(standard | changes))


def test_every_status_is_decided_here() -> None:
    assert STOPPED_BY.keys() == set(FollowUpStatus)


@pytest.mark.parametrize("status", FollowUpStatus)
def test_the_status_decides_first(status: FollowUpStatus) -> None:
    assert reason(status) == STOPPED_BY[status]


@pytest.mark.parametrize("status", [status for status, stopped in STOPPED_BY.items() if stopped])
def test_a_status_that_ends_everything_is_told_before_a_missing_address(status: FollowUpStatus) -> None:
    assert reason(status, has_address=False, are_emails_stopped=True) == STOPPED_BY[status]


def test_stopped_emails_are_told_before_a_missing_address() -> None:
    assert reason(has_address=False, are_emails_stopped=True) == SkipReason.EMAILS_STOPPED


def test_nobody_is_written_to_at_an_address_that_mails_came_back_from() -> None:
    assert reason(has_bounced=True) == SkipReason.BOUNCED
    assert reason(has_bounced=True, are_emails_stopped=True) == SkipReason.EMAILS_STOPPED


def test_nobody_is_written_to_without_an_address() -> None:
    assert reason(has_address=False) == SkipReason.NO_ADDRESS


@pytest.mark.parametrize(
    ("today", "wanted"), [(DUE - DAY, None), (DUE, SkipReason.WINDOW_CLOSED), (DUE + DAY, SkipReason.WINDOW_CLOSED)]
)
def test_a_mail_before_an_operation_goes_until_its_eve(today: date, wanted: SkipReason | None) -> None:
    assert reason(today=today, is_before=True) == wanted


def test_a_follow_up_mail_goes_on_its_due_date() -> None:
    assert reason(today=DUE) is None


# Which words


@pytest.mark.parametrize(
    ("is_first", "is_last", "kind"),
    [
        (True, False, MailKind.INVITATION),
        (True, True, MailKind.INVITATION),
        (False, False, MailKind.REMINDER),
        (False, True, MailKind.LAST_REMINDER),
    ],
)
def test_the_first_mail_invites_and_the_last_says_so(is_first: bool, is_last: bool, kind: MailKind) -> None:
    assert mail_kind(is_first=is_first, is_last=is_last) == kind
