"""Before its first mail a process makes sure that no name can add a header."""

import re

import pytest

from registry.mail import self_test
from registry.mail.self_test import MailsUnsafe, refuse_unsafe_mails
from registry.mail.writing import UnsafeHeader, safe


def test_no_hostile_name_gets_into_a_header() -> None:
    refuse_unsafe_mails()

    for value in self_test.HOSTILE:
        with pytest.raises(UnsafeHeader):
            safe(value)


def test_a_process_whose_library_can_be_fooled_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def splits(name: str, value: object) -> bytes:
        return f"{name}: {re.sub(r'=[?].*?[?]=', chr(10), str(value))}\n".encode()

    monkeypatch.setattr(self_test, "safe", lambda value: value)
    monkeypatch.setattr(self_test, "header", splits)

    with pytest.raises(MailsUnsafe):
        refuse_unsafe_mails()
