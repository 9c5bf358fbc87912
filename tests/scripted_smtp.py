"""A mail server that fails in a named way at a named stage, with a ledger of what it took as the truth."""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from threading import Thread
from types import TracebackType
from typing import Self

STAGES = ("banner", "ehlo", "mail", "rcpt", "data", "end", "quit")
USUAL = {"banner": "220", "starttls": "220", "auth": "235", "data": "354", "quit": "221"}
# What a server offers once a test names it.
OFFERS = {"starttls": "STARTTLS", "auth": "AUTH PLAIN"}
SLOWLY = 0.1
# What the server says after its usual code; None where it hangs up without, and "" where it never says anything.
FAULTS: Mapping[str, str | None] = {
    "2xx": "{code} go on\r\n",
    "4xx": "451 4.3.0 not now\r\n",
    "5xx": "554 5.0.0 no\r\n",
    "garbage": "HTTP/1.1 400 Bad Request\r\n",
    "drop": None,
    "slow": "{code} go on\r\n",
    "multi-line": "{code}-go\r\n{code}-on\r\n{code} at last\r\n",
    "half a line": "{short}",
    "half a yes": "{code} go o",
    "half a reply": "{code}-go\r\n",
    "silent": "",
}
# At the end of a mail these leave the client without knowledge, and the server has taken it: the worst for the patient.
TAKEN = {"2xx", "slow", "multi-line", "garbage", "drop", "half a line", "half a yes", "half a reply", "silent"}


@dataclass(frozen=True)
class Taken:
    """A mail that the server has answered for."""

    sender: str
    recipient: str
    message_id: str
    content: bytes


class ScriptedServer:
    """`with ScriptedServer(rcpt="4xx") as server`; the faults may be changed while it runs."""

    def __init__(self, *extensions: str, **faults: str) -> None:
        self.extensions = extensions
        self.faults = faults
        self.ledger: list[Taken] = []
        self.n_connections = 0
        self.sessions: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_open = True
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        # Wakes the one who waits for a connection.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._listener.close()

    def take(self, taken: Taken) -> None:
        """Write down what was taken, before it is answered for."""
        self.ledger.append(taken)

    def reached(self, stage: str) -> None:
        """Called before the server says anything at a stage, and at `body` before it reads a mail."""

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if not self._is_open:
                connection.close()
                return
            self.n_connections += 1
            session = Thread(target=self._serve, args=(connection,), daemon=True)
            self.sessions = [*(each for each in self.sessions if each.is_alive()), session]
            session.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, suppress(OSError, _HungUp):
            _Session(self, connection).run(lines)


class _HungUp(Exception):
    """The server has closed the connection, as its script says."""


class _Session:
    def __init__(self, server: ScriptedServer, connection: socket.socket) -> None:
        self._server, self._connection = server, connection
        self._sender = self._recipient = ""

    def run(self, lines: object) -> None:
        self._say("banner")
        for line in lines:  # type: ignore[attr-defined]
            word, _, rest = line.decode().strip().partition(" ")
            stage = {"HELO": "ehlo"}.get(word.upper(), word.lower())
            if stage == "mail":
                self._sender = rest.partition("<")[2].partition(">")[0]
            if stage == "rcpt":
                self._recipient = rest.partition("<")[2].partition(">")[0]
            self._say(stage)
            if stage == "data" and self._fault("data") in ("2xx", "slow", "multi-line"):
                self._take(lines)

    def _take(self, lines: object) -> None:
        self._server.reached("body")
        content = b""
        for line in lines:  # type: ignore[attr-defined]
            if line == b".\r\n":
                break
            content += line
        else:
            return
        if self._fault("end") in TAKEN:
            message_id = str(message_from_bytes(content)["Message-ID"])
            self._server.take(Taken(self._sender, self._recipient, message_id, content))
        self._say("end")

    def _fault(self, stage: str) -> str:
        return self._server.faults.get(stage, "2xx")

    def _say(self, stage: str) -> None:
        self._server.reached(stage)
        fault = self._fault(stage)
        offers = [words for name, words in OFFERS.items() if name in self._server.faults]
        extensions = [*self._server.extensions, *offers]
        if stage == "ehlo" and fault == "2xx" and extensions:
            lines = ["250-go on", *(f"250-{name}" for name in extensions[:-1]), f"250 {extensions[-1]}"]
            self._connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
            return
        words, code = FAULTS[fault], USUAL.get(stage, "250")
        if fault == "slow":
            time.sleep(SLOWLY)
        if words:
            self._connection.sendall(words.format(code=code, short=code[:2]).encode())
        if words is None or fault.startswith("half"):
            raise _HungUp
