"""A link that a mail program finds is the link that was written, however the mail travelled."""

import email
import re
from datetime import UTC, date, datetime
from email import policy
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest

from registry.config import LONGEST_BASE_URL, MailSettings, load_settings
from registry.domain.ladder import MailKind
from registry.domain.vocabularies import Sex
from registry.mail.messages import Addressee, Letter, follow_up_reminder
from registry.security.tokens import TOKEN_LENGTH, link_token
from tests.conftest import ROOT

LONGEST_LINK = 72
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
LINKIFIERS = {
    "until a blank": r"https?://\S+",
    "without closing marks": r"https?://[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]",
    "letters of a URL": r"https?://[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]+[A-Za-z0-9/_=&#-]",
    "host and path": r"https?://[\w.-]+(?::\d+)?(?:/[\w.~%+-]*)*[\w/]",
    "as wide as Unicode": r"https?://[^\s\u3000-\u303f\uff00-\uffef]+",
}
ENCODINGS = ("7bit", "8bit", "quoted-printable", "base64")
BASES = [f"https://{'h' * (length - 11)}.jp" for length in range(13, LONGEST_BASE_URL + 1, 3)]
BASES += [f"https://{'h' * (LONGEST_BASE_URL - 11)}.jp", "http://127.0.0.1:8000", "https://a-b.c-d.example.org:8443"]


def written(base: str, language: str, token: str) -> tuple[EmailMessage, str, str]:
    """A mail, and the two links that were written into it."""
    form_url, stop_url = f"{base}/s/{token}", f"{base}/m/{token[::-1]}"
    letter = Letter(
        kind=MailKind.INVITATION,
        addressee=Addressee("hanako@example.org", "Mihon", "Hanako", Sex.FEMALE, language),
        site=load_settings(ROOT / "config.toml").sites[0],
        form_url=form_url,
        stop_url=stop_url,
        closes_on=date(2027, 1, 4),
        n_items=6,
        first_written_on=None,
        is_demo=False,
    )
    mail = MailSettings(sender="followup@example.org")
    return follow_up_reminder(letter, settings=mail, message_id="<1@example.org>", now=NOW), form_url, stop_url


def travelled(text: str, subtype: str, encoding: str) -> str:
    """A part after it was sent in a transfer encoding, as the mail program reads it."""
    part = EmailMessage(policy=policy.SMTP)
    charset = "us-ascii" if encoding == "7bit" else "utf-8"
    part.set_content(text, subtype=subtype, cte=encoding, charset=charset)
    read = email.message_from_bytes(part.as_bytes(), _class=EmailMessage, policy=policy.default)
    assert read["Content-Transfer-Encoding"] == encoding
    return str(read.get_content())


class Anchors(HTMLParser):
    """Where the links of a page lead, and what they show."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.addresses.append(dict(attrs)["href"] or "")


def test_the_longest_link_fits_on_a_line() -> None:
    assert LONGEST_BASE_URL + len("/s/") + TOKEN_LENGTH <= LONGEST_LINK
    assert max(map(len, BASES)) == LONGEST_BASE_URL


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_linkifier_finds_the_links_byte_by_byte(language: str, encoding: str) -> None:
    if (language, encoding) == ("ja", "7bit"):
        encoding = "quoted-printable"
    for number, base in enumerate(BASES):
        message, *links = written(base, language, link_token(b"key", str(number)))
        body = message.get_body(("plain",))
        assert body is not None
        text = travelled(body.get_content(), "plain", encoding)

        found = {name: re.findall(pattern, text) for name, pattern in LINKIFIERS.items()}

        assert found == dict.fromkeys(LINKIFIERS, links)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_html_part_leads_where_the_text_does(language: str, encoding: str) -> None:
    for number, base in enumerate(BASES):
        message, form_url, stop_url = written(base, language, link_token(b"key", str(number)))
        body = message.get_body(("html",))
        assert body is not None
        html = body.get_content()

        # What no letter of ASCII can say travels as a reference in seven bits.
        is_seven = encoding == "7bit"
        read = travelled(html.encode("ascii", "xmlcharrefreplace").decode() if is_seven else html, "html", encoding)

        assert Anchors(read).addresses == [form_url, form_url, stop_url]


@pytest.mark.parametrize("sign", ["-", "~", ".", ")"])
def test_a_link_that_ends_in_punctuation_would_be_cut_off(sign: str) -> None:
    """The negative control of the linkifiers: why the alphabet holds letters and digits alone."""
    link = f"https://a.jp/s/{'0' * 25}{sign}"

    found = {re.findall(pattern, f"\n{link}\n")[0] for pattern in LINKIFIERS.values()}

    assert found != {link}
