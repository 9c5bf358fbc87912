"""Dispatchers that are killed without warning at any moment: no mail is lost, and a second copy has its reason.

A kill between a mail and its mark leaves one mail for each connection of which nobody knows whether it arrived: it goes
out once more, as the same mail, and staff are told. Where its sender dies again, it is given up before their eyes.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from registry.config import Settings
from registry.security.keys import KeyRing
from registry.services import outbox
from registry.services.outbox import LEASE, UNKNOWN_RETRY
from registry.storage.database import Database
from registry.storage.models import ReminderState
from tests.durable_smtp import Entry, durable_server
from tests.integration.test_outbox import Desk
from tests.mortal import (
    Mortals,
    Sabotage,
    calls_each_copy_another_mail,
    claims_nothing,
    expected,
    marks_before_it_sends,
    marks_nothing_before_it_sends,
    sends_once_more_to_be_sure,
)

N_KILLS = 200
N_MAILS = 300
N_KILLS_LONG = 10_000
SEED = 20261121
MAILS_OF_A_LIFE = 2
sqlite_alone = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Deaths:
    """How many died, how many of them between a mail and its mark, and how many mails the server had then unmarked."""

    n: int = 0
    n_in_window: int = 0
    n_unmarked: int = 0
    has_too_many: bool = False
    """Whether there were ever more of these than connections were cut."""

    def add(self, n_killed: int, unmarked: list[Entry], connections: int) -> None:
        """Those who lived at the same time."""
        self.n += n_killed
        self.n_in_window += bool(unmarked)
        self.n_unmarked += len(unmarked)
        self.has_too_many |= len(unmarked) > n_killed * connections


@contextmanager
def mortals(desk: Desk, folder: Path, *, n_mails: int, connections: int = 1) -> Iterator[Mortals]:
    with durable_server(folder / "ledger") as server:
        yield Mortals(desk, server, n_mails=n_mails, connections=connections)


@pytest.fixture
def desk(database: Database, settings: Settings, keys: KeyRing, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Desk:
    # Short batches: whoever is born comes to its first mail sooner, and more of the kills meet one on its way.
    monkeypatch.setattr(outbox, "BATCH_SIZE", MAILS_OF_A_LIFE)
    return Desk(database, settings, keys, now)


def warm_up(lives: Mortals) -> None:
    """This process, which the others are copies of, learns its statements once for all of them."""
    lives.live(lives.desk.now, is_stopping=lambda: bool(lives.server.entries()))


def deaths(lives: Mortals, *, n_kills: int, seed: int, n_at_once: int) -> tuple[Deaths, datetime]:
    """Kill dispatchers at random moments; what they left behind, and what time it is by then."""
    warm_up(lives)
    chance, at, found, longest = random.Random(seed), lives.desk.now, Deaths(), 0.1
    n_seen = len(lives.server.entries())
    for _ in range(2 * n_kills):
        if found.n >= n_kills and found.n_in_window >= n_kills // 10:
            break
        processes = [lives.born(lambda at=at: lives.live(at)) for _ in range(n_at_once)]
        n_killed = sum(lives.kill(process, after=chance.uniform(0, longest)) for process in processes)
        lives.server.settle()
        entries = lives.server.entries()
        found.add(n_killed, lives.unmarked(entries[n_seen:]), lives.settings.mail.connections)
        # However fast the machine is at the moment: two in five of them come as far as a mail.
        longest = longest * 0.93 if len(entries) > n_seen else min(longest * 1.05, 1)
        n_seen = len(entries)
        # Now and then the leases of the dead run out, and what they had in hand is taken up again.
        at += LEASE if chance.random() < 0.3 else timedelta(seconds=1)
    return found, at


def broken_promises(lives: Mortals, *, n_kills: int, seed: int = SEED, n_at_once: int = 1) -> list[str]:
    """Kill dispatchers at random moments, let one live in the end, and compare what the server took."""
    connections = lives.settings.mail.connections
    died, at = deaths(lives, n_kills=n_kills, seed=seed, n_at_once=n_at_once)
    lives.use(connections=4)
    for wait in (LEASE, LEASE, UNKNOWN_RETRY, LEASE, UNKNOWN_RETRY):
        at += wait
        lives.live(at)
    entries, ours, told_of = lives.server.entries(), set(expected(lives.n_mails)), lives.told_of()
    copies = Counter(entry.recipient for entry in entries)
    rows = {f"p{row.patient_id}@example.org": row for row in lives.desk.rows()}
    given_up = {address for address, row in rows.items() if row.state == ReminderState.REJECTED}
    found = {
        # Whose sender died twice is on the list of staff: another attempt might be a third copy.
        "lost": ours - set(copies) - given_up,
        "given up after fewer than two deaths": given_up - told_of or 2 * len(given_up) > died.n * connections,
        "not ours": set(copies) - ours,
        "more than two copies": [address for address, n in copies.items() if n > 2],
        "more mails of unknown fate than connections were cut": died.has_too_many,
        "more copies than mails of unknown fate": copies.total() - len(copies) > died.n_unmarked,
        "copies that are not the same mail": len(set(entries)) != len(copies),
        "copies that nobody is told of": {address for address, n in copies.items() if n > 1} - told_of,
        "too few died at work to say anything": died.n < n_kills or died.n_in_window < n_kills // 10,
        "unfinished": {row.state for row in rows.values()} - {ReminderState.ACCEPTED, ReminderState.REJECTED},
    }
    return [promise for promise, is_broken in found.items() if is_broken]


@pytest.mark.parametrize(
    "seed", [SEED, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(N_KILLS_LONG // N_KILLS))]
)
def test_dispatchers_that_are_killed_lose_nothing(desk: Desk, tmp_path: Path, seed: int) -> None:
    """Two hundred kills; ten thousand among those that take long, each two hundred at a registry of their own."""
    with mortals(desk, tmp_path, n_mails=N_MAILS) as lives:
        assert broken_promises(lives, n_kills=N_KILLS, seed=seed) == []


@pytest.mark.parametrize("n_kills", [20, pytest.param(N_KILLS, marks=pytest.mark.long)])
@pytest.mark.parametrize(("n_at_once", "connections"), [(2, 1), (1, 2)])
def test_a_kill_leaves_one_mail_of_unknown_fate_for_each_connection(
    desk: Desk, tmp_path: Path, n_at_once: int, connections: int, n_kills: int
) -> None:
    with mortals(desk, tmp_path, n_mails=8 * n_kills, connections=connections) as lives:
        assert broken_promises(lives, n_kills=n_kills, n_at_once=n_at_once) == []


# The negative controls: each takes one guard out, and a promise above is seen to break.


@sqlite_alone
@pytest.mark.parametrize(
    ("break_a_guard", "n_at_once", "promise"),
    [
        (marks_before_it_sends, 1, "lost"),
        (marks_nothing_before_it_sends, 1, "copies that nobody is told of"),
        (calls_each_copy_another_mail, 1, "copies that are not the same mail"),
        (sends_once_more_to_be_sure, 1, "more copies than mails of unknown fate"),
        (claims_nothing, 2, "more copies than mails of unknown fate"),
    ],
)
def test_a_dispatcher_without_a_guard_is_found(
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_a_guard: Sabotage,
    n_at_once: int,
    promise: str,
) -> None:
    break_a_guard(monkeypatch)

    with mortals(desk, tmp_path, n_mails=60) as lives:
        assert promise in broken_promises(lives, n_kills=30, n_at_once=n_at_once)
