"""A mail as data before it is sent: the words come from one text template, and the HTML part is made from the text."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from registry import languages
from registry.config import MailSettings, SiteSettings
from registry.domain.errors import RegistryError
from registry.domain.ladder import MailKind
from registry.domain.vocabularies import Sex
from registry.mail.policy import POLICY
from registry.templating import environment

# Anything that a header could be split at, turned around with, or smuggled through an encoded word.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]|=\?")


class UnsafeHeader(RegistryError):
    """A value for a mail header holds characters that could change the mail."""


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


def follow_up_reminder(letter: Letter, *, settings: MailSettings, message_id: str, now: datetime) -> EmailMessage:
    """The mail that asks a patient for a form: text first, the same words as HTML, and the headers to stop it."""
    subject, text = _words(letter)
    language = letter.addressee.language
    message = EmailMessage(policy=POLICY)
    message["Subject"] = _safe(subject)
    message["From"] = _sender(letter.site, settings.sender, language)
    message["To"] = _one_address(letter.addressee.email)
    message["Reply-To"] = _safe(settings.reply_to or settings.sender)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = _safe(message_id)
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = _safe(
        f"<{letter.stop_url}/one-click>, <mailto:{settings.reply_to or settings.sender}>"
    )
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(text)
    message.add_alternative(_html(letter, subject, text), subtype="html")
    # Setting the content removes every Content-* header, so this one comes last.
    message["Content-Language"] = language
    return message


def _words(letter: Letter) -> tuple[str, str]:
    """The subject (the first line of the template) and the text of a mail."""
    language = letter.addressee.language
    name = "fresh_link" if letter.kind == MailKind.FRESH_LINK else "follow_up_reminder"
    template = environment(language).get_template(f"email/{name}.{language}.txt")
    rendered = template.render(
        kind=letter.kind,
        greeting=_greeting(letter.addressee),
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
    return Address(display_name=_safe(f"{site.name[language]} {desk}"), addr_spec=_safe(address))


def _one_address(value: str) -> str:
    """An address that any server takes: no second one beside it, no name, nothing beyond ASCII."""
    try:
        is_plain = Address(addr_spec=_safe(value)).addr_spec == value and value.isascii()
    except (ValueError, MessageError):
        is_plain = False
    if not is_plain:
        raise UnsafeHeader("the address is not one that a mail can be sent to")
    return value


def _safe(value: str) -> str:
    if _UNSAFE.search(value):
        raise UnsafeHeader("a mail header would hold control characters or an encoded word")
    return value
