"""The digest to staff as a mail: what it says, and what never stands in it."""

from datetime import UTC, date, datetime

from registry.config import MailSettings
from registry.domain.digest import DigestCounts
from registry.mail.digest import DigestSection, DigestWords, written_digest

BASE = "https://followup.example.org"
WORDS = DigestWords(
    "DEMO",
    date(2026, 11, 20),
    DigestCounts(n_calls=22, n_reviews=1),
    (
        DigestSection("Baseline at risk", 0, (), f"{BASE}/today#at-risk"),
        DigestSection("Call today", 22, ("K-001  M3, due 2026-10-30", "K-002  M3, due 2026-10-30"), f"{BASE}/calls"),
        DigestSection("Answers to review", 1, (), f"{BASE}/answers-to-review"),
    ),
    f"{BASE}/today",
)


def test_the_words() -> None:
    assert WORDS.subject == "[Registry] 22 calls, 1 to review"
    assert WORDS.text == (
        "DEMO, Friday 2026-11-20: 22 calls, 1 to review\n\n"
        "Call today: 22\n  K-001  M3, due 2026-10-30\n  K-002  M3, due 2026-10-30\n  and 20 more\n"
        f"{BASE}/calls\n\n"
        f"Answers to review: 1\n{BASE}/answers-to-review\n\n"
        f"Today: {BASE}/today\n"
    )


def test_the_mail_is_one_text_to_one_person_that_no_absence_answers() -> None:
    settings = MailSettings(sender="followup@example.org")
    now = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)

    mail = written_digest(WORDS, recipient="desk@example.org", settings=settings, message_id="<d.1@x.org>", now=now)

    read = mail.parsed()
    headers = {name: str(value) for name, value in read.items()}
    assert headers == {
        "From": "followup@example.org",
        "Subject": "[Registry] 22 calls, 1 to review",
        "MIME-Version": "1.0",
        "Auto-Submitted": "auto-generated",
        "To": "desk@example.org",
        "Date": "Thu, 19 Nov 2026 23:30:00 +0000",
        "Message-ID": "<d.1@x.org>",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": headers["Content-Transfer-Encoding"],
    }
    assert read.get_content().replace("\r\n", "\n") == WORDS.text
