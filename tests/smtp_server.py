"""A real SMTP server for tests: it keeps what it received, and breaks at the stage that a test names."""

import asyncio
import email
import time
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

ACCEPT = "250 OK"
DROP = "drop the connection without a reply"


class ReceivedMail(EmailMessage):
    """A mail as the server read it, with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass
class Replies:
    """What the server says at each stage: a line of SMTP, or DROP; may be changed while it runs."""

    mail: str = ACCEPT
    rcpt: str = ACCEPT
    data_command: str = ACCEPT
    data: str = ACCEPT


class SmtpServer:
    """A server on a free loopback port: `with SmtpServer() as server: ... server.port ... server.messages`."""

    def __init__(self, **replies: str) -> None:
        self.replies = Replies(**replies)
        self.messages: list[ReceivedMail] = []
        self.n_connections = 0
        self.open_connections: set[SMTP] = set()
        self._controller = _Controller(self)

    def __enter__(self) -> Self:
        self._controller.start()
        # Starting makes a connection of its own.
        self.n_connections = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    @property
    def host(self) -> str:
        """The address to connect to."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """The port that the system chose."""
        return self._controller.port

    def n_open(self, *, within_seconds: float = 2.0) -> int:
        """How many connections are open, once the last ones had time to be seen as closed."""
        end = time.monotonic() + within_seconds
        while self.open_connections and time.monotonic() < end:
            time.sleep(0.01)
        return len(self.open_connections)

    async def handle_MAIL(  # noqa: N802  the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse the sender."""
        reply = _said(server, self.replies.mail)
        if reply == ACCEPT:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        reply = _said(server, self.replies.rcpt)
        if reply == ACCEPT:
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail; one that is dropped was accepted nevertheless, as in RFC 1047."""
        if self.replies.data in (ACCEPT, DROP):
            self.messages.append(_received(envelope))
        return _said(server, self.replies.data)


class _Controller(Controller):
    """Binds to port 0 and tells the port that it was given."""

    def __init__(self, owner: SmtpServer) -> None:
        super().__init__(owner, hostname="127.0.0.1", port=0)
        self._owner = owner

    def factory(self) -> SMTP:
        self._owner.n_connections += 1
        return _Smtp(self._owner, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class _Smtp(SMTP):
    def __init__(self, owner: SmtpServer, **options: Any) -> None:
        super().__init__(owner, **options)
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._owner.open_connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.open_connections.discard(self)
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        reply = self._owner.replies.data_command
        if reply == ACCEPT:
            await super().smtp_DATA(arg)
        else:
            await self.push(_said(self, reply))


def _said(server: SMTP, reply: str) -> str:
    if reply != DROP:
        return reply
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()
    return "421 dropped"


def _received(envelope: Envelope) -> ReceivedMail:
    assert isinstance(envelope.content, bytes)
    received = email.message_from_bytes(envelope.content, _class=ReceivedMail, policy=policy.default)
    received.sender = envelope.mail_from or ""
    received.recipients = tuple(envelope.rcpt_tos)
    received.content = envelope.content
    return received
