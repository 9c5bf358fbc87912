"""The cast is made once for each kind of database; every test gets a copy of what stands in it then."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from registry.config import Settings, load_settings
from registry.storage.database import Database
from tests.conftest import ROOT
from tests.postgresql import Cluster
from tests.scanners.cast import Cast, Doors, playing


@dataclass(frozen=True)
class Prepared:
    """What the copies of a database need beside it: its doors, and the keys that they were made with."""

    doors: Doors
    key_file: Path


def _prepared(url: str, folder: Path) -> Prepared:
    values = {"DATABASE_URL": url, "MAIL_FOLDER": f"{folder}/outbox", "SECURITY_KEY_FILE": f"{folder}/secret.key"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in values.items():
            patched.setenv(f"REGISTRY_{name}", value)
        settings = load_settings(ROOT / "config.toml")
        with playing(settings, patched) as (_, cast):
            return Prepared(cast.doors, settings.security.key_file)


@pytest.fixture(scope="session")
def prepared() -> dict[str, Prepared]:
    """What was made beside each template, by its kind of database."""
    return {}


@pytest.fixture(scope="session")
def sqlite_template(
    sqlite_template: Path, prepared: dict[str, Prepared], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A SQLite database in which the cast has played, copied for each test."""
    folder = tmp_path_factory.mktemp("cast")
    path = Path(shutil.copy(sqlite_template, folder / "registry.db"))
    prepared["sqlite"] = _prepared(f"sqlite:///{path}", folder)
    database = Database(f"sqlite:///{path}")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_template(
    postgresql_template: str,
    cluster: Cluster,
    prepared: dict[str, Prepared],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A PostgreSQL database in which the cast has played, copied for each test."""
    name = cluster.copy_of(postgresql_template)
    prepared["postgresql"] = _prepared(cluster.url(name), tmp_path_factory.mktemp("cast"))
    return name


@pytest.fixture
def played(
    settings: Settings, prepared: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Flask, Cast]]:
    """A registry of this test's own with its cast, an hour after everybody's last page."""
    found = prepared[settings.database.url.partition(":")[0]]
    shutil.copy(found.key_file, settings.security.key_file)
    with playing(settings, monkeypatch, found.doors) as stage:
        yield stage
