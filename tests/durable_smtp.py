"""A mail server in a process of its own, which no kill reaches: what it has written down is the truth, whoever dies.

It writes each mail into a file, and makes that durable, before it answers. It can be told to stop at a step until
somebody has been killed.
"""

import os
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import current_thread

from tests.scripted_smtp import ScriptedServer, Taken

# Forked from a process that has loaded everything: a process begins within a few milliseconds.
FORK = get_context("fork")
WAIT_SECONDS = 30


@dataclass(frozen=True)
class Entry:
    """A mail that the server took, as it stands in the ledger."""

    recipient: str
    message_id: str
    digest: str


@dataclass(frozen=True)
class Stop:
    """Where the server stops, at the how many-th time it comes there, until it is told to go on."""

    stage: str
    at_time: int
    reached: Event
    go_on: Event


class DurableServer:
    """The process, its ledger, and what it is told."""

    def __init__(self, port: int, ledger: Path) -> None:
        self.port, self._ledger = port, ledger

    def entries(self) -> list[Entry]:
        """Everything that was ever taken."""
        return [Entry(*line.split()) for line in self._ledger.read_text().splitlines()]

    def settle(self) -> None:
        """Wait until it has read to its end whatever the dead have left on their way."""
        with smtplib.SMTP("127.0.0.1", self.port, "localhost", timeout=WAIT_SECONDS) as connection:
            connection.docmd("XSETTLE")


@contextmanager
def durable_server(ledger: Path, *, stop: Stop | None = None, **faults: str) -> Iterator[DurableServer]:
    """Start one, and end it."""
    ledger.touch()
    ours, theirs = FORK.Pipe()

    def serve() -> None:
        with _Server(ledger, stop, faults) as server:
            theirs.send(server.port)
            theirs.recv()

    process = FORK.Process(target=serve, daemon=True)
    process.start()
    try:
        yield DurableServer(int(ours.recv()), ledger)
    finally:
        ours.send("enough")
        process.join(timeout=WAIT_SECONDS)


class _Server(ScriptedServer):
    def __init__(self, ledger: Path, stop: Stop | None, faults: dict[str, str]) -> None:
        super().__init__(**faults)
        self._file, self._stop, self._n_times = ledger.open("a"), stop, 0

    def take(self, taken: Taken) -> None:
        """The one line that counts."""
        # As slow on every machine: many kills fall between a mail and its reply, and no machine is done too early.
        time.sleep(0.01)
        self._file.write(f"{taken.recipient} {taken.message_id} {sha256(taken.content).hexdigest()}\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def reached(self, stage: str) -> None:
        """Stop where it was told to; to one who asks for it, speak only when all others have hung up."""
        if stage == "xsettle":
            for session in self.sessions:
                if session is not current_thread():
                    session.join(timeout=WAIT_SECONDS)
        if self._stop is not None and stage == self._stop.stage:
            self._n_times += 1
            if self._n_times == self._stop.at_time:
                self._stop.reached.set()
                self._stop.go_on.wait(timeout=WAIT_SECONDS)
