"""A back-up is a whole copy of one moment, made while the registry is in use, or none at all."""

import hashlib
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from registry.config import Settings
from registry.domain.actors import Actor
from registry.services.backup import BackupFailed, back_up, check_copy
from registry.services.demo import load_demo
from registry.storage.database import Database
from tests.factories import make_patient

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def registry(database: Database, settings: Settings, now: datetime, by: Actor) -> Database:
    """A registry with something in it."""
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
    return database


@on_sqlite
def test_a_copy_holds_every_row(registry: Database, tmp_path: Path, now: datetime) -> None:
    result = back_up(database=registry, file=tmp_path / "copy.db", now=now)

    with registry.reading() as session:
        patients = session.execute(text("SELECT * FROM patient ORDER BY id")).all()
        n_answers = session.execute(text("SELECT count(*) FROM answer")).scalar_one()
    with closing(sqlite3.connect(result.file)) as copy:
        copied = copy.execute("SELECT * FROM patient ORDER BY id").fetchall()
    assert [tuple(row) for row in patients] == copied
    assert (result.n_rows["patient"], result.n_rows["answer"]) == (201, n_answers)
    assert result.sha256 == hashlib.sha256(result.file.read_bytes()).hexdigest()


@on_sqlite
def test_a_copy_opens_as_a_registry(registry: Database, tmp_path: Path, now: datetime) -> None:
    result = back_up(database=registry, file=tmp_path / "copy.db", now=now)

    restored = Database(f"sqlite:///{result.file}")
    with restored.transaction() as session:
        make_patient(session, now=now)
    restored.dispose()

    assert check_copy(result.file)["patient"] == 202


@on_sqlite
def test_a_copy_is_whole_while_others_write(registry: Database, tmp_path: Path, now: datetime) -> None:
    with writing_all_the_time(registry, now) as written:
        copies = [back_up(database=registry, file=tmp_path / f"{n}.db", now=now) for n in range(5)]

    counts = [copy.n_rows for copy in copies]
    patients = [rows["patient"] for rows in counts]
    assert len(written) > 5
    assert patients == sorted(patients)
    assert patients[-1] > patients[0]
    # A patient, the contact and the enrolment are one transaction: never one without the others.
    assert all(rows["patient"] == rows["contact"] == rows["enrolment"] for rows in counts)


@contextmanager
def writing_all_the_time(registry: Database, now: datetime) -> Iterator[list[int]]:
    """Somebody who enrols patients until told to stop."""
    written: list[int] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with registry.transaction() as session:
                written.append(make_patient(session, now=now).id)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not written:
            stop.wait(0.01)
        yield written
    finally:
        stop.set()
        writer.join()


@on_sqlite
def test_only_its_owner_may_read_a_copy_and_nothing_else_is_left_behind(
    registry: Database, tmp_path: Path, now: datetime
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()

    result = back_up(database=registry, file=folder / "copy.db", now=now)

    assert stat.S_IMODE(result.file.stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["copy.db"]


@on_sqlite
def test_a_file_is_never_replaced(registry: Database, tmp_path: Path, now: datetime) -> None:
    file = tmp_path / "precious.db"
    file.write_text("precious")

    with pytest.raises(BackupFailed, match="exists already"):
        back_up(database=registry, file=file, now=now)

    assert file.read_text() == "precious"


@on_sqlite
def test_a_missing_folder_is_named(registry: Database, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(BackupFailed, match="there is no folder"):
        back_up(database=registry, file=tmp_path / "nowhere" / "copy.db", now=now)


def test_a_missing_registry_is_not_made_by_backing_it_up(tmp_path: Path, now: datetime) -> None:
    nothing = Database(f"sqlite:///{tmp_path / 'nothing.db'}")

    with pytest.raises(BackupFailed, match="cannot be copied"):
        back_up(database=nothing, file=tmp_path / "copy.db", now=now)

    nothing.dispose()
    assert list(tmp_path.iterdir()) == []


@on_sqlite
@pytest.mark.parametrize("place", ["header", "first page of the schema", "a page of a table", "cut off"])
def test_a_damaged_copy_is_recognised(registry: Database, tmp_path: Path, now: datetime, place: str) -> None:
    file = back_up(database=registry, file=tmp_path / "copy.db", now=now).file
    check_copy(file)
    content = bytearray(file.read_bytes())
    if place == "cut off":
        del content[len(content) // 2 :]
    else:
        start = {"header": 0, "first page of the schema": 100, "a page of a table": 30 * 4096}[place]
        content[start : start + 64] = bytes(byte ^ 0xFF for byte in content[start : start + 64])
    file.write_bytes(content)

    with pytest.raises(BackupFailed, match="damaged"):
        check_copy(file)


@on_sqlite
def test_a_damaged_registry_gives_no_back_up(registry: Database, tmp_path: Path, now: datetime) -> None:
    source = Path(registry.url.database or "")
    with registry.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    registry.dispose()
    content = bytearray(source.read_bytes())
    for page in range(20, 60):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    source.write_bytes(content)

    with pytest.raises(BackupFailed):
        back_up(database=registry, file=tmp_path / "copy.db", now=now)

    assert not [path.name for path in tmp_path.iterdir() if "copy" in path.name]


@on_sqlite
def test_a_row_that_points_nowhere_is_recognised(registry: Database, tmp_path: Path, now: datetime) -> None:
    file = back_up(database=registry, file=tmp_path / "copy.db", now=now).file
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("PRAGMA foreign_keys = 0")
        copy.execute("DELETE FROM assessment WHERE id = (SELECT min(id) FROM assessment)")
        copy.commit()

    with pytest.raises(BackupFailed, match="points to a missing assessment"):
        check_copy(file)


@on_postgresql
def test_on_postgresql_the_right_tool_is_named(database: Database, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(BackupFailed, match="pg_dump"):
        back_up(database=database, file=tmp_path / "copy.db", now=now)
