"""A dispatcher that is killed at a step of its work: what it leaves behind, and what the next one makes of it.

At the steps of SMTP the server stops, says so, and goes on when the dispatcher is dead; at the others the dispatcher
stops by itself. A copy goes out only where the whole mail was on its way, and after a day in which staff can see why.
"""

import signal
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from registry.config import Settings
from registry.mail.conversation import Conversation
from registry.security.keys import KeyRing
from registry.services import delivery, outbox
from registry.services.failed_mails import failed_mails
from registry.services.outbox import LEASE, UNKNOWN_RETRY
from registry.storage.database import Database
from registry.storage.enrolments import site_id_of
from registry.storage.models import ReminderState
from tests.durable_smtp import FORK, WAIT_SECONDS, Stop, durable_server
from tests.integration.test_outbox import Desk
from tests.mortal import (
    Mortals,
    Sabotage,
    calls_each_copy_another_mail,
    expected,
    marks_before_it_sends,
    marks_nothing_before_it_sends,
    sends_once_more_to_be_sure,
)

N_MAILS = 3
SECOND = timedelta(seconds=1)
ACCEPTED, CLAIMED, SENDING = ReminderState.ACCEPTED, ReminderState.CLAIMED, ReminderState.SENDING
AT_FIRST, AT_SECOND = (SENDING, CLAIMED, CLAIMED), (ACCEPTED, SENDING, CLAIMED)

# What each step leaves of three mails, in the order in which a dispatcher comes to it.
STEPS = {
    "claimed": (CLAIMED, CLAIMED, CLAIMED),
    "made ready": (CLAIMED, CLAIMED, CLAIMED),
    "banner": AT_FIRST,
    "ehlo": AT_FIRST,
    "starttls": AT_FIRST,
    "auth": AT_FIRST,
    "mail": AT_SECOND,
    "rcpt": AT_SECOND,
    "data": AT_SECOND,
    "half of the mail": AT_SECOND,
    # On its way to a server that has not read it yet.
    "body": AT_SECOND,
    "end": AT_SECOND,
    "marked, not committed": AT_SECOND,
    "committed": (ACCEPTED, ACCEPTED, CLAIMED),
    "quit": (ACCEPTED, ACCEPTED, ACCEPTED),
}
MAY_HAVE_ARRIVED = ("body", "end", "marked, not committed")
OPTIONS = {"starttls": {"tls": "starttls"}, "auth": {"user": "registry", "password": "secret"}}


def stop_by_itself(step: str, stop: Callable[[], None], at_mail: int) -> None:
    """Change this process, which is a dispatcher's own, so that it stops at a step which the server does not see."""
    deliver = outbox.deliver

    def deliver_and_stop(*arguments: Any) -> None:
        deliver(*arguments)
        stop()

    def send_half(server: Conversation, content: bytes) -> None:
        server._send(content[: len(content) // 2])
        stop()

    places: dict[str, tuple[Any, str, int, Callable[..., None]]] = {
        "claimed": (outbox, "make_ready", 1, lambda *_: stop()),
        "made ready": (outbox, "deliver", 1, lambda *_: stop()),
        "half of the mail": (Conversation, "hand_over", at_mail, send_half),
        # Inside the transaction, after the mark.
        "marked, not committed": (delivery, "record", at_mail, lambda *_, **__: stop()),
        "committed": (outbox, "deliver", at_mail, deliver_and_stop),
    }
    if step in places:
        owner, name, at_time, instead = places[step]
        original, calls = getattr(owner, name), count(1)
        # Nobody puts it back: the process ends by being killed.
        setattr(owner, name, lambda *a, **k: (instead if next(calls) == at_time else original)(*a, **k))


def kill_at(step: str, lives: Mortals, at: datetime, reached: Event, *, at_mail: int = 2) -> None:
    """Let a dispatcher live until it stops at a step, and kill it there; at the last one, its work is done."""

    def stop() -> None:
        reached.set()
        while True:
            signal.pause()

    def live() -> None:
        stop_by_itself(step, stop, at_mail)
        lives.live(at)
        stop()

    process = lives.born(live)
    assert reached.wait(timeout=WAIT_SECONDS)
    assert lives.kill(process)


def on_the_list_of_staff(lives: Mortals, at: datetime) -> list[str]:
    with lives.desk.database.reading() as session:
        site_id = site_id_of(session, code="DEMO")
        assert site_id is not None
        return [f"p{mail.study_id}@example.org" for mail in failed_mails(session, site_id=site_id, now=at)]


def broken_promises(desk: Desk, folder: Path, step: str) -> list[str]:
    """Let a dispatcher die at a step and others live after it, and compare what the server took."""
    reached, go_on = FORK.Event(), FORK.Event()
    left, begun = STEPS[step], desk.now
    stop = Stop(step, 2 if left == AT_SECOND else 1, reached, go_on)
    offered = {step: "2xx"} if step in OPTIONS else {}
    unknown = [expected(N_MAILS)[left.index(SENDING)]] if SENDING in left else []
    with durable_server(folder / "ledger", stop=stop, **offered) as server:
        lives = Mortals(desk, server, n_mails=N_MAILS, **OPTIONS.get(step, {}))
        kill_at(step, lives, begun, reached)
        go_on.set()
        server.settle()
        states = tuple(row.state for row in desk.rows())
        # The server has no certificate: those who come after speak to it as it is.
        lives.use(tls="none")
        n_taken = []
        for wait in (timedelta(0), SECOND, LEASE, UNKNOWN_RETRY, LEASE + UNKNOWN_RETRY, 3 * UNKNOWN_RETRY):
            if wait:
                lives.live(begun + wait)
            n_taken.append(len(server.entries()))
            if wait == LEASE:
                listed = on_the_list_of_staff(lives, begun + wait)
        entries = server.entries()
    copies = Counter(entry.recipient for entry in entries)
    promised = Counter(expected(N_MAILS)) + Counter(unknown if step in MAY_HAVE_ARRIVED else [])
    found = {
        "dies at the step": states != left,
        "nothing is lost": set(expected(N_MAILS)) - set(copies),
        "copies only where it may have arrived": copies - promised,
        "the same mail": len(set(entries)) != len(copies),
        "whoever died is waited for": n_taken[1] != n_taken[0],
        "no copy within a day": n_taken[3] != n_taken[2],
        "staff are told": listed != unknown,
        "it ends": {row.state for row in desk.rows()} != {ACCEPTED},
    }
    return [promise for promise, is_broken in found.items() if is_broken]


@pytest.fixture
def desk(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    return Desk(database, settings, keys, now)


@pytest.mark.parametrize("step", STEPS)
def test_whoever_comes_after_a_dispatcher_that_was_killed_ends_its_work(desk: Desk, tmp_path: Path, step: str) -> None:
    assert broken_promises(desk, tmp_path, step) == []


def test_a_mail_whose_sender_dies_twice_before_the_server_has_it_is_on_the_list_of_staff(
    desk: Desk, tmp_path: Path
) -> None:
    """Nobody knows that the server has nothing: another attempt might be a third copy."""
    second = desk.now + LEASE + UNKNOWN_RETRY
    with durable_server(tmp_path / "ledger") as server:
        lives = Mortals(desk, server, n_mails=1)
        kill_at("half of the mail", lives, desk.now, FORK.Event(), at_mail=1)
        lives.live(desk.now + LEASE)
        kill_at("half of the mail", lives, second, FORK.Event(), at_mail=1)
        for days in range(1, 6):
            lives.live(second + days * UNKNOWN_RETRY)

        assert server.entries() == []
        assert on_the_list_of_staff(lives, second + LEASE) == expected(1)


# The negative controls: each takes one guard out, and a promise above is seen to break.


def _claims_for_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LEASE", timedelta(0))


def _sends_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "UNKNOWN_RETRY", LEASE)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("break_a_guard", "step", "promise"),
    [
        (marks_before_it_sends, "rcpt", "nothing is lost"),
        (marks_nothing_before_it_sends, "end", "staff are told"),
        (calls_each_copy_another_mail, "end", "the same mail"),
        (sends_once_more_to_be_sure, "claimed", "copies only where it may have arrived"),
        (_claims_for_no_time, "claimed", "whoever died is waited for"),
        (_sends_again_at_once, "end", "no copy within a day"),
    ],
)
def test_a_dispatcher_without_a_guard_is_found(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_a_guard: Sabotage, step: str, promise: str
) -> None:
    break_a_guard(monkeypatch)

    assert promise in broken_promises(desk, tmp_path, step)
