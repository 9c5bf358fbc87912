"""Dispatchers that are killed without warning at any moment: no mail is lost, and a second copy has its reason.

The server writes each mail down and makes that durable before it answers: its ledger is the truth, whoever dies.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from registry.config import Settings, SiteSettings
from registry.mail.transport import SmtpTransport
from registry.security.keys import KeyRing
from registry.services import delivery, outbox
from registry.services.outbox import LEASE, UNKNOWN_RETRY, Dispatch, send_due_reminders
from registry.storage.database import Database
from registry.storage.models import ReminderState
from registry.storage.outbox import Claim
from tests.integration.test_outbox import Desk, many_due
from tests.scripted_smtp import ScriptedServer, Taken

N_MAILS = 1500
N_KILLS = 100
# Forked from a process that has loaded everything: a life begins within a few milliseconds.
_FORK = get_context("fork")


class DurableServer(ScriptedServer):
    """Writes each mail into a file, and makes it durable, before it says so."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("a")

    def take(self, taken: Taken) -> None:
        """The one line that counts."""
        # As slow on every machine: many kills fall between a mail and its reply, and no machine is done too early.
        time.sleep(0.01)
        self._file.write(f"{taken.recipient} {taken.message_id}\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        super().take(taken)


@contextmanager
def server_of_its_own(path: Path) -> Iterator[int]:
    """The server as a process, which no kill reaches."""
    ours, theirs = _FORK.Pipe()

    def serve() -> None:
        with DurableServer(path) as server:
            theirs.send(server.port)
            theirs.recv()

    process = _FORK.Process(target=serve, daemon=True)
    process.start()
    try:
        yield int(ours.recv())
    finally:
        ours.send("enough")
        process.join(timeout=10)


class Harness:
    """A registry with many due mails, and dispatchers that live for moments."""

    def __init__(self, desk: Desk, port: int, ledger: Path) -> None:
        mail = desk.settings.mail.model_copy(
            update={"host": "127.0.0.1", "port": port, "tls": "none", "connections": 2}
        )
        self.desk, self.ledger = desk, ledger
        self.settings = desk.settings.model_copy(update={"mail": mail})
        desk.write(lambda session: many_due(session, N_MAILS, desk.now))
        desk.database.dispose()

    def live(self, at: datetime, is_alive: Event | None = None) -> None:
        """What a dispatcher does from its first breath to its last."""
        database = Database(self.settings.database.url)
        if is_alive is not None:
            is_alive.set()
        with SmtpTransport(self.settings.mail) as transport:
            send_due_reminders(Dispatch(database, self.settings, self.desk.keys, transport, lambda: at))
        database.dispose()

    def kill_one(self, at: datetime, *, after: float) -> bool:
        """Begin a dispatcher and kill it, whatever it is doing; False when it had nothing left to do."""
        is_alive = _FORK.Event()
        process = _FORK.Process(target=self.live, args=(at, is_alive))
        process.start()
        is_alive.wait(timeout=10)
        process.join(timeout=after)
        process.kill()
        process.join()
        return process.exitcode == -signal.SIGKILL

    def copies(self) -> Counter[str]:
        """How often the server took a mail for each address."""
        return Counter(line.split()[0] for line in self.ledger.read_text().splitlines())

    def n_mails(self) -> int:
        """How many different mails the server took."""
        return len(set(self.ledger.read_text().splitlines()))


@pytest.fixture
def harness(database: Database, settings: Settings, keys: KeyRing, now: datetime, tmp_path: Path) -> Iterator[Harness]:
    ledger = tmp_path / "ledger"
    ledger.touch()
    with server_of_its_own(ledger) as port:
        yield Harness(Desk(database, settings, keys, now), port, ledger)


def broken_promises(harness: Harness, *, n_kills: int, seed: int) -> list[str]:
    """Kill dispatchers at random moments, let one live in the end, and compare what the server took."""
    chance = random.Random(seed)
    at = harness.desk.now
    n_killed = 0
    for _ in range(n_kills):
        n_killed += harness.kill_one(at, after=chance.uniform(0, 0.1))
        # Now and then the leases of the dead run out, and what they had in hand is taken up again.
        at += LEASE if chance.random() < 0.3 else timedelta(seconds=1)
    for wait in (LEASE, LEASE, UNKNOWN_RETRY, LEASE, UNKNOWN_RETRY):
        at += wait
        harness.live(at)
    copies = harness.copies()
    states = Counter(row.state for row in harness.desk.rows())
    found = {
        "lost": [address for address in expected() if not copies[address]],
        "not ours": set(copies) - expected(),
        "more than two copies": [address for address, n in copies.items() if n > 2],
        # Two mails may be on their way at once.
        "more copies than kills can have made": copies.total() - N_MAILS > 2 * n_killed,
        "copies that are not the same mail": harness.n_mails() != len(copies),
        "too few died at work to say anything": n_killed < n_kills // 2,
        "unfinished": set(states) - {ReminderState.ACCEPTED, ReminderState.REJECTED},
    }
    return [promise for promise, is_broken in found.items() if is_broken]


def expected() -> set[str]:
    return {f"p{number}@example.org" for number in range(1000, 1000 + N_MAILS)}


def test_dispatchers_that_are_killed_lose_nothing(harness: Harness) -> None:
    begun = time.monotonic()

    assert broken_promises(harness, n_kills=N_KILLS, seed=20261121) == []
    assert time.monotonic() - begun < 120


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_dispatcher_that_marks_before_it_sends_loses_mails(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    monkeypatch.setattr(outbox, "deliver", _deliver_marked_first)

    assert "lost" in broken_promises(harness, n_kills=N_KILLS, seed=20261121)


def _deliver_marked_first(dispatch: Dispatch, claim: Claim, site: SiteSettings) -> str:
    decided = delivery._decide(dispatch, claim, site)
    assert not isinstance(decided, str)
    values = {"state": ReminderState.ACCEPTED, "sent_at": dispatch.clock(), "next_attempt_at": None}
    delivery._write_down(dispatch, claim, delivery.Outcome(ReminderState.ACCEPTED, values))
    message = decided.written(site, dispatch.settings)
    return delivery._hand_over(dispatch, decided.mail, decided.attempt, message).name
