"""What every test may ask for: settings, both databases, a fixed time, and no way out to the network."""

import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from registry.config import Settings, load_settings
from registry.domain.actors import Actor, command
from registry.security.keys import KeyRing, load_keys
from registry.services.sites import ensure_sites
from registry.storage.database import Database
from registry.storage.migrating import upgrade
from tests.journeys.processes import registry_environment
from tests.parts import POSTGRESQL_MISSING, find_postgresql, missing
from tests.postgresql import Cluster

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)

_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


def _refuse_outside(address: object) -> None:
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise RuntimeError(f"a test tried to reach {address[0]}: the outside network is blocked")


def _connect_to_loopback_only(self: socket.socket, address: object) -> None:
    _refuse_outside(address)
    return _connect(self, address)  # type: ignore[arg-type]


def _connect_ex_to_loopback_only(self: socket.socket, address: object) -> int:
    _refuse_outside(address)
    return _connect_ex(self, address)  # type: ignore[arg-type]


def pytest_configure() -> None:
    """Block the outside network, and let no setting of this machine leak into a test."""
    socket.socket.connect = _connect_to_loopback_only  # type: ignore[method-assign, assignment]
    socket.socket.connect_ex = _connect_ex_to_loopback_only  # type: ignore[method-assign, assignment]
    for name in [name for name in os.environ if name.startswith("REGISTRY_") and name != "REGISTRY_TEST_REQUIRE"]:
        del os.environ[name]


@pytest.fixture
def now() -> datetime:
    """The instant at which tests stand still: noon on 20 November 2026 in Tokyo."""
    return NOW


@pytest.fixture
def today() -> date:
    """The day of `now` at the site."""
    return date(2026, 11, 20)


@pytest.fixture
def by() -> Actor:
    """The one who acts where it does not matter who."""
    return command("test")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of the test run's own, on a free loopback port."""
    binaries = find_postgresql()
    if binaries is None:
        missing(POSTGRESQL_MISSING)
    with Cluster(binaries) as running:
        yield running


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, copied for each test."""
    path = tmp_path_factory.mktemp("template") / "registry.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    with database.transaction() as session:
        ensure_sites(session, sites=load_settings(ROOT / "config.toml").sites)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_template(cluster: Cluster) -> str:
    """A migrated PostgreSQL database, copied for each test."""
    url = cluster.create("template_registry")
    database = Database(url)
    upgrade(database)
    with database.transaction() as session:
        ensure_sites(session, sites=load_settings(ROOT / "config.toml").sites)
    database.dispose()
    return "template_registry"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh migrated database: each test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "registry.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    running: Cluster = request.getfixturevalue("cluster")
    name = running.copy_of(request.getfixturevalue("postgresql_template"))
    yield running.url(name)
    running.drop(name)


@pytest.fixture
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The project's own configuration, with this test's database, keys and mail folder."""
    monkeypatch.setenv("REGISTRY_DATABASE_URL", database_url)
    monkeypatch.setenv("REGISTRY_MAIL_FOLDER", str(tmp_path / "outbox"))
    monkeypatch.setenv("REGISTRY_SECURITY_KEY_FILE", str(tmp_path / "secret.key"))
    return load_settings(ROOT / "config.toml")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The door to this test's database."""
    opened = Database(settings.database.url)
    yield opened
    opened.dispose()


@pytest.fixture
def keys(settings: Settings) -> KeyRing:
    """This test's secret keys."""
    return load_keys(settings.security.key_file)


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a process of the registry is started with, on an empty database of its own."""
    if request.param == "sqlite":
        yield registry_environment(tmp_path)
        return
    running: Cluster = request.getfixturevalue("cluster")
    name = running.new()
    yield registry_environment(tmp_path, running.url(name))
    running.drop(name)
