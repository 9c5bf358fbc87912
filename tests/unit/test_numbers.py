"""Numbers as readers see them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.numbers import number, p_value, percent, share

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (12.34, 1, "12.3"),
        (-12.34, 1, f"{MINUS}12.3"),
        (0.0, 1, "0.0"),
        (-0.0, 1, "0.0"),
        (-0.04, 1, "0.0"),
        (-0.06, 1, f"{MINUS}0.1"),
        (-0.4, 0, "0"),
        (100.0, 0, "100"),
        (1e6, 1, "1000000.0"),
    ],
)
def test_a_number_has_its_decimals_and_a_true_minus_sign(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


@given(st.floats(-1e9, 1e9), st.integers(0, 4))
def test_no_number_carries_a_hyphen_or_a_signed_zero(value: float, digits: int) -> None:
    text = number(value, digits)

    assert "-" not in text
    assert not re.fullmatch(f"{MINUS}0(\\.0*)?", text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "< .001"),
        (0.000999, "< .001"),
        (0.001, "= .0010"),
        (0.0034, "= .0034"),
        (0.00994, "= .0099"),
        (0.00996, "= .010"),
        (0.034, "= .034"),
        (0.0496, "= .050"),
        (0.0994, "= .099"),
        (0.0996, "= .10"),
        (0.2, "= .20"),
        (0.994, "> .99"),
        (0.99, "= .99"),
        (0.9901, "> .99"),
        (1.0, "> .99"),
    ],
)
def test_p_has_two_digits_and_no_leading_zero(value: float, text: str) -> None:
    assert p_value(value) == text


@given(st.floats(0, 1))
def test_p_is_never_written_as_zero_or_one(value: float) -> None:
    text = p_value(value)

    assert re.fullmatch(r"(= \.\d{2,4}|< \.001|> \.99)", text)
    assert float(text.split()[1]) > 0


@given(st.floats(0.001, 0.99))
def test_a_written_p_is_within_half_a_unit_of_its_last_digit(value: float) -> None:
    text = p_value(value).removeprefix("= ")

    assert abs(float(text) - value) <= 0.5 * 10 ** -(len(text) - 1) + 1e-12


@pytest.mark.parametrize(
    ("k", "n", "text"),
    [
        (41, 58, "41/58 (71%)"),
        (0, 5, "0/5 (0%)"),
        (5, 5, "5/5 (100%)"),
        (0, 0, "0/0"),
        (33, 99, "33/99 (33%)"),
        (33, 100, "33/100 (33.0%)"),
        (1, 300, "1/300 (0.3%)"),
    ],
)
def test_a_share_stands_with_its_counts(k: int, n: int, text: str) -> None:
    assert percent(k, n) == text


@pytest.mark.parametrize(
    ("proportion", "digits", "text"), [(0.5, 0, "50%"), (0.123, 1, "12.3%"), (-0.05, 0, f"{MINUS}5%")]
)
def test_a_proportion_is_written_in_per_cent(proportion: float, digits: int, text: str) -> None:
    assert share(proportion, digits=digits) == text
