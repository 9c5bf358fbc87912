"""What the dispatcher is measured beside: the same mails without the registry."""

import smtplib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.message import EmailMessage
from email.utils import format_datetime

from registry.config import MailSettings, SiteSettings
from registry.domain.ladder import MailKind
from registry.domain.vocabularies import Sex
from registry.mail.messages import Addressee, Letter, words_of, written_reminder
from registry.mail.policy import POLICY
from tests.benchmarks.crowd import CLOSES_ON
from tests.benchmarks.dispatcher import NOW

# After so many pages SQLite writes its log anew from the beginning.
_LOG_PAGES = 1100


@contextmanager
def bare_database() -> Iterator[sqlite3.Connection]:
    """A durable database whose log has its size: while it grows, each commit would cost more than it does later."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(f"{folder}/bare.db", isolation_level=None)) as rows,
    ):
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = FULL")
        rows.execute("CREATE TABLE mail (id INTEGER PRIMARY KEY, state TEXT)")
        for number in range(_LOG_PAGES):
            rows.execute("INSERT INTO mail VALUES (?, 'earlier')", (-1 - number,))
        yield rows


def bare_loop(
    rows: sqlite3.Connection, port: int, mail: Callable[[int], bytes], n_mails: int, *, n_commits: int
) -> None:
    """Mails over one kept connection with so many durable commits: half of them before mails, and half after them."""
    rows.execute("BEGIN")
    rows.executemany("INSERT OR REPLACE INTO mail VALUES (?, 'planned')", ((n,) for n in range(n_mails)))
    rows.execute("COMMIT")
    n_groups = max(1, min(n_commits // 2, n_mails))
    with smtplib.SMTP("127.0.0.1", port) as connection:
        for number in range(n_groups):
            begin, end = number * n_mails // n_groups, (number + 1) * n_mails // n_groups
            rows.execute("UPDATE mail SET state = 'sending' WHERE id >= ? AND id < ?", (begin, end))
            for each in range(begin, end):
                connection.sendmail("followup@example.org", [f"p{each}@example.org"], mail(each))
            rows.execute("UPDATE mail SET state = 'accepted' WHERE id >= ? AND id < ?", (begin, end))


def plain_loop(port: int, letters: list[Letter], n_mails: int) -> None:
    """An EmailMessage for each mail over one kept connection, nothing written down."""
    words = [(letter, *words_of(letter)) for letter in letters]
    with smtplib.SMTP("127.0.0.1", port) as connection:
        for number in range(n_mails):
            connection.send_message(_built(number, *words[number % 2]))


def _built(number: int, letter: Letter, subject: str, text: str, html: str) -> EmailMessage:
    message = EmailMessage(policy=POLICY)
    message["Subject"] = subject
    message["From"] = "Demo Hospital follow-up desk <followup@example.org>"
    message["To"] = f"p{number}@example.org"
    message["Reply-To"] = "followup@example.org"
    message["Date"] = format_datetime(NOW)
    message["Message-ID"] = f"<{number}@example.org>"
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = f"<{letter.stop_url}/one-click>, <mailto:followup@example.org>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


def written_mail(letters: list[Letter], settings: MailSettings, number: int) -> bytes:
    """A mail as the registry writes it."""
    message_id = f"<{number}@example.org>"
    return written_reminder(letters[number % 2], settings=settings, message_id=message_id, now=NOW).content


def letter_in(language: str, site: SiteSettings) -> Letter:
    """A letter as the registry sends it first."""
    return Letter(
        kind=MailKind.INVITATION,
        addressee=Addressee("p1@example.org", "Mihon", "", Sex.FEMALE, language),
        site=site,
        form_url="http://127.0.0.1:8000/s/0123456789abcdefghjkmnpqrs",
        stop_url="http://127.0.0.1:8000/m/9876543210abcdefghjkmnpqrs",
        closes_on=CLOSES_ON,
        n_items=6,
        first_written_on=None,
        is_demo=True,
    )
