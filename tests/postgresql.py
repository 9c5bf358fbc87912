"""A PostgreSQL server for one test run: in a temporary folder, on loopback, stopped at the end."""

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

_SETTINGS = ("max_connections=200", "log_timezone=UTC")
_FORGETFUL = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


class Cluster:
    """A running server; a database is created by copying a template, which takes milliseconds."""

    def __init__(self, binaries: Path, *, is_durable: bool = False) -> None:
        self._binaries = binaries
        self._settings = _SETTINGS if is_durable else (*_SETTINGS, *_FORGETFUL)
        self._folder = Path(tempfile.mkdtemp(prefix="registry-postgresql-"))
        self._port = _free_port()
        self._names = (f"test_{number}" for number in itertools.count())
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        data = self._folder / "data"
        user = _unprivileged()
        if user is not None:
            # initdb and postgres refuse to run as root.
            os.chown(self._folder, pwd.getpwnam(user).pw_uid, -1)
        init = [
            self._binaries / "initdb",
            "-D",
            data,
            "-U",
            "registry",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL, user=user, cwd=self._folder)
        options = [part for setting in self._settings for part in ("-c", setting)]
        serve = [
            self._binaries / "postgres",
            "-D",
            data,
            "-p",
            str(self._port),
            "-h",
            "127.0.0.1",
            "-k",
            self._folder,
        ]
        with (self._folder / "log").open("wb") as log:
            self._server = subprocess.Popen([*serve, *options], stdout=log, stderr=log, user=user, cwd=self._folder)
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://registry@127.0.0.1:{self._port}/{name}"

    def create(self, name: str) -> str:
        """An empty database."""
        self._run(f"CREATE DATABASE {name}")
        return self.url(name)

    def new(self) -> str:
        """The name of an empty database of its own."""
        name = next(self._names)
        self.create(name)
        return name

    def copy_of(self, template: str) -> str:
        """A copy of a database that nobody is connected to."""
        name = next(self._names)
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _wait(self) -> None:
        for _ in range(300):
            try:
                self._run("SELECT 1")
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")


def _unprivileged() -> str | None:
    """The account to run the server under when the tests run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
