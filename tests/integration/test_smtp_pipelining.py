"""Several commands at once to a server that takes them so: each fault means what it means one after another."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest

from registry.config import MailSettings
from registry.mail.transport import MailFailure, Refused, SmtpTransport
from tests.integration import test_smtp_faults as faults
from tests.integration.test_outbox import Desk
from tests.integration.test_smtp_faults import CASES, EXPECTED, Post
from tests.integration.test_transport import RECIPIENT, SENDER, Once, mail, settings_for
from tests.scripted_smtp import ScriptedServer

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PIPELINING = "PIPELINING"
MAIL, RCPT, DATA = f"MAIL FROM:<{SENDER}>\r\n", f"RCPT TO:<{RECIPIENT}>\r\n", "DATA\r\n"

desk, short_patience = faults.desk, faults.short_patience


@contextmanager
def heard(*extensions: str) -> Iterator[tuple[int, list[str]]]:
    """A server's port, and all that it reads at a time: it replies to each line, and to the end of a mail."""
    chunks: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"220 here\r\n")
            while read := connection.recv(65536).decode():
                chunks.append(read)
                connection.sendall("".join(replies(read)).encode())

    def replies(read: str) -> list[str]:
        if read.startswith("ehlo"):
            return ["250-here\r\n", *(f"250-{name}\r\n" for name in extensions), "250 8BITMIME\r\n"]
        if read.endswith("\r\n.\r\n"):
            return ["250 taken\r\n"]
        return ["354 go on\r\n" if line == "DATA" else "250 ok\r\n" for line in read.splitlines()]

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1]), chunks
    finally:
        thread.join(timeout=10)
        listener.close()


@pytest.mark.parametrize(
    ("extensions", "sent"), [((PIPELINING,), [MAIL + RCPT + DATA]), ((), [MAIL, RCPT, DATA])], ids=["at once", "singly"]
)
def test_commands_go_at_once_to_a_server_that_says_so_and_singly_to_any_other(
    extensions: tuple[str, ...], sent: list[str]
) -> None:
    with (
        heard(*extensions) as (port, chunks),
        SmtpTransport(MailSettings(host="127.0.0.1", port=port, tls="none")) as transport,
    ):
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)
        transport.send(mail("<second@example.org>"), recipient=RECIPIENT, sender=SENDER)

    commands = [chunk for chunk in chunks[1:] if not chunk.endswith("\r\n.\r\n")]
    assert commands == [*sent, *sent, "QUIT\r\n"]


@on_sqlite
@pytest.mark.parametrize(("stage", "fault"), CASES)
def test_each_fault_is_taken_for_what_it_is_and_nothing_is_lost(desk: Desk, stage: str, fault: str) -> None:
    with ScriptedServer(PIPELINING, **{stage: fault}) as server:
        post = Post(desk, server)
        state = post.run(desk.now)

        assert state == EXPECTED.get((stage, fault), EXPECTED[fault])
        assert post.broken_promises(state) == []


@pytest.mark.parametrize("stage", ["mail", "rcpt"])
def test_a_mail_that_was_refused_is_not_handed_over_though_its_data_were_asked_for(stage: str) -> None:
    with ScriptedServer(PIPELINING, **{stage: "5xx"}) as server, SmtpTransport(settings_for(server)) as transport:
        with pytest.raises(MailFailure):
            transport.send(mail(), recipient=RECIPIENT, sender=SENDER)
        server.faults = {}
        transport.send(mail("<second@example.org>"), recipient=RECIPIENT, sender=SENDER)

    assert ([taken.message_id for taken in server.ledger], server.n_connections) == (["<second@example.org>"], 2)


def test_a_refused_address_is_what_counts_when_the_data_are_refused_as_well() -> None:
    with (
        ScriptedServer(PIPELINING, rcpt="5xx", data="4xx") as server,
        SmtpTransport(settings_for(server)) as transport,
        pytest.raises(Refused),
    ):
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)


@pytest.mark.parametrize("fault", ["drop", "4xx", "half a yes"])
def test_a_kept_connection_that_was_lost_meanwhile_is_replaced_before_the_next_mail(fault: str) -> None:
    with ScriptedServer(PIPELINING) as server, SmtpTransport(settings_for(server)) as transport:
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)
        server.faults = Once(mail=fault)
        transport.send(mail("<second@example.org>"), recipient=RECIPIENT, sender=SENDER)

    assert [taken.message_id for taken in server.ledger] == ["<first@example.org>", "<second@example.org>"]
    assert server.n_connections == 2
