"""What a server says is kept without whom it was said about and without what opens a form."""

import pytest

from registry.mail.conversation import without_addresses


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("5.1.1 <hanako@example.org>: no such user", "5.1.1 (address) no such user"),
        (
            "5.7.1 URL https://followup.example.org/s/hmcdrd83v789kqmhrbwa1hkbdc is listed",
            "5.7.1 URL (link) is listed",
        ),
        ("5.7.1 blocked link registry.example.org/s/hmcdrd83v789kqmhrbwa1hkbdc.", "5.7.1 blocked link (link)"),
        ("5.7.1 token hmcdrd83v789kqmhrbwa1hkbdc", "5.7.1 token (link)"),
        ("see HTTP://example.org/m/hmcdrd83v789kqmhrbwa1hkbdc", "see (link)"),
        ("a\x00line\r\nand another", "a line  and another"),
    ],
)
def test_a_reply_names_nobody_and_opens_nothing(said: str, kept: str) -> None:
    assert without_addresses(said) == kept
