"""A scheduler's run in a process of its own: it waits for a line, sends what is due, and says how long it took."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event

from registry.config import load_settings
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
EARLY = 2000


def main() -> None:
    """One run for each line that comes in, until there is none."""
    settings = load_settings(ROOT / "config.toml")
    database, keys = Database(settings.database.url), load_keys(settings.security.key_file)
    memory, commits = _Memory(), Counter[str]()
    event.listen(database.engine, "commit", lambda _connection: commits.update(["made"]))
    for _line in sys.stdin:
        commits.clear()
        begun = time.perf_counter()
        with transport_of(settings.mail) as transport:
            outcomes = send_due_reminders(Dispatch(database, settings, keys, transport, memory.clock))
        memory.end()
        seconds = time.perf_counter() - begun
        said = {"seconds": seconds, "outcomes": outcomes, "commits": commits["made"], "mebibytes": memory.seen}
        print(json.dumps(said), flush=True)  # noqa: T201


class _Memory:
    """How much memory the process has after the first mails and at the end; it stands in for the clock to count."""

    def __init__(self) -> None:
        self.n_asked, self.seen = 0, [0.0, 0.0]

    def clock(self) -> datetime:
        self.n_asked += 1
        if self.n_asked == EARLY * 3:
            self.seen[0] = _resident()
        return NOW

    def end(self) -> None:
        self.seen[1] = _resident()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Dispatcher:
    """The process, for whoever measures it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self) -> None:
        """Let it send what is due."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """What it says of the run that was begun."""
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        return said


@contextmanager
def dispatcher(environment: dict[str, str]) -> Iterator[Dispatcher]:
    """A running process with these settings of the registry."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.dispatcher"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
    )
    try:
        yield Dispatcher(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)


if __name__ == "__main__":
    main()
