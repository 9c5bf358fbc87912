"""Passwords are kept as argon2id hashes, and nobody signs in without one."""

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from registry.security import passwords
from registry.security.passwords import hash_password, is_password

PASSWORD = "見本 correct horse"
STORED = hash_password(PASSWORD)


def test_a_password_belongs_to_its_hash() -> None:
    assert is_password(PASSWORD, STORED)


@pytest.mark.parametrize("wrong", ["", "見本 correct hors", "見本 correct horse ", "見本 Correct horse"])
def test_another_password_does_not(wrong: str) -> None:
    assert not is_password(wrong, STORED)


def test_the_hash_is_argon2id_with_the_recommended_cost() -> None:
    found = extract_parameters(STORED)

    assert found.type is Type.ID
    assert (found.memory_cost >= 19_456, found.time_cost >= 2) == (True, True)


def test_the_same_password_has_another_hash_each_time() -> None:
    assert hash_password(PASSWORD) != STORED


def test_the_hash_does_not_hold_the_password() -> None:
    assert "horse" not in STORED


@pytest.mark.parametrize("stored", [None, ""])
@pytest.mark.parametrize("password", ["", PASSWORD, "the password of nobody"])
def test_nobody_signs_in_without_a_stored_hash(password: str, stored: str | None) -> None:
    assert not is_password(password, stored)


def test_an_unknown_name_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            tried.append(stored)
            return False

    # Replaced because no result shows how much work was done.
    monkeypatch.setattr(passwords, "_hasher", Counting())
    monkeypatch.setattr(passwords, "_hash_of_nobody", lambda: STORED)
    is_password(PASSWORD, None)

    assert len(tried) == 1


@pytest.mark.parametrize("stored", ["plain text", "$argon2id$broken", "$2b$12$abcdefghijklmnopqrstuv"])
def test_a_hash_that_cannot_be_read_belongs_to_no_password(stored: str) -> None:
    assert not is_password("plain text", stored)
