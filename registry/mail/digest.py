"""The digest to staff as a mail: counts in the subject, counts and study IDs in the text, and nobody's name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import format_datetime

from registry.config import MailSettings
from registry.domain.digest import DigestCounts
from registry.mail.outgoing import Outgoing
from registry.mail.writing import header, id_header, part, recipient_header, safe


@dataclass(frozen=True)
class DigestSection:
    """One kind of thing to do: how many there are, the first of them, and the page where it is done."""

    title: str
    n_rows: int
    rows: Sequence[str]
    """Study IDs, each with its form."""
    url: str


@dataclass(frozen=True)
class DigestWords:
    """Everything that a digest says."""

    site_code: str
    day: date
    counts: DigestCounts
    sections: Sequence[DigestSection]
    home_url: str
    is_demo: bool = False

    @property
    def subject(self) -> str:
        """Counts alone: a subject is read on locked screens."""
        return f"[Registry{' DEMO' if self.is_demo else ''}] {self.counts.in_words()}"

    @property
    def text(self) -> str:
        """What is to be done, section by section; an empty one is left out."""
        heading = f"{self.site_code}, {self.day:%A} {self.day}: {self.counts.in_words()}"
        demo = ["DEMO: synthetic data, nobody stands behind any of it."] if self.is_demo else []
        found = ["\n".join(_lines(section)) for section in self.sections if section.n_rows]
        return "\n\n".join([*demo, heading, *found, f"Today: {self.home_url}"]) + "\n"


def _lines(section: DigestSection) -> Iterator[str]:
    yield f"{section.title}: {section.n_rows}"
    yield from (f"  {row}" for row in section.rows)
    if section.rows and (n_more := section.n_rows - len(section.rows)):
        yield f"  and {n_more} more"
    yield section.url


def written_digest(
    words: DigestWords, *, recipient: str, settings: MailSettings, message_id: str, now: datetime
) -> Outgoing:
    """The mail to one member of staff."""
    head = (
        header("From", settings.sender),
        header("Subject", safe(words.subject)),
        header("MIME-Version", "1.0"),
        header("Auto-Submitted", "auto-generated"),
        recipient_header(recipient),
        header("Date", format_datetime(now)),
        id_header(message_id),
    )
    return Outgoing(message_id, b"".join((*head, part("plain", words.text))))
