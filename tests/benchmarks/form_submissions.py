"""A patient's visit (GET a question, POST its answer, durable commit) beside bare Flask and sqlite3."""

import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread
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
CLIENTS = 4
ROUNDS = 5
SECONDS = 3.0
GUNICORN = [
    "-m",
    "gunicorn",
    "--worker-class",
    "gthread",
    "--threads",
    "8",
    "--no-control-socket",
    "--log-level",
    "error",
]


class Visitor:
    """One patient's browser: a kept connection, a cookie and a signed field."""

    def __init__(self, port: int, path: str, cookie: str = "", key: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._path, self._cookie, self._key = path, cookie, key
        self._count = 0

    def begin_round(self) -> None:
        """Connect anew: the server has closed what was idle while the other one was measured."""
        self._connection.close()

    def visit(self) -> float:
        """Look at the question and answer it differently from the last time; how long the answer took."""
        self._count += 1
        self._exchange("GET", "", 200)
        begun = time.perf_counter()
        self._exchange("POST", urlencode({"key": self._key, "vas_low_back": self._count % 101}), 303)
        return time.perf_counter() - begun

    def _exchange(self, method: str, body: str, expected: int) -> None:
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request(method, self._path, body, headers)
        reply = self._connection.getresponse()
        reply.read()
        if reply.status != expected:
            raise RuntimeError(f"{method} {self._path}: {reply.status}")


def main() -> None:
    """Measure both in turns and print the ratio of the medians."""
    with tempfile.TemporaryDirectory() as folder:
        ports = free_port(), free_port()
        with _bare(Path(folder), ports[0]), _registry(Path(folder), ports[1]) as forms:
            visitors = {
                "bare": [Visitor(ports[0], f"/form/{number}/q/1") for number in range(CLIENTS)],
                "registry": [_enter(ports[1], path) for path in forms],
            }
            runs: dict[str, list[tuple[float, list[float]]]] = {name: [] for name in visitors}
            for round_ in range(ROUNDS + 1):
                for name, group in visitors.items():
                    measured = _together(group)
                    if round_:  # the first round warms both up
                        runs[name].append(measured)
    _print(runs)


def _print(runs: dict[str, list[tuple[float, list[float]]]]) -> None:
    rates = {name: statistics.median(rate for rate, _ in measured) for name, measured in runs.items()}
    for name, measured in runs.items():
        waits = sorted(wait for _, part in measured for wait in part)
        p50, p99 = (1000 * waits[int(len(waits) * share)] for share in (0.5, 0.99))
        sys.stdout.write(f"{name:>9}: {rates[name]:7.0f} visits/s, POST p50 {p50:5.1f} ms, p99 {p99:5.1f} ms\n")
    sys.stdout.write(
        f"    ratio: {rates['registry'] / rates['bare']:.2f} of bare Flask + sqlite3 ({CLIENTS} clients)\n"
    )


def _together(visitors: list[Visitor]) -> tuple[float, list[float]]:
    """Visits a second of all clients at once, and how long each POST took."""
    waits: list[float] = []
    ends = time.perf_counter() + SECONDS

    def keep_visiting(visitor: Visitor) -> None:
        visitor.begin_round()
        while time.perf_counter() < ends:
            waits.append(visitor.visit())

    threads = [Thread(target=keep_visiting, args=(visitor,)) for visitor in visitors]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(waits) / (time.perf_counter() - begun), waits


@contextmanager
def _bare(folder: Path, port: int) -> Iterator[None]:
    arguments = [sys.executable, *GUNICORN, "--bind", f"127.0.0.1:{port}", "tests.benchmarks.bare_app:app"]
    with _running(
        arguments, os.environ | {"BARE_DATABASE": str(folder / "bare.db")}, lambda: _answers(port, "/none", 404)
    ):
        yield


@contextmanager
def _registry(folder: Path, port: int) -> Iterator[list[str]]:
    values = {
        "DATABASE_URL": f"sqlite:///{folder}/registry.db",
        "SECURITY_KEY_FILE": f"{folder}/key",
        "WEB_PORT": str(port),
    }
    environment = os.environ | {f"REGISTRY_{name}": value for name, value in values.items()}
    environment["REGISTRY_DEMO_NOW"] = NOW.isoformat()
    os.environ.update(environment)
    forms = _prepare()
    with _running([sys.executable, "-m", "registry", "serve"], environment, lambda: _answers(port, "/healthz", 200)):
        yield forms


def _prepare() -> list[str]:
    """A database with one open form for each client, and the paths of their links."""
    settings = load_settings(ROOT / "config.toml")
    bring_up_to_date(settings)
    database, keys = Database(settings.database.url), load_keys(settings.security.key_file)
    paths = []
    with database.transaction() as session:
        for _ in range(CLIENTS):
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
    process = subprocess.Popen(arguments, env=environment, cwd=ROOT)
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
