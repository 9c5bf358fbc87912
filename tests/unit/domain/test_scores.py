"""A score is a whole number from 0 to 100, however its digits are typed; anything else is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.scores import read_score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("0", 0),
        ("1", 1),
        ("99", 99),
        ("100", 100),
        ("007", 7),
        ("000", 0),
        (" 40 ", 40),
        ("40\n", 40),
        ("\u300040\u3000", 40),  # full-width blanks
        ("４０", 40),
        ("０", 0),
        ("１００", 100),
        ("4０", 40),
    ],
)
def test_a_whole_number_from_0_to_100_is_a_score(text: str, score: int) -> None:
    assert read_score(text) == score


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "101",
        "１０１",
        "1000",
        "0000",
        "-1",
        "－１",
        "+1",
        "4.5",
        "４．５",
        "4,5",
        "1e1",
        "0x10",
        "4 0",
        "abc",
        "forty",
        "四十",
        "٤٠",  # Arabic-Indic digits
        "½",
        "nan",
        "None",
        "40%",
        "\x0040",
        "9" * 5000,
    ],
)
def test_anything_else_is_no_score(text: str) -> None:
    assert read_score(text) is None


@given(st.text())
def test_no_text_makes_another_score_than_0_to_100(text: str) -> None:
    score = read_score(text)

    assert score is None or 0 <= score <= 100


@given(st.integers(0, 100))
def test_a_written_score_is_read_back(score: int) -> None:
    assert read_score(str(score)) == score
