"""A mail server that fails at any stage in any way: nothing is lost, and copies go out only where nobody knows.

What the server took stands in its own ledger, and decides.
"""

from datetime import datetime, timedelta
from itertools import product

import pytest
from sqlmodel import select

from registry.config import Settings
from registry.mail import conversation
from registry.mail.outgoing import Outgoing
from registry.mail.transport import MailFailure, SmtpTransport
from registry.security.keys import KeyRing
from registry.services import delivery
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database
from registry.storage.models import Reminder, ReminderState
from tests.integration.test_outbox import Desk
from tests.scripted_smtp import FAULTS, SLOWLY, STAGES, ScriptedServer

# What a reply means does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PATIENCE = 3 * SLOWLY
EMAIL = "hanako@example.org"
ACCEPTED, DEFERRED = ReminderState.ACCEPTED, ReminderState.DEFERRED
REJECTED, UNKNOWN = ReminderState.REJECTED, ReminderState.UNKNOWN

# What becomes of a mail, by what goes wrong; a stage that is named beside its fault knows better.
EXPECTED: dict[str | tuple[str, str], str] = {
    "2xx": ACCEPTED,
    "slow": ACCEPTED,
    "multi-line": ACCEPTED,
    "4xx": DEFERRED,
    "5xx": DEFERRED,
    "garbage": DEFERRED,
    "drop": DEFERRED,
    "half a line": DEFERRED,
    "half a yes": DEFERRED,
    "half a reply": DEFERRED,
    "silent": DEFERRED,
    ("rcpt", "5xx"): REJECTED,
    ("end", "garbage"): UNKNOWN,
    ("end", "drop"): UNKNOWN,
    ("end", "half a line"): UNKNOWN,
    ("end", "half a yes"): UNKNOWN,
    ("end", "half a reply"): UNKNOWN,
    ("end", "silent"): UNKNOWN,
    **{("quit", fault): ACCEPTED for fault in FAULTS},
}
CASES = list(product(STAGES, FAULTS))
STARTTLS = ["4xx", "5xx", "garbage", "drop", "half a line", "half a reply", "silent"]


class Post:
    """One due mail and a server for it."""

    def __init__(self, desk: Desk, server: ScriptedServer, tls: str = "none") -> None:
        self.desk, self.server = desk, server
        mail = desk.settings.mail.model_copy(
            update={"host": "127.0.0.1", "port": server.port, "tls": tls, "connections": 1}
        )
        self.settings = desk.settings.model_copy(update={"mail": mail})

    def run(self, at: datetime) -> str:
        with SmtpTransport(self.settings.mail) as transport:
            send_due_reminders(
                Dispatch(self.desk.database, self.settings, self.desk.keys, transport, lambda: at, chance=lambda: 0.0)
            )
        return self.row().state

    def row(self) -> Reminder:
        with self.desk.database.reading() as session:
            return session.exec(select(Reminder).where(Reminder.due_on <= self.desk.now.date())).one()

    def broken_promises(self, first: str) -> list[str]:
        """Heal the server, let two days pass, and compare what it took with what was promised."""
        n_before = len(self.server.ledger)
        self.server.faults = {name: "2xx" for name in self.server.faults if name == "starttls"}
        for hours in (0.01, 1, 7, 23, 25, 50):
            self.run(self.desk.now + timedelta(hours=hours))
            if hours == 23 and first == UNKNOWN and len(self.server.ledger) > n_before:
                return ["a second copy went out within a day"]
        ledger, most = self.server.ledger, 2 if first == UNKNOWN else 1
        found = {
            "lost": first != REJECTED and not ledger,
            "sent though it was refused": first == REJECTED and bool(ledger),
            "too many copies": len(ledger) > most,
            "copies that are not the same mail": len({taken.message_id for taken in ledger}) > 1,
            "somebody else's": any(taken.recipient != EMAIL for taken in ledger),
            "not written down": (self.row().state == ACCEPTED) != bool(ledger),
        }
        return [promise for promise, is_broken in found.items() if is_broken]


@pytest.fixture
def desk(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    found = Desk(database, settings, keys, now)
    found.enrol(email=EMAIL)
    return found


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched because nobody waits ten minutes for a test."""
    for name in ("CONNECT", "COMMAND", "DATA"):
        monkeypatch.setattr(conversation, f"{name}_TIMEOUT_SECONDS", PATIENCE)


@pytest.mark.parametrize(("stage", "fault"), CASES)
def test_each_fault_is_taken_for_what_it_is_and_nothing_is_lost(desk: Desk, stage: str, fault: str) -> None:
    with ScriptedServer(**{stage: fault}) as server:
        post = Post(desk, server)
        state = post.run(desk.now)

        assert state == EXPECTED.get((stage, fault), EXPECTED[fault])
        assert post.broken_promises(state) == []


@pytest.mark.parametrize("fault", STARTTLS)
def test_no_mail_goes_over_a_connection_that_could_not_be_made_safe(desk: Desk, fault: str) -> None:
    with ScriptedServer(starttls=fault) as server:
        state = Post(desk, server, tls="starttls").run(desk.now)

        assert (state, server.ledger) == (DEFERRED, [])


# The negative controls: each takes one guard out, and the promises above are seen to break.


def test_a_dispatcher_that_believes_every_mail_to_be_taken_loses_some(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = SmtpTransport.send

    def send_and_believe(self: SmtpTransport, message: Outgoing, *, recipient: str, sender: str) -> None:
        try:
            send(self, message, recipient=recipient, sender=sender)
        except MailFailure:
            return

    monkeypatch.setattr(SmtpTransport, "send", send_and_believe)
    with ScriptedServer(rcpt="drop") as server:
        post = Post(desk, server)
        state = post.run(desk.now)

        assert "lost" in post.broken_promises(state)


def test_a_dispatcher_that_tries_an_unknown_mail_at_once_sends_copies(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "UNKNOWN_RETRY", timedelta(0))
    with ScriptedServer(end="drop") as server:
        post = Post(desk, server)
        state = post.run(desk.now)
        server.faults = {}

        assert post.broken_promises(state) != [] or len(server.ledger) > 1
