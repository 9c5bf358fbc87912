"""What became of a mail is known by the stage at which the server failed; run against a real SMTP server."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import pytest

from registry.config import MailSettings
from registry.mail import transport as transport_module
from registry.mail.outgoing import Outgoing
from registry.mail.policy import POLICY
from registry.mail.transport import (
    FolderTransport,
    MailFailure,
    OutcomeUnknown,
    Refused,
    SmtpTransport,
    TryLater,
    Unwelcome,
    transport_of,
)
from tests.scripted_smtp import ScriptedServer
from tests.smtp_server import DROP, SmtpServer

RECIPIENT = "hanako@example.org"
BODY = "Please answer:\nhttp://127.0.0.1:8000/s/0123456789abcdefghjkmnpqrs\n"


SENDER = "followup@example.org"


def mail(message_id: str = "<first@example.org>", text: str = BODY) -> Outgoing:
    message = EmailMessage(policy=POLICY)
    message["Subject"] = "Demo Hospital: how are you doing?"
    message["From"] = "followup@example.org"
    message["To"] = RECIPIENT
    message["Message-ID"] = message_id
    message.set_content(text)
    return Outgoing(message_id, message.as_bytes())


class Once(dict[str, str]):
    """A fault for the first time that its stage is reached."""

    def get(self, stage: str, usual: str = "2xx") -> str:  # type: ignore[override]
        return self.pop(stage, usual)


def settings_for(server: SmtpServer | ScriptedServer, **changes: object) -> MailSettings:
    return MailSettings(host="127.0.0.1", port=server.port, tls="none").model_copy(update=changes)


def failure_of(server: SmtpServer | ScriptedServer, **changes: object) -> MailFailure:
    with SmtpTransport(settings_for(server, **changes)) as transport, pytest.raises(MailFailure) as caught:
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)
    return caught.value


# What the server accepts


def test_an_accepted_mail_arrives_whole_with_its_one_recipient() -> None:
    with SmtpServer() as server, SmtpTransport(settings_for(server)) as transport:
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)

    assert server.messages[0].content == mail().content
    assert server.messages[0].recipients == (RECIPIENT,)


def test_the_envelope_names_the_sender_that_was_asked_for() -> None:
    with SmtpServer() as server, SmtpTransport(settings_for(server)) as transport:
        transport.send(mail(), recipient=RECIPIENT, sender="desk@example.org")

    assert server.messages[0].sender == "desk@example.org"


def test_several_mails_go_over_one_kept_connection() -> None:
    with SmtpServer() as server, SmtpTransport(settings_for(server)) as transport:
        for number in range(3):
            transport.send(mail(f"<{number}@example.org>"), recipient=RECIPIENT, sender=SENDER)

    assert (len(server.messages), server.n_connections) == (3, 1)


def test_a_line_that_begins_with_a_full_stop_survives() -> None:
    message = mail(text="first\n.second\n..third\n")

    with SmtpServer() as server, SmtpTransport(settings_for(server)) as transport:
        transport.send(message, recipient=RECIPIENT, sender=SENDER)

    assert server.messages[0].get_content().splitlines() == ["first", ".second", "..third"]


# What fails, by stage

NOTHING_ACCEPTED = [
    ("mail", "421 4.3.2 Shutting down"),
    ("mail", "452 4.3.1 Full"),
    ("mail", "553 5.1.8 Sender not allowed"),  # which says nothing about this patient
    ("rcpt", "450 4.2.0 Greylisted"),
    ("rcpt", "451 4.3.0 Try again"),
    ("rcpt", "452 4.2.2 Mailbox full"),
    ("rcpt", "550 5.4.4 Unable to route"),
    ("rcpt", DROP),
    ("data_command", "451 4.3.0 Not now"),
    ("data_command", DROP),
    ("data", "451 4.3.0 Try again"),
    ("data", "421 4.3.2 Shutting down"),
]


@pytest.mark.parametrize(("stage", "reply"), NOTHING_ACCEPTED)
def test_a_passing_fault_before_acceptance_means_try_later(stage: str, reply: str) -> None:
    with SmtpServer(**{stage: reply}) as server:
        failure = failure_of(server)

    assert isinstance(failure, TryLater)


REFUSALS = [
    ("rcpt", "550 5.1.1 No such user"),
    ("rcpt", "553 5.1.3 Bad address"),
    ("data_command", "550 5.1.1 No such user"),  # as some servers say who look at the recipient late
    ("data", "550 5.1.1 No such user"),
]


@pytest.mark.parametrize(("stage", "reply"), REFUSALS)
def test_a_lasting_refusal_is_not_retried(stage: str, reply: str) -> None:
    with SmtpServer(**{stage: reply}) as server:
        failure = failure_of(server)

    assert isinstance(failure, Refused)


UNWELCOME = [
    ("mail", "550 5.1.8 Sender not allowed"),
    ("mail", "530 5.7.0 Authentication required"),
    ("rcpt", "550 5.7.1 Relaying denied"),
    ("rcpt", "554 5.7.1 Blocked by a list"),
    ("data_command", "554 5.5.1 No valid recipients"),
    ("data", "550 5.7.1 Rejected as spam"),
    ("data", "554 Transaction failed"),
]


@pytest.mark.parametrize(("stage", "reply"), UNWELCOME)
def test_a_refusal_of_what_we_send_or_who_we_are_does_not_blame_the_patient(stage: str, reply: str) -> None:
    with SmtpServer(**{stage: reply}) as server:
        failure = failure_of(server)

    assert isinstance(failure, Unwelcome)


def test_a_connection_lost_after_the_whole_mail_leaves_its_fate_unknown() -> None:
    with SmtpServer(data=DROP) as server:
        failure = failure_of(server)

    assert isinstance(failure, OutcomeUnknown)
    assert len(server.messages) == 1


def test_a_server_that_is_not_there_means_try_later() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = MailSettings(host="127.0.0.1", port=closed.getsockname()[1], tls="none")

        with SmtpTransport(settings) as transport, pytest.raises(TryLater):
            transport.send(mail(), recipient=RECIPIENT, sender=SENDER)


def test_a_server_without_starttls_gets_no_mail() -> None:
    with SmtpServer() as server:
        failure = failure_of(server, tls="starttls")

    assert isinstance(failure, TryLater)
    assert server.messages == []


def test_a_connection_that_cannot_be_made_safe_is_closed() -> None:
    with SmtpServer() as server:
        # Kept, because forgetting the failure would close its connection by accident.
        failure = failure_of(server, tls="starttls")

        assert (isinstance(failure, TryLater), server.n_open()) == (True, 0)


def test_an_address_that_the_server_cannot_spell_is_refused_without_an_accident() -> None:
    with (
        SmtpServer() as server,
        SmtpTransport(settings_for(server)) as transport,
        pytest.raises(Refused),
    ):
        transport.send(mail(), recipient="はなこ@example.org", sender=SENDER)


def test_a_failure_names_the_reply_without_the_address() -> None:
    with SmtpServer(rcpt=f"550 5.1.1 <{RECIPIENT}>: no such user") as server:
        failure = failure_of(server)

    assert str(failure) == "550 5.1.1 (address) no such user"


@pytest.mark.parametrize("stage", ["rcpt", "data", "data_command"])
def test_the_next_mail_goes_out_after_a_lost_connection(stage: str) -> None:
    with SmtpServer(**{stage: DROP}) as server, SmtpTransport(settings_for(server)) as transport:
        with pytest.raises(MailFailure):
            transport.send(mail(), recipient=RECIPIENT, sender=SENDER)
        setattr(server.replies, stage, "250 OK")
        server.messages.clear()

        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)

    assert len(server.messages) == 1


def test_a_refused_mail_does_not_hold_up_the_next() -> None:
    with SmtpServer(rcpt="550 5.1.1 No such user") as server, SmtpTransport(settings_for(server)) as transport:
        with pytest.raises(Refused):
            transport.send(mail(), recipient=RECIPIENT, sender=SENDER)
        server.replies.rcpt = "250 OK"

        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)

    assert len(server.messages) == 1


def test_a_kept_connection_that_the_server_has_closed_is_replaced_before_the_next_mail() -> None:
    with ScriptedServer() as server, SmtpTransport(settings_for(server)) as transport:
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)
        server.faults = Once(mail="drop")
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)

    assert (len(server.ledger), server.n_connections) == (2, 2)


def test_a_new_connection_on_which_the_server_hangs_up_is_not_tried_for_ever() -> None:
    with ScriptedServer(mail="drop") as server:
        failure = failure_of(server)

    assert (type(failure), server.n_connections) == (TryLater, 1)


def test_a_connection_carries_so_many_mails_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAILS_PER_CONNECTION", 2)
    with ScriptedServer() as server, SmtpTransport(settings_for(server)) as transport:
        for _ in range(5):
            transport.send(mail(), recipient=RECIPIENT, sender=SENDER)

    assert (len(server.ledger), server.n_connections) == (5, 3)


def test_mails_that_leave_at_once_have_a_connection_each() -> None:
    with ScriptedServer(mail="slow") as server, SmtpTransport(settings_for(server)) as transport:
        with ThreadPoolExecutor(3) as pool:
            sent = [pool.submit(transport.send, mail(), recipient=RECIPIENT, sender=SENDER) for _ in range(3)]
        assert [each.result() for each in sent] == [None] * 3

    assert (len(server.ledger), server.n_connections) == (3, 3)


def test_a_goodbye_that_nobody_answers_keeps_no_mail_waiting() -> None:
    begun = time.monotonic()
    with ScriptedServer(quit="silent") as server, SmtpTransport(settings_for(server)) as transport:
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)

    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("address", ["a@example.org> NOTIFY=NEVER", "a@example.org\r\nDATA", "a<b@example.org", ""])
def test_an_address_cannot_end_its_command(address: str) -> None:
    with ScriptedServer() as server, SmtpTransport(settings_for(server)) as transport, pytest.raises(Refused):
        transport.send(mail(), recipient=address, sender=SENDER)

    assert server.n_connections == 0


def test_a_reply_is_kept_in_one_line_without_control_characters() -> None:
    with SmtpServer(rcpt="550 5.1.1 no\x00such\x1buser") as server:
        failure = failure_of(server)

    assert str(failure).isprintable()


# The folder


def test_without_a_host_mails_go_into_the_folder(tmp_path: Path) -> None:
    assert isinstance(transport_of(MailSettings(folder=tmp_path)), FolderTransport)


def test_with_a_host_mails_go_by_smtp() -> None:
    assert isinstance(transport_of(MailSettings(host="127.0.0.1")), SmtpTransport)


def test_the_folder_holds_the_whole_mail_under_its_message_id(tmp_path: Path) -> None:
    with FolderTransport(tmp_path / "outbox") as transport:
        transport.send(mail("<abc123@example.org>"), recipient=RECIPIENT, sender=SENDER)

    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["abc123.eml"]
    assert (tmp_path / "outbox" / "abc123.eml").read_bytes() == mail("<abc123@example.org>").content


def test_the_same_mail_again_is_the_same_file(tmp_path: Path) -> None:
    with FolderTransport(tmp_path) as transport:
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)
        transport.send(mail(), recipient=RECIPIENT, sender=SENDER)

    assert len(list(tmp_path.iterdir())) == 1


def test_no_message_id_leads_out_of_the_folder(tmp_path: Path) -> None:
    with FolderTransport(tmp_path / "outbox") as transport:
        transport.send(mail("<../../escaped@example.org>"), recipient=RECIPIENT, sender=SENDER)

    assert {path.parent for path in tmp_path.rglob("*.eml")} == {tmp_path / "outbox"}
