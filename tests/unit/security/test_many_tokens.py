"""Tokens by the hundred thousand: in their alphabet, each once, and every letter as likely at every place."""

from collections import Counter

import pytest

from registry.security.tokens import TOKEN_LENGTH, is_token, link_token, random_id

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
KEY = bytes(range(32))
# 31 degrees of freedom: beyond 90 less than once in ten million places.
HIGHEST_CHI_SQUARED = 90

numbers = pytest.mark.parametrize("n", [200_000, pytest.param(1_000_000, marks=pytest.mark.long)])


def chi_squared(letters: Counter[str]) -> float:
    expected = letters.total() / len(CROCKFORD)
    return sum((letters[letter] - expected) ** 2 / expected for letter in CROCKFORD)


@numbers
def test_many_tokens_keep_to_the_rule(n: int) -> None:
    tokens = [link_token(KEY, str(number)) for number in range(n)]

    places = [Counter(letters) for letters in zip(*tokens, strict=True)]

    assert len(set(tokens)) == n
    assert all(map(is_token, tokens))
    assert len(places) == TOKEN_LENGTH
    assert [place for place in places if chi_squared(place) > HIGHEST_CHI_SQUARED] == []


def test_a_letter_that_comes_a_little_too_often_is_found() -> None:
    """The negative control: one token in a hundred begins with the same letter."""
    tokens = [link_token(KEY, str(number)) for number in range(200_000)]

    skewed = Counter("0" if number % 100 == 0 else token[0] for number, token in enumerate(tokens))

    assert chi_squared(skewed) > HIGHEST_CHI_SQUARED


def test_many_names_in_addresses_do_not_repeat() -> None:
    assert len({random_id() for _ in range(200_000)}) == 200_000
