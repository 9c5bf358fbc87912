"""The return path of a mail: signed, so that nobody else can make a mail come back."""

import re
from pathlib import Path
from string import hexdigits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.config import load_settings
from registry.config_bounces import LONGEST_BOUNCE_MAILBOX, BounceSettings
from registry.mail.return_path import envelope_sender, read_return_path, return_path
from registry.security.keys import KeyRing

BOUNCES = "bounces@hospital.example"
RECIPIENT = "hanako@example.org"
SETTINGS = load_settings(Path(__file__).parents[3] / "config.toml")
OLD, NEW = bytes(range(32)), bytes(range(1, 33))
KEYS = KeyRing((OLD,))


def made(reminder_id: int = 4711, recipient: str = RECIPIENT, keys: KeyRing = KEYS) -> str:
    return return_path(BOUNCES, keys, reminder_id=reminder_id, recipient=recipient)


def believed(address: str, keys: KeyRing = KEYS, recipient: str = RECIPIENT) -> int | None:
    """The number of the mail that an address is signed for."""
    found = read_return_path(address, bounce_address=BOUNCES)
    return found.reminder_id if found and found.is_signed(keys, recipient=recipient) else None


def test_a_return_path_holds_the_number_of_the_mail_and_sixteen_digits() -> None:
    assert re.fullmatch(r"bounces\+4711-[0-9a-f]{16}@hospital\.example", made())


@pytest.mark.parametrize(("address", "sender"), [("", SETTINGS.mail.sender), (BOUNCES, made())])
def test_a_mail_comes_back_to_the_sender_unless_there_is_an_address_for_it(address: str, sender: str) -> None:
    settings = SETTINGS.model_copy(update={"bounces": BounceSettings(address=address)})

    assert envelope_sender(settings, KEYS, reminder_id=4711, recipient=RECIPIENT) == sender


def test_a_mail_has_the_same_return_path_at_every_attempt() -> None:
    assert made() == made()


def test_the_longest_return_path_has_a_local_part_that_every_server_takes() -> None:
    address = return_path(f"{'b' * LONGEST_BOUNCE_MAILBOX}@h.example", KEYS, reminder_id=2**31 - 1, recipient=RECIPIENT)

    assert len(address.partition("@")[0]) == 64


def test_a_return_path_is_believed() -> None:
    assert believed(made()) == 4711


def test_a_server_may_write_it_in_capitals() -> None:
    assert believed(made().upper()) == 4711


def test_the_patients_address_may_be_written_in_capitals() -> None:
    assert believed(made(), recipient="Hanako@Example.ORG") == 4711


@pytest.mark.parametrize(
    "change",
    [
        lambda address: address.replace("4711-", "4712-"),
        lambda address: address.replace("4711-", "04711-").replace("04711", "14711"),
        lambda address: re.sub(r"-\w{16}", "-0123456789abcdef", address),
        lambda address: re.sub(r"-(\w{15})\w", r"-\1", address),
        lambda address: re.sub(r"-(\w{16})", r"-\g<1>0", address),
        lambda address: re.sub(r"-\w{16}", "-", address),
        lambda address: re.sub(r"\+[^@]+", "", address),
        lambda address: address.replace("@hospital.example", "@elsewhere.example"),
        lambda address: address.replace("@hospital.example", "@hospital.example.elsewhere.example"),
        lambda address: address.replace("bounces+", "others+"),
        lambda address: address.replace("bounces+", "x+bounces+"),
        lambda address: f"<{address}>",
        lambda address: f"{address}\n",
        lambda address: "",
    ],
)
def test_a_changed_return_path_is_not_believed(change: object) -> None:
    assert callable(change)
    assert believed(change(made())) is None


def test_one_is_not_believed_for_another_address() -> None:
    """A mail to a mistyped address may come back after the address was put right."""
    assert believed(made(), recipient="taro@example.org") is None


def test_one_signed_before_the_key_was_changed_is_believed_until_the_old_key_is_taken_out() -> None:
    assert believed(made(), KeyRing((NEW, OLD))) == 4711
    assert believed(made(), KeyRing((NEW,))) is None
    assert made(keys=KeyRing((NEW, OLD))) == made(keys=KeyRing((NEW,)))


@given(st.integers(0, 2**31 - 1), st.emails())
def test_every_mail_finds_its_way_back(reminder_id: int, recipient: str) -> None:
    assert believed(made(reminder_id, recipient), recipient=recipient) == reminder_id


@given(st.integers(0, 2**31 - 1), st.text(hexdigits.lower()[:16], min_size=16, max_size=16))
def test_nobody_guesses_one(reminder_id: int, signature: str) -> None:
    assert believed(f"bounces+{reminder_id}-{signature}@hospital.example") is None


@given(st.text())
def test_any_text_can_be_asked(address: str) -> None:
    assert believed(address) is None
    assert believed(f"bounces+{address}@hospital.example") is None
