"""The two servers that are measured side by side, and the patients who visit them."""

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import select

from registry.cli.database import bring_up_to_date
from registry.config import load_settings
from registry.security.keys import load_keys
from registry.services.links import Issuing, form_link
from registry.storage.database import Database
from registry.storage.models import FollowUp
from tests.factories import BY, make_operation, make_patient
from tests.live import free_port

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
# What `registry serve` gives gunicorn.
GUNICORN = ["--worker-class", "gthread", "--threads", "8", "--no-control-socket", "--log-level", "error"]


class Visitor:
    """One patient's browser: a kept connection, a cookie and a signed field."""

    def __init__(self, port: int, path: str, cookie: str = "", key: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._path, self._cookie, self._key = path, cookie, key
        self._count = 0

    def begin_round(self) -> None:
        """Connect anew: the server has closed what was idle while the other one was measured."""
        self._connection.close()

    def look(self) -> None:
        """Look at the question."""
        self._exchange("GET", "", 200)

    def answer(self) -> None:
        """Answer differently from the last time."""
        self._count += 1
        self._exchange("POST", urlencode({"key": self._key, "vas_low_back": self._count % 101}), 303)

    def _exchange(self, method: str, body: str, expected: int) -> None:
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request(method, self._path, body, headers)
        reply = self._connection.getresponse()
        reply.read()
        if reply.status != expected:
            raise RuntimeError(f"{method} {self._path}: {reply.status}")


@contextmanager
def both(
    folder: Path, *, n_patients: int, postgresql: dict[str, str] | None = None
) -> Iterator[dict[str, list[Visitor]]]:
    """The patients of a bare server and those of the registry, each on a database of its own."""
    urls = postgresql or {"bare": f"{folder}/bare.db", "registry": f"sqlite:///{folder}/registry.db"}
    with _bare(urls["bare"]) as port, _registry(urls["registry"], folder / "key", n_patients) as (own_port, forms):
        yield {
            "bare": [Visitor(port, f"/form/{number}/q/1") for number in range(n_patients)],
            "registry": [_enter(own_port, path) for path in forms],
        }


@contextmanager
def _bare(database: str) -> Iterator[int]:
    port = free_port()
    arguments = ["-m", "gunicorn", *GUNICORN, "--bind", f"127.0.0.1:{port}", "tests.benchmarks.bare_app:app"]
    with _running(arguments, {"BARE_DATABASE": database}, lambda: _answers(port, "/none", 404)):
        yield port


@contextmanager
def _registry(database: str, key_file: Path, n_patients: int) -> Iterator[tuple[int, list[str]]]:
    port = free_port()
    values = {"DATABASE_URL": database, "SECURITY_KEY_FILE": key_file, "WEB_PORT": port, "DEMO_NOW": NOW.isoformat()}
    environment = {f"REGISTRY_{name}": str(value) for name, value in values.items()}
    os.environ.update(environment)
    forms = prepare(n_patients)
    with _running(["-m", "registry", "serve"], environment, lambda: _answers(port, "/healthz", 200)):
        yield port, forms


def prepare(n_patients: int) -> list[str]:
    """A database with an open form for each patient, and the paths of their links."""
    settings = load_settings(ROOT / "config.toml")
    bring_up_to_date(settings)
    database, keys = Database(settings.database.url), load_keys(settings.security.key_file)
    paths = []
    with database.transaction() as session:
        for _ in range(n_patients):
            patient = make_patient(session, now=NOW)
            make_operation(session, patient, settings, now=NOW, today=NOW.date(), operated_on=date(2026, 8, 19))
            of_patient = select(FollowUp).where(FollowUp.patient_id == patient.id, FollowUp.timepoint == "M3")
            follow_up = session.execute(of_patient).scalar_one()
            link = form_link(Issuing(session, keys, BY, NOW), patient_id=patient.id, follow_up_id=follow_up.id)
            paths.append(f"/s/{link.token}")
    database.dispose()
    return paths


def _enter(port: int, path: str) -> Visitor:
    """Open a link as a browser does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    reply = connection.getresponse()
    reply.read()
    clean, cookie = reply.headers["Location"], reply.headers["Set-Cookie"].partition(";")[0]
    connection.request("GET", clean, headers={"Cookie": cookie})
    page = connection.getresponse().read().decode()
    found = re.search(r'name="key" value="([^"]+)"', page)
    if found is None:
        raise RuntimeError("the start page carries no signed field")
    return Visitor(port, f"{clean}/q/1", cookie, found.group(1))


@contextmanager
def _running(arguments: list[str], environment: dict[str, str], is_ready: Callable[[], bool]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *arguments], env=os.environ | environment, cwd=ROOT)
    try:
        for _ in range(200):
            if is_ready():
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(port: int, path: str, expected: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", path)
        return connection.getresponse().status == expected
    except OSError:
        return False
