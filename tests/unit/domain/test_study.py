"""A protocol is checked as a whole, and all its problems are told at once."""

from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from registry.config import load_settings
from registry.domain.study import (
    BEFORE,
    EntryRule,
    Grouping,
    Ladder,
    Study,
    Timepoint,
    known_instruments,
    problems_of,
)

STUDY = load_settings(Path(__file__).parents[3] / "config.toml").protocol
BEFORE_FORM = Timepoint(BEFORE, 0, 60, 0)
WORDS = {"en": {"with": "With"}, "ja": {"with": "あり"}}


def with_timepoints(*after: Timepoint) -> Study:
    return replace(STUDY, timepoints=(BEFORE_FORM, *after))


def problems(study: Study) -> list[str]:
    return list(problems_of(study))


def problems_about(setting: str, study: Study) -> list[str]:
    return [problem for problem in problems(study) if setting in problem]


def test_the_projects_own_protocol_has_no_problem() -> None:
    assert problems(STUDY) == []


# Timepoints


def test_windows_that_share_a_day_are_a_problem() -> None:
    study = with_timepoints(Timepoint("M3", 3, 14, 76), Timepoint("M6", 6, 14, 60))

    assert problems(study) == [
        "study.timepoints: the window of M6 opens before that of M3 has closed; an answer could belong to both"
    ]


def test_windows_that_share_a_day_only_around_february_are_a_problem() -> None:
    """Three months are 89 days at the least: from 28 February to 28 May."""
    fits = with_timepoints(Timepoint("M3", 3, 14, 44), Timepoint("M6", 6, 44, 60))
    shares = with_timepoints(Timepoint("M3", 3, 14, 45), Timepoint("M6", 6, 44, 60))

    assert (problems(fits), len(problems(shares))) == ([], 1)


def test_every_pair_that_fits_leaves_no_day_in_two_windows() -> None:
    days = [date(2024, 2, 29), date(2023, 11, 30), date(2026, 8, 31), date(2027, 12, 31)]

    for day in days:
        windows = [timepoint.window(day) for timepoint in STUDY.timepoints]
        for earlier, later in pairwise(windows):
            assert earlier.closes_on < later.opens_on


def test_the_form_before_must_not_reach_into_the_first_follow_up() -> None:
    study = with_timepoints(Timepoint("M1", 1, 31, 35))

    assert len(problems(study)) == 1


def test_timepoints_out_of_order_are_a_problem() -> None:
    study = with_timepoints(Timepoint("M6", 6, 14, 60), Timepoint("M3", 3, 14, 45))

    assert problems(study) == ["study.timepoints: M3 must come later than M6; list them in order of time"]


def test_two_timepoints_in_the_same_month_are_a_problem() -> None:
    study = with_timepoints(Timepoint("M6", 6, 14, 60), Timepoint("A6", 6, 14, 60))

    assert problems(study) == ["study.timepoints: A6 must come later than M6; list them in order of time"]


def test_a_code_that_is_there_twice_is_a_problem() -> None:
    study = with_timepoints(Timepoint("M6", 6, 14, 60), Timepoint("M6", 12, 14, 60))

    assert problems(study) == ["study.timepoints: M6 is there more than once"]


def test_a_follow_up_cannot_be_called_before() -> None:
    study = with_timepoints(Timepoint(BEFORE, 6, 14, 60))

    assert problems(study) == ["study.timepoints: before is there more than once"]


@pytest.mark.parametrize(("opens", "closes"), [(-1, 60), (14, -1)])
def test_a_window_with_negative_days_is_a_problem(opens: int, closes: int) -> None:
    found = problems(with_timepoints(Timepoint("M6", 6, opens, closes)))

    assert found[0] == "study.timepoints: the window of M6 must not have negative days"


@pytest.mark.parametrize("months", [0, -3])
def test_a_follow_up_on_the_day_of_the_operation_is_a_problem(months: int) -> None:
    found = problems(with_timepoints(Timepoint("M0", months, 0, 60)))

    assert found[0] == "study.timepoints: M0 must be at least 1 month after the operation"


@pytest.mark.parametrize(("months", "n"), [(600, 0), (601, 1)])
def test_a_follow_up_beyond_a_lifetime_is_a_problem(months: int, n: int) -> None:
    assert len(problems(with_timepoints(Timepoint("M", months, 14, 60)))) == n


@pytest.mark.parametrize(("days", "n"), [(3650, 0), (3651, 1), (10**12, 1)])
def test_a_window_of_more_than_ten_years_is_a_problem(days: int, n: int) -> None:
    assert len(problems(with_timepoints(Timepoint("M6", 6, 14, days)))) == n


# Ladder


@pytest.mark.parametrize("days", [(), (7, 0), (0, 0), (0, 7, 7), (-1, 7)])
def test_mails_that_are_not_in_rising_order_are_a_problem(days: tuple[int, ...]) -> None:
    study = replace(STUDY, ladder=Ladder(days, 3))

    assert problems(study) == [
        "study.reminders.email_days: give days after the due date in rising order, such as [0, 7, 14]"
    ]


@pytest.mark.parametrize(("last", "n"), [(45, 0), (46, 1), (61, 2)])
def test_a_mail_after_the_close_is_a_problem_of_each_timepoint(last: int, n: int) -> None:
    study = replace(STUDY, ladder=Ladder((0, last), 3))

    assert len(problems_about("email_days", study)) == n


def test_a_mail_after_the_close_is_told_with_both_numbers() -> None:
    study = replace(STUDY, ladder=Ladder((0, 46), 3))

    assert problems_about("email_days", study) == [
        "study.reminders.email_days: the last reminder (46 days after the due date) comes after M3 has closed (45 days)"
    ]


def with_manual_rungs(phone: int, letter: int) -> Study:
    return replace(STUDY, ladder=replace(STUDY.ladder, phone_after_days=phone, letter_after_days=letter))


@pytest.mark.parametrize(("phone", "n"), [(15, 0), (14, 1), (0, 1), (-1, 1)])
def test_calls_begin_after_the_last_mail(phone: int, n: int) -> None:
    assert len(problems_about("phone_after_days: ", with_manual_rungs(phone, 35))) == n


@pytest.mark.parametrize(("letter", "n"), [(22, 0), (21, 1), (0, 1)])
def test_a_letter_comes_after_the_calls(letter: int, n: int) -> None:
    assert len(problems_about("letter_after_days: ", with_manual_rungs(21, letter))) == n


@pytest.mark.parametrize(("letter", "n"), [(45, 0), (46, 1), (61, 2)])
def test_a_letter_after_the_close_is_a_problem_of_each_timepoint(letter: int, n: int) -> None:
    assert len(problems(with_manual_rungs(21, letter))) == n


def test_calls_and_a_letter_in_the_wrong_order_are_told_with_their_numbers() -> None:
    assert problems(with_manual_rungs(14, 14)) == [
        "study.reminders.phone_after_days: must be later than the last mail (14 days)",
        "study.reminders.letter_after_days: must be later than phone_after_days (14 days)",
    ]


@pytest.mark.parametrize(("every", "n"), [(1, 0), (0, 1), (-3, 1)])
def test_mails_before_an_operation_come_every_day_at_most(every: int, n: int) -> None:
    assert len(problems(replace(STUDY, ladder=Ladder((0, 7, 14), every)))) == n


# Reports


def test_an_entry_rule_on_a_question_that_is_not_asked_is_a_problem() -> None:
    study = replace(STUDY, entry_rule=EntryRule("hip", 30))

    assert problems(study) == ["study.entry.item: hip is not one of study.items"]


@pytest.mark.parametrize(("at_least", "n"), [(0, 0), (100, 0), (-1, 1), (101, 1)])
def test_an_entry_score_must_be_a_score(at_least: int, n: int) -> None:
    assert len(problems(replace(STUDY, entry_rule=EntryRule("low_back", at_least)))) == n


@pytest.mark.parametrize("groups", [(), ("with",), ("a", "b", "c")])
def test_a_comparison_has_exactly_two_groups(groups: tuple[str, ...]) -> None:
    study = replace(STUDY, groupings=(Grouping("g", groups, WORDS),))

    assert problems(study) == ["study.groupings: g must name exactly two groups to compare"]


def test_unknown_is_no_group_to_compare() -> None:
    study = replace(STUDY, groupings=(Grouping("g", ("with", "unknown"), WORDS),))

    assert problems(study) == ["study.groupings: g must not list unknown; it is always shown apart"]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_grouping_needs_words_in_both_languages(language: str) -> None:
    words = {other: labels for other, labels in WORDS.items() if other != language}
    study = replace(STUDY, groupings=(Grouping("g", ("with", "without"), words),))

    assert problems(study) == [f"study.groupings: g has no labels.{language}"]


def test_a_group_without_words_is_shown_by_its_code() -> None:
    grouping = Grouping("g", ("with", "without"), WORDS)

    assert (grouping.label("with", "en"), grouping.label("without", "en")) == ("With", "without")


def test_all_problems_are_told_at_once() -> None:
    study = replace(
        with_timepoints(Timepoint("M6", 6, 14, 60), Timepoint("M3", 3, 14, 45)),
        ladder=Ladder((7, 0), 0),
        entry_rule=EntryRule("hip", 101),
        groupings=(Grouping("g", ("unknown",), WORDS),),
    )

    assert len(problems(study)) == 7


# Looking things up


@pytest.mark.parametrize(
    ("code", "following"), [("before", "M3"), ("M3", "M6"), ("M12", "M24"), ("M24", None), ("M9", None)]
)
def test_the_next_timepoint_follows_in_time(code: str, following: str | None) -> None:
    found = STUDY.next_timepoint(code)

    assert (found.code if found else None) == following


def test_what_the_protocol_does_not_have_is_none() -> None:
    assert (STUDY.timepoint("M9"), STUDY.item("hip"), STUDY.grouping("age")) == (None, None, None)


def test_follow_ups_leave_out_the_form_before() -> None:
    assert [timepoint.code for timepoint in STUDY.follow_ups] == ["M3", "M6", "M12", "M24"]


def test_the_known_instruments_can_be_named() -> None:
    assert known_instruments() == "vas6/1-week-worst/imaginable/v1"
