"""The processes as an operator meets them: they start, they say what is wrong, and they stop when told to."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.conftest import ROOT
from tests.live import free_port

BEGIN_SECONDS = 60
STOP_SECONDS = 30


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A registry of its own in a folder of its own."""
    values = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/registry.db",
        "MAIL_FOLDER": str(tmp_path / "outbox"),
        "SECURITY_KEY_FILE": str(tmp_path / "secret.key"),
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


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    arguments = [sys.executable, "-m", "registry", *command]
    return subprocess.run(arguments, env=environment, cwd=ROOT, text=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_one_command_starts_everything_and_one_signal_stops_it(
    environment: dict[str, str], told: signal.Signals
) -> None:
    with running("run", environment) as process:
        wait_until(lambda: answers(environment) and len(mails(environment)) >= 20)
        process.send_signal(told)
        said, _ = process.communicate(timeout=STOP_SECONDS)

    assert process.returncode == 0
    assert re.search(r"sign in as surgeon with the password \S{12,}", said)
    assert "/demo/outbox" in said
    assert not answers(environment)


def test_a_taken_port_is_said_in_one_line(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["REGISTRY_WEB_PORT"])))
        taken.listen()
        result = run(["run"], environment)

    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"registry: port \S+ cannot be used \(.*\); choose another, such as PORT=8001\n", result.stderr)


def test_the_second_start_keeps_the_data(environment: dict[str, str]) -> None:
    run(["database", "upgrade"], environment)
    run(["demo"], environment)

    again = run(["demo"], environment)

    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


def test_two_schedulers_at_once_send_one_copy(environment: dict[str, str]) -> None:
    run(["database", "upgrade"], environment)
    run(["demo"], environment)

    with running("scheduler", environment) as one, running("scheduler", environment) as other:
        wait_until(lambda: len(mails(environment)) >= 20)
        time.sleep(1)
        for process in (one, other):
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=STOP_SECONDS)

    addressees = [re.search(r"^To: (.*)$", mail.read_text(), re.MULTILINE) for mail in mails(environment)]
    names = [found.group(1) for found in addressees if found]
    assert len(names) == len(set(names))
    assert run(["reminders", "send"], environment).stdout == "Nothing is due.\n"


def test_a_scheduler_that_is_killed_leaves_nothing_unsent(environment: dict[str, str]) -> None:
    run(["database", "upgrade"], environment)
    run(["demo"], environment)
    with running("scheduler", environment) as process:
        wait_until(lambda: len(mails(environment)) >= 1)
        process.kill()
    n_before = len(mails(environment))
    environment["REGISTRY_DEMO_NOW"] = "2027-01-01T00:00:00+09:00"

    run(["reminders", "send"], environment)

    assert len(mails(environment)) > n_before


@pytest.mark.parametrize(
    ("command", "status"),
    [(["nonsense"], 2), (["report", "cohort"], 2), (["scheduler"], 1), (["serve", "--config", "nowhere.toml"], 1)],
)
def test_errors_go_to_standard_error_with_their_status(
    environment: dict[str, str], command: list[str], status: int
) -> None:
    result = run(command, environment)

    assert (result.returncode, result.stdout, "Traceback" in result.stderr) == (status, "", False)
    assert result.stderr
