"""A mail as data before it is sent: the words come from one text template, and the HTML part is made from the text."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache

from markupsafe import escape

from registry import languages
from registry.config import MailSettings, SiteSettings
from registry.domain.ladder import MailKind
from registry.domain.vocabularies import Sex
from registry.mail.outgoing import Outgoing
from registry.mail.writing import UnsafeHeader, header, id_header, list_header, part, recipient_header, safe
from registry.templating import environment

__all__ = ["Addressee", "Letter", "UnsafeHeader", "follow_up_reminder", "words_of", "written_reminder"]

# What differs between the mails of a day: a private character stands for each while the templates are rendered.
_GREETING, _FORM_URL, _STOP_URL = _SLOTS = "\ue000\ue001\ue002"


@dataclass(frozen=True)
class Addressee:
    """Whom a mail is written to."""

    email: str
    family_name: str
    given_name: str
    sex: Sex
    language: str


@dataclass(frozen=True)
class Letter:
    """Everything that a mail asking for a form says."""

    kind: MailKind
    addressee: Addressee
    site: SiteSettings
    form_url: str
    stop_url: str
    closes_on: date
    n_items: int
    first_written_on: date | None
    is_demo: bool


def written_reminder(letter: Letter, *, settings: MailSettings, message_id: str, now: datetime) -> Outgoing:
    """The mail that asks a patient for a form: text first, the same words as HTML, and the headers to stop it."""
    shape = _shape_of(letter, settings)
    head = (
        shape.first,
        recipient_header(letter.addressee.email),
        f"Date: {format_datetime(now)}\r\n".encode(),
        id_header(message_id),
        list_header("List-Unsubscribe", f"<{letter.stop_url}/one-click>, {shape.stop_by_mail}"),
        shape.last,
    )
    try:
        text, html = _bodies(letter, shape)
        parts = part("plain", text), part("html", html)
    except UnicodeEncodeError:
        raise UnsafeHeader("the mail cannot be written") from None
    return Outgoing(message_id, b"".join((*head, *_joined(message_id, parts))))


def follow_up_reminder(letter: Letter, *, settings: MailSettings, message_id: str, now: datetime) -> EmailMessage:
    """The same mail for whoever looks at its parts."""
    return written_reminder(letter, settings=settings, message_id=message_id, now=now).parsed()


def words_of(letter: Letter) -> tuple[str, str, str]:
    """The subject, the text and the HTML of a mail."""
    subject, text = _words(letter, _greeting(letter.addressee))
    return subject, text, _html(letter, subject, text)


def _joined(message_id: str, parts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    # Neither Q nor base64 can hold "=_", nobody knows the Message-ID beforehand, and a second copy gets the same one.
    boundary = f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}"
    line = f"--{boundary}\r\n".encode()
    bodies = [piece for each in parts for piece in (line, each, b"\r\n")]
    return (
        f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode(),
        *bodies,
        line[:-2],
        b"--\r\n",
    )


@dataclass(frozen=True)
class _Shape:
    """What the mails of a day have in common, written once."""

    first: bytes
    """The headers before the recipient's."""
    last: bytes
    """Those after the one that differs last."""
    stop_by_mail: str
    text: tuple[str, ...]
    html: tuple[str, ...]


class _Hospital:
    """A hospital's settings as a key, which their texts alone cannot be: the same object, not an equal one."""

    def __init__(self, site: SiteSettings) -> None:
        self.site = site

    def __hash__(self) -> int:
        return id(self.site)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hospital) and other.site is self.site


def _shape_of(letter: Letter, settings: MailSettings) -> _Shape:
    said = (letter.kind, letter.addressee.language, letter.closes_on, letter.n_items)
    addresses = settings.sender, settings.reply_to or settings.sender
    return _shape(*said, letter.first_written_on, letter.is_demo, _Hospital(letter.site), *addresses)


@lru_cache(maxsize=512)
def _shape(
    kind: MailKind,
    language: str,
    closes_on: date,
    n_items: int,
    first_written_on: date | None,
    is_demo: bool,
    hospital: _Hospital,
    sender: str,
    reply_to: str,
) -> _Shape:
    nobody = Addressee("", "", "", Sex.UNKNOWN, language)
    said = (closes_on, n_items, first_written_on, is_demo)
    letter = Letter(kind, nobody, hospital.site, _FORM_URL, _STOP_URL, *said)
    subject, text = _words(letter, _GREETING)
    first = (
        header("Subject", safe(subject)),
        header("From", _sender(hospital.site, sender, language)),
        header("Reply-To", safe(reply_to)),
        header("Auto-Submitted", "auto-generated"),
        header("MIME-Version", "1.0"),
        header("Content-Language", language),
    )
    last = list_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    pieces = (_in_pieces(each) for each in (text, _html(letter, subject, text)))
    return _Shape(b"".join(first), last, f"<mailto:{reply_to}>", *pieces)


def _in_pieces(rendered: str) -> tuple[str, ...]:
    return tuple(re.split(f"([{_SLOTS}])", rendered))


def _bodies(letter: Letter, shape: _Shape) -> tuple[str, str]:
    """The text and the HTML; a greeting that would not stay within its line goes through the templates."""
    greeting = _greeting(letter.addressee)
    if greeting.split() != greeting.split(" ") or not greeting:
        return words_of(letter)[1:]
    filled = {_GREETING: greeting, _FORM_URL: letter.form_url, _STOP_URL: letter.stop_url}
    escaped = {slot: str(escape(words)) for slot, words in filled.items()}
    return _filled(shape.text, filled), _filled(shape.html, escaped)


def _filled(pieces: tuple[str, ...], words: dict[str, str]) -> str:
    return "".join([words.get(piece, piece) for piece in pieces])


def _words(letter: Letter, greeting: str) -> tuple[str, str]:
    """The subject (the first line of the template) and the text of a mail."""
    language = letter.addressee.language
    name = "fresh_link" if letter.kind == MailKind.FRESH_LINK else "follow_up_reminder"
    template = environment(language).get_template(f"email/{name}.{language}.txt")
    rendered = template.render(
        kind=letter.kind,
        greeting=greeting,
        hospital=letter.site.name[language],
        signatory=letter.site.signatory[language],
        phone=letter.site.phone,
        phone_hours=letter.site.phone_hours[language],
        address=letter.site.address[language],
        reminder=letter,
        **_days(letter),
    )
    subject, _, text = rendered.partition("\n")
    return subject, text.strip("\n") + "\n"


def _days(letter: Letter) -> dict[str, str]:
    language, closes_on = letter.addressee.language, letter.closes_on
    first = letter.first_written_on
    return {
        "closing_day": languages.long_day(closes_on, language)
        if language == "en"
        else languages.week_day(closes_on, language),
        "closing_brief": languages.brief_day(closes_on, language),
        "first_day": languages.short_day(first, language) if first else "",
    }


def _greeting(addressee: Addressee) -> str:
    if addressee.language == "ja":
        return f"{addressee.family_name} 様"
    title = {Sex.FEMALE: "Ms", Sex.MALE: "Mr"}.get(addressee.sex, addressee.given_name)
    return f"Dear {title} {addressee.family_name},".replace("  ", " ")


def _html(letter: Letter, subject: str, text: str) -> str:
    """The text part as HTML: blocks become paragraphs, the form's address a button above the bare address."""
    body, _, signature = text.partition("\n----------------------------------------\n")
    return (
        environment(letter.addressee.language)
        .get_template("email/letter.html")
        .render(
            language=letter.addressee.language,
            subject=subject,
            letter=_blocks(body),
            signature=_blocks(signature),
            form_url=letter.form_url,
            stop_url=letter.stop_url,
        )
    )


def _blocks(text: str) -> list[list[str]]:
    return [block.splitlines() for block in text.strip().split("\n\n")]


def _sender(site: SiteSettings, address: str, language: str) -> Address:
    desk = {"en": "follow-up desk", "ja": "経過確認係"}[language]
    return Address(display_name=safe(f"{site.name[language]} {desk}"), addr_spec=safe(address))
