"""Impossible values are found at their field, each with a sentence."""

from datetime import UTC, date, datetime, timedelta

import pytest

from registry.domain.quality import (
    earliest_birth,
    is_of_one_visit,
    is_study_id,
    moments_in_doubt,
    problems_of_birth,
    problems_of_day,
    problems_of_operation,
)
from registry.domain.vocabularies import OperationState

TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)


def fields_of_birth(birth_year: int | None, born_on: date | None = None) -> list[str]:
    return [field for field, _ in problems_of_birth(birth_year, born_on, today=TODAY)]


@pytest.mark.parametrize(
    ("birth_year", "wanted"),
    [(1905, ["birth_year"]), (1906, []), (2026, []), (2027, ["birth_year"]), (19, ["birth_year"]), (None, [])],
)
def test_a_year_of_birth_is_one_that_somebody_living_has(birth_year: int | None, wanted: list[str]) -> None:
    assert fields_of_birth(birth_year) == wanted


def test_a_date_of_birth_in_another_year_is_a_problem() -> None:
    assert fields_of_birth(1952, date(1953, 1, 1)) == ["born_on"]


def test_a_date_of_birth_in_the_same_year_is_none() -> None:
    assert fields_of_birth(1952, date(1952, 2, 29)) == []


@pytest.mark.parametrize(("born_on", "wanted"), [(TODAY, []), (TODAY + DAY, ["born_on"])])
def test_a_date_of_birth_in_the_future_is_a_problem(born_on: date, wanted: list[str]) -> None:
    assert fields_of_birth(2026, born_on) == wanted


def fields_of_operation(
    state: OperationState = OperationState.PERFORMED,
    *,
    planned_on: date | None = None,
    operated_on: date | None = None,
) -> list[str]:
    found = problems_of_operation(
        state=state, planned_on=planned_on, operated_on=operated_on, born_on=date(1952, 1, 1), today=TODAY
    )
    return [field for field, _ in found]


@pytest.mark.parametrize(
    ("operated_on", "wanted"),
    [
        (None, ["operated_on"]),
        (date(1951, 12, 31), ["operated_on"]),
        (date(1952, 1, 1), []),
        (TODAY, []),
        (TODAY + DAY, ["operated_on"]),
        (date(202, 6, 1), ["operated_on"]),
    ],
)
def test_a_performed_operation_lies_between_birth_and_today(operated_on: date | None, wanted: list[str]) -> None:
    assert fields_of_operation(operated_on=operated_on) == wanted


@pytest.mark.parametrize(
    ("planned_on", "wanted"),
    [
        (None, ["planned_on"]),
        (TODAY, []),
        (date(2028, 11, 20), []),
        (date(2028, 11, 21), ["planned_on"]),
        (date(1951, 12, 31), ["planned_on"]),
    ],
)
def test_a_planned_operation_lies_within_two_years(planned_on: date | None, wanted: list[str]) -> None:
    assert fields_of_operation(OperationState.PLANNED, planned_on=planned_on) == wanted


@pytest.mark.parametrize("state", [OperationState.PLANNED, OperationState.POSTPONED, OperationState.CANCELLED])
def test_only_a_performed_operation_has_its_day(state: OperationState) -> None:
    assert fields_of_operation(state, planned_on=TODAY, operated_on=TODAY) == ["operated_on"]


@pytest.mark.parametrize("state", [OperationState.POSTPONED, OperationState.CANCELLED])
def test_an_operation_that_is_off_needs_no_day(state: OperationState) -> None:
    assert fields_of_operation(state) == []


def test_every_problem_of_an_operation_is_told() -> None:
    found = fields_of_operation(planned_on=date(1951, 1, 1), operated_on=TODAY + DAY)

    assert found == ["planned_on", "operated_on"]


@pytest.mark.parametrize(
    ("day", "earliest", "n"),
    [
        (TODAY, None, 0),
        (TODAY + DAY, None, 1),
        (TODAY, TODAY, 0),
        (TODAY - DAY, TODAY, 1),
        (None, TODAY, 0),
    ],
)
def test_a_day_lies_between_its_earliest_and_today(day: date | None, earliest: date | None, n: int) -> None:
    assert len(list(problems_of_day("withdrawn_on", day, earliest=earliest, today=TODAY))) == n


@pytest.mark.parametrize(("born_on", "wanted"), [(date(1952, 2, 29), date(1952, 2, 29)), (None, date(1952, 1, 1))])
def test_nobody_is_born_before_the_year_of_birth(born_on: date | None, wanted: date) -> None:
    assert earliest_birth(1952, born_on) == wanted


@pytest.mark.parametrize("text", ["A", "7", "T-0001", "2026/14", "S.1_b#2", "A" * 40])
def test_a_study_id_is_letters_digits_and_signs(text: str) -> None:
    assert is_study_id(text)


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "Mihon Hanako", "見本", "A" * 41, "A\n", "=1+1", "@SUM", "T\x00", "Ａ１", "../../etc"]
)
def test_anything_else_is_no_study_id(text: str) -> None:
    assert not is_study_id(text)


@pytest.mark.parametrize(("seconds", "wanted"), [(-60, False), (-59, True), (0, True), (59, True), (60, False)])
def test_answers_within_a_minute_of_a_decision_are_of_the_same_visit(seconds: int, wanted: bool) -> None:
    decided_at = datetime(2026, 11, 20, 12, tzinfo=UTC)

    found = is_of_one_visit(decided_at=decided_at, recorded_at=[decided_at + timedelta(seconds=seconds)])

    assert found == wanted


@pytest.mark.parametrize(
    ("seconds", "suspected", "wanted"),
    [
        ([0], 0, [0]),
        ([0, 59, 118], 59, [0, 59, 118]),
        ([0, 60, 119, 179], 60, [60, 119]),
        ([179, 0, 119, 60], 119, [60, 119]),
        ([0, 86400, 86401, 86402], 86402, [86400, 86401, 86402]),
        ([0, 86400, 86400], 86400, [86400, 86400]),
        ([86400, 172800], 50, []),
        ([], 0, []),
    ],
)
def test_answers_are_in_doubt_as_far_as_they_follow_each_other_within_a_minute(
    seconds: list[int], suspected: int, wanted: list[int]
) -> None:
    begun = datetime(2026, 11, 20, 12, tzinfo=UTC)
    moments = [begun + timedelta(seconds=second) for second in seconds]

    found = moments_in_doubt(moments, suspected_at=begun + timedelta(seconds=suspected))

    assert sorted(moment for moment in moments if moment in found) == [begun + timedelta(seconds=one) for one in wanted]


@pytest.mark.parametrize(("seconds", "wanted"), [(0, []), (1, [1, 50]), (59, [59, 108]), (60, [])])
def test_a_visit_that_begins_within_a_minute_of_a_mail_is_in_doubt(seconds: int, wanted: list[int]) -> None:
    mailed_at = datetime(2026, 11, 27, 9, tzinfo=UTC)
    moments = [mailed_at + timedelta(seconds=seconds + later) for later in (0, 49)]

    found = moments_in_doubt(moments, suspected_at=mailed_at - timedelta(days=7), mailed_at=[mailed_at])

    assert [moment for moment in moments if moment in found] == [mailed_at + timedelta(seconds=one) for one in wanted]


def test_a_mail_that_goes_out_while_the_patient_answers_raises_no_doubt() -> None:
    mailed_at = datetime(2026, 11, 27, 9, tzinfo=UTC)
    moments = [mailed_at + timedelta(seconds=second) for second in (-20, 10)]

    found = moments_in_doubt(moments, suspected_at=mailed_at - timedelta(days=7), mailed_at=[mailed_at])

    assert not found & set(moments)


@pytest.mark.parametrize(("pause", "is_in_doubt"), [(1, True), (2, False)])
def test_a_program_that_came_once_more_is_in_doubt_both_times(pause: int, is_in_doubt: bool) -> None:
    first = datetime(2026, 11, 20, 12, tzinfo=UTC)
    later = [first + timedelta(days=1, seconds=pause * number) for number in range(3)]

    found = moments_in_doubt([first, *later], suspected_at=first)

    assert [moment in found for moment in later] == [is_in_doubt] * 3
