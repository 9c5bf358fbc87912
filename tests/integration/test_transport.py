"""What became of a mail is known by the stage at which the server failed; run against a real SMTP server."""

import socket
from email.message import EmailMessage
from pathlib import Path

import pytest

from registry.config import MailSettings
from registry.mail.policy import POLICY
from registry.mail.transport import (
    FolderTransport,
    MailFailure,
    OutcomeUnknown,
    Refused,
    SmtpTransport,
    TryLater,
    transport_of,
)
from tests.smtp_server import DROP, SmtpServer

RECIPIENT = "hanako@example.org"


def mail(message_id: str = "<first@example.org>") -> EmailMessage:
    message = EmailMessage(policy=POLICY)
    message["Subject"] = "Demo Hospital: how are you doing?"
    message["From"] = "followup@example.org"
    message["To"] = RECIPIENT
    message["Message-ID"] = message_id
    message.set_content("Please answer:\nhttp://127.0.0.1:8000/s/0123456789abcdefghjkmnpqrs\n")
    return message


def settings_for(server: SmtpServer, **changes: object) -> MailSettings:
    return MailSettings(host=server.host, port=server.port, tls="none").model_copy(update=changes)


def failure_of(server: SmtpServer, **changes: object) -> MailFailure:
    with SmtpTransport(settings_for(server, **changes)) as transport, pytest.raises(MailFailure) as caught:
        transport.send(mail(), recipient=RECIPIENT)
    return caught.value


# What the server accepts


def test_an_accepted_mail_arrives_whole_with_its_one_recipient() -> None:
    with SmtpServer() as server, SmtpTransport(settings_for(server)) as transport:
        transport.send(mail(), recipient=RECIPIENT)

    assert server.messages[0].content == mail().as_bytes()
    assert server.messages[0].recipients == (RECIPIENT,)


def test_the_envelope_sender_is_the_configured_one() -> None:
    with SmtpServer() as server, SmtpTransport(settings_for(server, sender="desk@example.org")) as transport:
        transport.send(mail(), recipient=RECIPIENT)

    assert server.messages[0].sender == "desk@example.org"


def test_several_mails_go_over_one_kept_connection() -> None:
    with SmtpServer() as server, SmtpTransport(settings_for(server)) as transport:
        for number in range(3):
            transport.send(mail(f"<{number}@example.org>"), recipient=RECIPIENT)

    assert (len(server.messages), server.n_connections) == (3, 1)


def test_a_line_that_begins_with_a_full_stop_survives() -> None:
    message = mail()
    message.set_content("first\n.second\n..third\n")

    with SmtpServer() as server, SmtpTransport(settings_for(server)) as transport:
        transport.send(message, recipient=RECIPIENT)

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
    ("data_command", "554 5.5.1 No valid recipients"),
    ("data", "554 5.7.1 Rejected"),
]


@pytest.mark.parametrize(("stage", "reply"), REFUSALS)
def test_a_lasting_refusal_is_not_retried(stage: str, reply: str) -> None:
    with SmtpServer(**{stage: reply}) as server:
        failure = failure_of(server)

    assert isinstance(failure, Refused)


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
            transport.send(mail(), recipient=RECIPIENT)


def test_a_server_without_starttls_gets_no_mail() -> None:
    with SmtpServer() as server:
        failure = failure_of(server, tls="starttls")

    assert isinstance(failure, TryLater)
    assert server.messages == []


def test_a_connection_that_cannot_be_made_safe_is_closed() -> None:
    with SmtpServer() as server:
        # Kept, because forgetting the failure would close its connection by accident.
        failure = failure_of(server, tls="starttls")

        assert (type(failure), server.n_open()) == (TryLater, 0)


def test_an_address_that_the_server_cannot_spell_is_refused_without_an_accident() -> None:
    with (
        SmtpServer() as server,
        SmtpTransport(settings_for(server)) as transport,
        pytest.raises(Refused),
    ):
        transport.send(mail(), recipient="はなこ@example.org")


def test_a_failure_names_the_reply_without_the_address() -> None:
    with SmtpServer(rcpt=f"550 5.1.1 <{RECIPIENT}>: no such user") as server:
        failure = failure_of(server)

    assert str(failure) == "550 5.1.1 (address) no such user"


@pytest.mark.parametrize("stage", ["rcpt", "data", "data_command"])
def test_the_next_mail_goes_out_after_a_lost_connection(stage: str) -> None:
    with SmtpServer(**{stage: DROP}) as server, SmtpTransport(settings_for(server)) as transport:
        with pytest.raises(MailFailure):
            transport.send(mail(), recipient=RECIPIENT)
        setattr(server.replies, stage, "250 OK")
        server.messages.clear()

        transport.send(mail(), recipient=RECIPIENT)

    assert len(server.messages) == 1


def test_a_refused_mail_does_not_hold_up_the_next() -> None:
    with SmtpServer(rcpt="550 5.1.1 No such user") as server, SmtpTransport(settings_for(server)) as transport:
        with pytest.raises(Refused):
            transport.send(mail(), recipient=RECIPIENT)
        server.replies.rcpt = "250 OK"

        transport.send(mail(), recipient=RECIPIENT)

    assert len(server.messages) == 1


# The folder


def test_without_a_host_mails_go_into_the_folder(tmp_path: Path) -> None:
    assert isinstance(transport_of(MailSettings(folder=tmp_path)), FolderTransport)


def test_with_a_host_mails_go_by_smtp() -> None:
    assert isinstance(transport_of(MailSettings(host="127.0.0.1")), SmtpTransport)


def test_the_folder_holds_the_whole_mail_under_its_message_id(tmp_path: Path) -> None:
    with FolderTransport(tmp_path / "outbox") as transport:
        transport.send(mail("<abc123@example.org>"), recipient=RECIPIENT)

    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["abc123.eml"]
    assert (tmp_path / "outbox" / "abc123.eml").read_bytes() == mail("<abc123@example.org>").as_bytes()


def test_the_same_mail_again_is_the_same_file(tmp_path: Path) -> None:
    with FolderTransport(tmp_path) as transport:
        transport.send(mail(), recipient=RECIPIENT)
        transport.send(mail(), recipient=RECIPIENT)

    assert len(list(tmp_path.iterdir())) == 1


def test_no_message_id_leads_out_of_the_folder(tmp_path: Path) -> None:
    with FolderTransport(tmp_path / "outbox") as transport:
        transport.send(mail("<../../escaped@example.org>"), recipient=RECIPIENT)

    assert {path.parent for path in tmp_path.rglob("*.eml")} == {tmp_path / "outbox"}
