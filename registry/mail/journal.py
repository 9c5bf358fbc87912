"""What was handed over, written down outside the database: a database that is put back from a back-up forgets it."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock


@dataclass(frozen=True)
class Handed:
    """A mail that a server has taken: which row it was, whose, and when; nothing in it names a patient."""

    reminder_id: int
    patient: str
    """The patient's public id, so that a row which was given an old number anew is not taken for the old one."""
    message_id: str
    sent_at: datetime


class Journal:
    """A file with a line for each mail, which is on the disk before the next mail goes out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()

    def write(self, handed: Handed) -> None:
        """Add a line; several threads and processes may do so at once."""
        line = [handed.reminder_id, handed.patient, handed.message_id, handed.sent_at.isoformat()]
        with self._lock:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                # One write, so that lines of two processes do not mix; begun anew after a line that was torn.
                os.write(file, ("\n" + json.dumps(line) + "\n").encode("ascii"))
                os.fdatasync(file)
            finally:
                os.close(file)

    def read(self) -> Iterator[Handed]:
        """Every mail in it; a line that a power cut has torn is passed over."""
        if not self.path.exists():
            return
        with self.path.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                handed = _handed(line)
                if handed is not None:
                    yield handed


def _handed(line: str) -> Handed | None:
    try:
        reminder_id, patient, message_id, sent_at = json.loads(line)
        return Handed(int(reminder_id), str(patient), str(message_id), datetime.fromisoformat(sent_at))
    except (ValueError, TypeError):
        return None
