"""The journal of what was handed over: whole lines, on the disk, whoever writes at the same moment."""

from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from registry.mail.journal import Handed, Journal

AT = datetime(2026, 11, 20, 0, 5, tzinfo=UTC)


def handed(number: int) -> Handed:
    return Handed(number, "hmcdrd83v789kqmh", f"<{number}@example.org>", AT)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "sending" / "journal")

    journal.write(handed(1))
    journal.write(handed(2))

    assert list(journal.read()) == [handed(1), handed(2)]
    assert (tmp_path / "sending" / "journal").stat().st_mode & 0o077 == 0


def test_without_a_file_nothing_was_written(tmp_path: Path) -> None:
    assert list(Journal(tmp_path / "journal").read()) == []


@pytest.mark.parametrize("torn", ['[3, "hmcdrd', "[]", '["x", "p", "m", "2026"]', "\x00\x00", "null", '{"a": 1}'])
def test_a_torn_line_is_passed_over(tmp_path: Path, torn: str) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write(handed(1))
    with journal.path.open("a") as file:
        file.write(torn + "\n")
    journal.write(handed(2))

    assert list(journal.read()) == [handed(1), handed(2)]


def test_a_line_after_one_without_an_end_is_not_lost(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write(handed(1))
    with journal.path.open("a") as file:
        file.write('[2, "hmc')

    Journal(tmp_path / "journal").write(handed(3))

    assert list(journal.read()) == [handed(1), handed(3)]


def _write_many(path: Path, first: int) -> None:
    for number in range(first, first + 50):
        Journal(path).write(handed(number))


def test_processes_that_write_at_once_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    writers = [get_context("fork").Process(target=_write_many, args=(path, first)) for first in (0, 50, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)

    assert sorted(found.reminder_id for found in Journal(path).read()) == list(range(150))
