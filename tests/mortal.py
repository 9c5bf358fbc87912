"""Dispatchers that are real processes and are really killed, beside a mail server that outlives them."""

import signal
from collections.abc import Callable
from datetime import datetime
from multiprocessing.process import BaseProcess

import pytest
from sqlalchemy import Connection
from sqlmodel import col, select

from registry.config import SiteSettings
from registry.mail.outgoing import Outgoing
from registry.mail.transport import SmtpTransport
from registry.security.tokens import random_id
from registry.services import delivery, outbox
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database
from registry.storage.models import AuditEvent, Reminder, ReminderState
from registry.storage.outbox import Claim
from tests.durable_smtp import FORK, WAIT_SECONDS, DurableServer, Entry
from tests.integration.test_outbox import DUE_ON, Desk, many_due

Sabotage = Callable[[pytest.MonkeyPatch], None]


def expected(n_mails: int) -> list[str]:
    """The addresses of so many patients, in the order in which their mails leave."""
    return [f"p{number}@example.org" for number in range(1000, 1000 + n_mails)]


def born(database: Database, live: Callable[[], None]) -> BaseProcess:
    """A process that lives; it is handed no connection to the database, and opens its own."""
    database.dispose()
    begun = FORK.Event()

    def live_and_tell() -> None:
        begun.set()
        live()

    process = FORK.Process(target=live_and_tell)
    process.start()
    assert begun.wait(timeout=WAIT_SECONDS)
    return process


class Mortals:
    """A registry with many due mails, and dispatchers that live for moments."""

    def __init__(self, desk: Desk, server: DurableServer, *, n_mails: int, **mail: object) -> None:
        self.desk, self.server, self.n_mails = desk, server, n_mails
        self.settings = desk.settings
        self.use(**{"host": "127.0.0.1", "port": server.port, "tls": "none", "connections": 1, **mail})
        desk.write(lambda session: many_due(session, n_mails, desk.now))

    def use(self, **mail: object) -> None:
        """Speak to the mail server by other settings."""
        changed = self.settings.mail.model_copy(update=mail)
        self.settings = self.settings.model_copy(update={"mail": changed})

    def live(self, at: datetime, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """What a dispatcher does from its first breath to its last."""
        desk = self.desk
        with SmtpTransport(self.settings.mail) as transport:
            send_due_reminders(Dispatch(desk.database, self.settings, desk.keys, transport, lambda: at, is_stopping))

    def born(self, live: Callable[[], None]) -> BaseProcess:
        """A dispatcher, or one that does as one."""
        return born(self.desk.database, live)

    def kill(self, process: BaseProcess, *, after: float = 0) -> bool:
        """Kill it, whatever it is doing; False when it had come to its end by then."""
        process.join(timeout=after)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), "it failed before it could be killed"
        return process.exitcode == -signal.SIGKILL

    def unmarked(self, entries: list[Entry]) -> list[Entry]:
        """Those of the server's mails that the registry has not marked as taken."""
        statement = select(Reminder.message_id).where(
            col(Reminder.message_id).in_([entry.message_id for entry in entries]),
            Reminder.state == ReminderState.ACCEPTED,
        )
        with self.desk.database.reading() as session:
            marked = set(session.exec(statement)) if entries else set()
        return [entry for entry in entries if entry.message_id not in marked]

    def told_of(self) -> set[str]:
        """The addresses of the mails that staff were told of as of unknown fate."""
        statement = (
            select(Reminder.patient_id)
            .join(AuditEvent, col(AuditEvent.subject_id) == Reminder.id)
            .where(AuditEvent.action == "reminder_unknown")
        )
        with self.desk.database.reading() as session:
            return {f"p{patient_id}@example.org" for patient_id in session.exec(statement)}


# Guards taken out, for the negative controls


def marks_before_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatcher that writes a mail down as taken before the server has it."""

    def deliver(dispatch: Dispatch, claim: Claim, site: SiteSettings) -> str:
        decided = delivery._decide(dispatch, claim, site)
        assert not isinstance(decided, str)
        values = {"state": ReminderState.ACCEPTED, "sent_at": dispatch.clock(), "next_attempt_at": None}
        delivery._write_down(dispatch, claim, delivery.Outcome(ReminderState.ACCEPTED, values))
        return delivery._hand_over(dispatch, decided, decided.written(site, dispatch.settings)).name

    monkeypatch.setattr(outbox, "deliver", deliver)


def marks_nothing_before_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatcher that writes nothing down before it speaks to the server."""
    monkeypatch.setattr(delivery, "_begin_sending", lambda *_: True)


def calls_each_copy_another_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatcher with a new Message-ID for each attempt."""
    monkeypatch.setattr(delivery, "_message_id", lambda *_: f"<{random_id(20)}@hospital.example>")


def sends_once_more_to_be_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatcher that hands each mail over twice."""
    send = SmtpTransport.send

    def send_twice(self: SmtpTransport, message: Outgoing, *, recipient: str, sender: str) -> None:
        for _ in range(2):
            send(self, message, recipient=recipient, sender=sender)

    monkeypatch.setattr(SmtpTransport, "send", send_twice)


def claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dispatchers that each take what they see."""

    def look(rows: Connection, *, limit: int, **_: object) -> list[Claim]:
        waiting = (ReminderState.PLANNED, ReminderState.UNKNOWN)
        seen = select(Reminder.id, Reminder.fence).where(col(Reminder.state).in_(waiting), Reminder.due_on <= DUE_ON)
        return [Claim(*row) for row in rows.execute(seen.order_by(col(Reminder.id)).limit(limit))]

    monkeypatch.setattr(outbox.outbox, "claim_due", look)
