"""Tokens: 130 bits in an alphabet that survives mail, looked up by their hash alone."""

import hashlib
import math
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.security.tokens import TOKEN_LENGTH, is_token, link_token, random_id, random_secret, token_hash

KEY = bytes(range(32))
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
TOKEN = "0123456789abcdefghjkmnpqrs"


def tokens(n: int) -> list[str]:
    return [link_token(KEY, str(number)) for number in range(n)]


def test_a_token_carries_at_least_128_bits() -> None:
    assert TOKEN_LENGTH * math.log2(len(CROCKFORD)) == 130


def test_a_token_is_26_letters_of_crockfords_alphabet() -> None:
    assert [token for token in tokens(2000) if not re.fullmatch(f"[{CROCKFORD}]{{26}}", token)] == []


def test_the_alphabet_has_nothing_that_is_misread_or_cut_off() -> None:
    assert not set("ilou-_.~=/+") & set("".join(tokens(500)))


def test_no_two_links_share_a_token() -> None:
    assert len(set(tokens(20_000))) == 20_000


@pytest.mark.parametrize("position", [0, 1, 12, 24, 25])
def test_every_letter_is_as_likely_at_every_place(position: int) -> None:
    """Chi-squared over 32 letters: 31 degrees of freedom, beyond 80 once in two million times."""
    n = 16_000
    counts = Counter(token[position] for token in tokens(n))

    chi_squared = sum((counts[letter] - n / 32) ** 2 / (n / 32) for letter in CROCKFORD)

    assert chi_squared < 80


def test_the_same_link_has_the_same_token_again() -> None:
    assert link_token(KEY, "public") == link_token(KEY, "public")


def test_another_key_makes_another_token() -> None:
    assert link_token(KEY, "public") != link_token(bytes(32), "public")


def test_a_token_can_be_worked_out_by_the_published_rule() -> None:
    """An independent reading of the rule: the first 130 bits of HMAC-SHA-256, five at a time."""
    digest = hashlib.sha256()
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in KEY.ljust(64, b"\0")) + b"public").digest()
    digest.update(bytes(b ^ 0x5C for b in KEY.ljust(64, b"\0")) + inner)
    bits = "".join(f"{byte:08b}" for byte in digest.digest())[:130]

    assert link_token(KEY, "public") == "".join(CROCKFORD[int(bits[i : i + 5], 2)] for i in range(0, 130, 5))


def test_a_token_is_written_in_one_way_only() -> None:
    assert is_token(TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        TOKEN[:-1],
        TOKEN + "0",
        TOKEN.upper(),
        TOKEN[:-1] + "S",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN + ".",
        TOKEN[:-1] + "i",
        TOKEN[:-1] + "l",
        TOKEN[:-1] + "o",
        TOKEN[:-1] + "u",
        TOKEN[:-1] + "-",
        TOKEN[:-1] + "０",
        TOKEN[:-1] + "\x00",
        TOKEN[:-1] + "%",
    ],
)
def test_anything_else_is_no_token(text: str) -> None:
    assert not is_token(text)


@given(st.text())
def test_what_is_taken_for_a_token_is_canonical(text: str) -> None:
    assert not is_token(text) or re.fullmatch(f"[{CROCKFORD}]{{26}}", text)


def test_only_the_hash_of_a_token_is_stored() -> None:
    stored = token_hash(TOKEN)

    assert stored == hashlib.sha256(TOKEN.encode()).hexdigest()
    assert TOKEN not in stored


@pytest.mark.parametrize("length", [1, 8, 16, 20, 26])
def test_a_random_name_has_its_length_and_alphabet(length: int) -> None:
    assert re.fullmatch(f"[{CROCKFORD}]{{{length}}}", random_id(length))


def test_random_names_and_secrets_do_not_repeat() -> None:
    assert len({random_id() for _ in range(10_000)}) == 10_000
    assert len({random_secret() for _ in range(1000)}) == 1000


def test_a_secret_carries_256_bits() -> None:
    assert len(random_secret()) == 43
