"""Processes of the registry for tests: in a folder of their own, bounded in time, ended whatever happens."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from sqlalchemy import create_engine, make_url, text

from tests.live import free_port

ROOT = Path(__file__).parents[2]

BEGIN_SECONDS = 60
STOP_SECONDS = 30


def registry_environment(folder: Path, database_url: str | None = None) -> dict[str, str]:
    """A registry of its own in a folder of its own; on SQLite unless another empty database is given."""
    values = {
        "DATABASE_URL": database_url or f"sqlite:///{folder}/registry.db",
        "MAIL_FOLDER": str(folder / "outbox"),
        "SECURITY_KEY_FILE": str(folder / "secret.key"),
        "WEB_PORT": str(free_port()),
    }
    return os.environ | {f"REGISTRY_{name}": value for name, value in values.items()}


@contextmanager
def running(command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A command of the registry as a process, in a group of its own that is ended whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "registry", command],
        env=environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something to become so, for a bounded time."""
    ends = time.monotonic() + BEGIN_SECONDS
    while not is_so():
        assert time.monotonic() < ends, "it did not begin in time"
        time.sleep(0.1)


def answers(environment: dict[str, str]) -> bool:
    """Whether the pages are served."""
    try:
        with urlopen(f"http://127.0.0.1:{environment['REGISTRY_WEB_PORT']}/healthz", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def mails(environment: dict[str, str]) -> list[Path]:
    """The mails that were written."""
    return list(Path(environment["REGISTRY_MAIL_FOLDER"]).glob("*.eml"))


def ask(environment: dict[str, str], question: str) -> list[tuple[object, ...]]:
    """Rows of the registry's database, read from outside."""
    url = make_url(environment["REGISTRY_DATABASE_URL"])
    engine = create_engine(url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(question))]
    engine.dispose()
    return rows


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    arguments = [sys.executable, "-m", "registry", *command]
    return subprocess.run(arguments, env=environment, cwd=ROOT, text=True, capture_output=True, timeout=120)
