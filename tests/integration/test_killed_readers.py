"""Readers of returned mails that are really killed: before a mail has its effect, after that, and once it is put away.

Two mails came back; the first reader is killed at the first of them, the second a day later at the second, and the
third ends their work. Each mail has its effect once, and none is read for ever.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from registry.config import Settings
from registry.config_bounces import BounceSettings
from registry.mail.return_box import FolderBox, ImapBox, WaitingMail
from registry.security.keys import KeyRing
from registry.services import bounces
from registry.services.bounced_addresses import bounced_addresses
from registry.storage.database import Database
from registry.storage.models import Patient, ReminderState
from tests.durable_smtp import FORK, WAIT_SECONDS
from tests.imap_server import PASSWORD, USER, ImapServer
from tests.integration.test_bounces import BOUNCES, DAY, EFFECTS, Post
from tests.mortal import born

Change = Callable[[Post], None]
PUT_AWAY = {r"\Answered", r"\Seen"}

# Where a reader dies: at which of its mails, the first reader and the second.
PLACES = {"before the effect": (1, 2), "before it is put away": (1, 2), "when it is put away": (1, 1)}


@pytest.fixture
def post(database: Database, settings: Settings, keys: KeyRing, now: datetime, tmp_path: Path) -> Post:
    return Post(database, settings, keys, now, tmp_path / "bounces")


class Returned:
    """Two mails that came back: from an address that is none, and from a mailbox that is full."""

    def __init__(self, post: Post) -> None:
        self.post, self.dead, self.full = post, post.patient(), post.patient("taro@example.org")
        sent = post.sent(self.full)
        self.mails = (
            post.report(post.sent(self.dead)),
            post.report(sent, "postfix-mailbox-full", to=post.address(sent, "taro@example.org")),
        )

    @contextmanager
    def in_folder(self) -> Iterator[Callable[[], list[set[str]]]]:
        """As files; which of them are put away."""
        paths = [self.post.put(mail, str(number)) for number, mail in enumerate(self.mails)]
        yield lambda: [PUT_AWAY if (path.parent / "done" / path.name).exists() else set() for path in paths]

    @contextmanager
    def in_mailbox(self) -> Iterator[Callable[[], list[set[str]]]]:
        """At a server that no kill reaches; the flags of the mails."""
        ours, theirs = FORK.Pipe()

        def serve() -> None:
            with ImapServer() as server:
                kept = [server.deliver(mail) for mail in self.mails]
                theirs.send(server.port)
                while theirs.recv():
                    theirs.send([mail.flags for mail in kept])

        process = FORK.Process(target=serve, daemon=True)
        process.start()
        source = {"host": "127.0.0.1", "port": ours.recv(), "tls": "none", "user": USER, "password": PASSWORD}
        by_imap = BounceSettings(address=BOUNCES, **source)
        self.post.settings = self.post.settings.model_copy(update={"bounces": by_imap})

        def flags() -> list[set[str]]:
            ours.send(True)
            return list(ours.recv())

        yield flags
        ours.send(False)
        process.join(timeout=WAIT_SECONDS)


def stop_at(place: str, at_time: int, stop: Callable[[], None]) -> None:
    """Change this process, which is a reader's own, so that it stops when it comes to a place again."""
    n_left = [at_time]

    def is_here() -> bool:
        n_left[0] -= 1
        return n_left[0] == 0

    def record(*arguments: Any) -> None:
        recorded(*arguments)
        if is_here():
            stop()

    recorded = bounces._record_failure
    if place == "before the effect":
        # Inside the transaction, when all is written.
        bounces._record_failure = record
        return
    for box in (FolderBox, ImapBox):
        original = box.put_away

        def put_away(self: Any, mail: WaitingMail, *, is_odd: bool, original: Any = original) -> None:
            is_the_one = is_here()
            if is_the_one and place == "before it is put away":
                stop()
            original(self, mail, is_odd=is_odd)
            if is_the_one:
                stop()

        box.put_away = put_away  # type: ignore[method-assign]


def kill_a_reader(post: Post, place: str, at_time: int, at: datetime) -> None:
    reached: Event = FORK.Event()

    def stop() -> None:
        reached.set()
        while True:
            signal.pause()

    def live() -> None:
        stop_at(place, at_time, stop)
        post.read(at)

    process = born(post.database, live)
    assert reached.wait(timeout=WAIT_SECONDS)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def broken_promises(post: Post, kind: str, place: str) -> list[str]:
    """Kill a reader and another, let a third end their work, and look at what the mails have done."""
    returned = Returned(post)
    with returned.in_mailbox() if kind == "mailbox" else returned.in_folder() as put_away:
        for day, at_time in enumerate(PLACES[place]):
            kill_a_reader(post, place, at_time, post.now + day * DAY)
        post.read(post.now + 2 * DAY)
        is_put_away = put_away()
        again = post.read(post.now + 3 * DAY)
    with post.database.reading() as session:
        site_id = session.get_one(Patient, returned.dead).site_id
        tasks = [one.patient_id for one in bounced_addresses(session, site_id=site_id)]
    found = {
        "one task for staff": tasks != [returned.dead],
        "counted once": post.contact(returned.full).n_soft_bounces != 1,
        "told once": sorted(post.told(*EFFECTS)) != ["address_bounced", "reminder_bounced", "reminder_bounced"],
        "put away": is_put_away != [PUT_AWAY] * 2 or again != {},
    }
    return [promise for promise, is_broken in found.items() if is_broken]


@pytest.mark.parametrize("kind", ["folder", "mailbox"])
@pytest.mark.parametrize("place", PLACES)
def test_a_mail_that_came_back_has_its_effect_once_whoever_is_killed(post: Post, kind: str, place: str) -> None:
    assert broken_promises(post, kind, place) == []


# The negative controls: each takes one guard out, and a promise above is seen to break.

sqlite_alone = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@sqlite_alone
@pytest.mark.parametrize("kind", ["folder", "mailbox"])
def test_a_reader_that_believes_a_mail_twice_counts_it_twice(
    post: Post, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(bounces, "_HAS_LEFT", tuple(ReminderState))

    assert broken_promises(post, kind, "before it is put away") == ["counted once", "told once"]


@sqlite_alone
@pytest.mark.parametrize("kind", ["folder", "mailbox"])
def test_a_reader_that_puts_away_first_loses_what_it_was_told(
    post: Post, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    box = ImapBox if kind == "mailbox" else FolderBox
    waiting = box.waiting

    def put_away_first(self: Any) -> Iterator[WaitingMail]:
        for mail in waiting(self):
            self.put_away(mail, is_odd=False)
            yield mail

    monkeypatch.setattr(box, "waiting", put_away_first)
    monkeypatch.setitem(PLACES, "before the effect", (1, 1))

    assert "one task for staff" in broken_promises(post, kind, "before the effect")
