"""The processes as an operator meets them: they start, they say what is wrong, and they stop when told to."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.journeys.processes import (
    STOP_SECONDS,
    answers,
    ask,
    mails,
    run,
    running,
    wait_until,
)
from tests.returned import returned_mail


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


def test_ctrl_c_in_a_terminal_which_reaches_every_process_stops_all_of_them_quietly(
    environment: dict[str, str],
) -> None:
    with running("run", environment) as process:
        wait_until(lambda: answers(environment) and len(mails(environment)) >= 20)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=STOP_SECONDS)

    assert process.returncode == 0
    assert not re.search("Fatal|Traceback|WARNING", said)


def test_a_scheduler_told_to_stop_again_while_it_stops_ends_quietly(environment: dict[str, str]) -> None:
    run(["database", "upgrade"], environment)
    run(["demo"], environment)
    with running("scheduler", environment) as process:
        wait_until(lambda: len(mails(environment)) >= 1)
        for told in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            process.send_signal(told)
            time.sleep(0.005)
        said, _ = process.communicate(timeout=STOP_SECONDS)

    assert (process.returncode, "Traceback" in said) == (0, False)


def test_a_taken_port_is_said_in_one_line(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["REGISTRY_WEB_PORT"])))
        taken.listen()
        result = run(["run"], environment)

    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"registry: port \S+ cannot be used \(.*\); choose another, such as PORT=8001\n", result.stderr)


def test_the_second_start_keeps_the_data(environment: dict[str, str]) -> None:
    sign_ins = "SELECT count(*), max(id) FROM patient"
    rows = []
    for _ in range(2):
        with running("run", environment) as process:
            wait_until(lambda: answers(environment) and len(mails(environment)) >= 20)
            rows.append(ask(environment, sign_ins))
            process.terminate()
            process.communicate(timeout=STOP_SECONDS)

    assert rows[0] == rows[1] == [(201, 201)]


def test_the_demo_registry_is_loaded_into_an_empty_database_only(environment: dict[str, str]) -> None:
    run(["database", "upgrade"], environment)
    run(["demo"], environment)

    again = run(["demo"], environment)

    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


def test_a_killed_parent_leaves_nobody_behind(environment: dict[str, str]) -> None:
    with running("run", environment) as process:
        wait_until(lambda: answers(environment))
        process.kill()
        process.wait()

        wait_until(lambda: not answers(environment))

    assert run(["serve", "--config", "nowhere.toml"], environment).returncode == 1


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
    environment["REGISTRY_DEMO_NOW"] = "2026-11-20T10:00:00+09:00"
    run(["database", "upgrade"], environment)
    run(["demo"], environment)
    due = ask(environment, "SELECT id FROM reminder WHERE state = 'planned' AND due_on <= '2026-11-20'")
    with running("scheduler", environment) as process:
        wait_until(lambda: len(mails(environment)) >= 1)
        process.kill()

    for later in ("2026-11-20T10:30:00+09:00", "2026-11-21T10:30:00+09:00"):
        run(["reminders", "send"], environment | {"REGISTRY_DEMO_NOW": later})

    ids = ", ".join(str(id_) for (id_,) in due)
    states = ask(environment, f"SELECT state, count(*) FROM reminder WHERE id IN ({ids}) GROUP BY state")
    assert {state for state, _ in states} == {"accepted", "skipped"}
    assert len(due) >= 20


@pytest.mark.long
@pytest.mark.parametrize("n_mails", range(1, 30, 3))
def test_a_scheduler_killed_at_any_moment_sends_each_mail_and_no_mail_more_than_twice(
    environment: dict[str, str], n_mails: int
) -> None:
    environment["REGISTRY_DEMO_NOW"] = "2026-11-20T10:00:00+09:00"
    run(["database", "upgrade"], environment)
    run(["demo"], environment)
    with running("scheduler", environment) as process:
        wait_until(lambda: len(mails(environment)) >= n_mails)
        process.kill()

    for later in ("2026-11-20T10:30:00+09:00", "2026-11-21T10:30:00+09:00"):
        run(["reminders", "send"], environment | {"REGISTRY_DEMO_NOW": later})

    attempts = ask(environment, "SELECT n_attempts, state FROM reminder WHERE n_attempts > 0")
    assert {state for _, state in attempts} == {"accepted"}
    assert sum(n > 1 for n, _ in attempts) <= 1


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


def test_a_scheduler_gives_a_sign_of_life_and_doctor_misses_it(environment: dict[str, str]) -> None:
    environment["REGISTRY_DEMO_NOW"] = "2026-11-20T12:00:00+09:00"
    assert run(["database", "upgrade"], environment).returncode == 0
    never = run(["doctor"], environment)

    with running("scheduler", environment) as process:
        wait_until(lambda: ask(environment, "SELECT count(*) FROM heartbeat WHERE beat_at IS NOT NULL") == [(1,)])
        process.terminate()
        process.wait(timeout=STOP_SECONDS)
    alive = run(["doctor"], environment)
    silent = run(["doctor"], environment | {"REGISTRY_DEMO_NOW": "2026-11-20T12:11:00+09:00"})

    assert (never.returncode, "The scheduler is not running" in never.stdout) == (1, True)
    assert (alive.returncode, "Nothing is wrong." in alive.stdout) == (0, True)
    assert (silent.returncode, "last sign at 2026-11-20 03:00:00 UTC" in silent.stdout) == (1, True)


def test_a_scheduler_reads_returned_mails(environment: dict[str, str], tmp_path: Path) -> None:
    assert run(["database", "upgrade"], environment).returncode == 0
    folder = tmp_path / "returned"
    folder.mkdir()
    (folder / "1").write_bytes(returned_mail("postfix-unknown-user"))
    source = {"REGISTRY_BOUNCES_ADDRESS": "bounces@hospital.example", "REGISTRY_BOUNCES_FOLDER": str(folder)}

    with running("scheduler", environment | source) as process:
        wait_until(lambda: (folder / "odd" / "1").exists())
        process.terminate()
        said, _ = process.communicate(timeout=STOP_SECONDS)

    assert "Returned mails: 1 unsigned" in said


def test_a_scheduler_that_need_not_read_returned_mails_ends_the_alarm(environment: dict[str, str]) -> None:
    environment["REGISTRY_DEMO_NOW"] = "2026-11-20T12:00:00+09:00"
    assert run(["database", "upgrade"], environment).returncode == 0
    nowhere = {"REGISTRY_BOUNCES_ADDRESS": "b@hospital.example", "REGISTRY_BOUNCES_FOLDER": "/nowhere"}
    assert run(["bounces", "read"], environment | nowhere).returncode == 1
    unread = "SELECT count(*) FROM heartbeat WHERE bounces_unread_since IS NOT NULL"
    before = ask(environment, unread)

    with running("scheduler", environment) as process:
        wait_until(lambda: ask(environment, unread) == [(0,)])
        process.terminate()
        process.wait(timeout=STOP_SECONDS)

    assert before == [(1,)]


def test_a_request_that_cannot_be_read_leaves_no_token_in_the_log(environment: dict[str, str]) -> None:
    assert run(["database", "upgrade"], environment).returncode == 0
    token = "hmcdrd83v789kqmhrbwa1hkbdc"
    with running("serve", environment) as process:
        wait_until(lambda: answers(environment))
        unreadable = exchange(environment, f"GET /s/{token}。 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        odd = exchange(environment, f"GET /s/{token} HTTP/1.1\r\nHost: 127.0.0.1\r\nSCRIPT_NAME: /elsewhere\r\n\r\n")
        process.terminate()
        said, _ = process.communicate(timeout=STOP_SECONDS)

    assert unreadable.startswith("HTTP/1.1 400")
    assert odd.startswith(("HTTP/1.1 400", "HTTP/1.1 404"))
    assert (token in said, "127.0.0.1" in said.replace("http://127.0.0.1", "")) == (False, False)


def test_no_header_says_under_which_path_the_registry_is(environment: dict[str, str]) -> None:
    """Staff's pages would otherwise be reached through the paths of patients, which a proxy lets in."""
    assert run(["database", "upgrade"], environment).returncode == 0
    with running("serve", environment):
        wait_until(lambda: answers(environment))
        sign_in = exchange(environment, "GET /s/login HTTP/1.1\r\nHost: 127.0.0.1\r\nSCRIPT_NAME: /s\r\n\r\n")

    assert sign_in.startswith(("HTTP/1.1 400", "HTTP/1.1 404"))
    assert "password" not in sign_in


def exchange(environment: dict[str, str], request: str) -> str:
    """Send bytes as they are, and return what comes back."""
    with socket.create_connection(("127.0.0.1", int(environment["REGISTRY_WEB_PORT"])), timeout=10) as connection:
        connection.sendall(request.encode())
        connection.settimeout(2)
        found = b""
        try:
            while part := connection.recv(65536):
                found += part
        except TimeoutError:
            pass
    return found.decode(errors="replace")
