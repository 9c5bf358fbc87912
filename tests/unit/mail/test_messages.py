"""A mail as it leaves: read back from its bytes as a patient's mail program does."""

import email
import re
from datetime import UTC, date, datetime, timedelta
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from unicodedata import east_asian_width

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from registry.config import MailSettings, SiteSettings, load_settings
from registry.domain.ladder import MailKind
from registry.domain.vocabularies import Sex
from registry.mail.messages import Addressee, Letter, UnsafeHeader, words_of, written_reminder
from registry.mail.policy import POLICY
from registry.mail.writing import id_header, recipient_header

SITE = load_settings(Path(__file__).parents[3] / "config.toml").sites[0]
MAIL = MailSettings(sender="followup@example.org", reply_to="desk@example.org")
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
FORM_URL = "https://followup.example-hospital.jp/s/0123456789abcdefghjkmnpqrs"
STOP_URL = "https://followup.example-hospital.jp/m/9876543210abcdefghjkmnpqrs"
MESSAGE_ID = "<abcdefghjkmnpqrstvwx@example.org>"
KINDS_AND_LANGUAGES = [(kind, language) for kind in MailKind for language in ("en", "ja")]
every_mail = pytest.mark.parametrize(("kind", "language"), KINDS_AND_LANGUAGES)
every_language = pytest.mark.parametrize("language", ["en", "ja"])

# Words that tell a passer-by what the mail is about, or that keep people from opening it.
DISCLOSING = re.compile(
    r"surg|operat|pain|numb|spin|back|neck|lumbar|cervic|disease|patient|treat|symptom|clinic|survey|questionnaire"
    r"|手術|術後|術前|痛|しびれ|脊椎|腰|首|頸|症|疾患|患者|病気|治療|整形|アンケート|調査",
    re.IGNORECASE,
)


def written(
    kind: MailKind = MailKind.INVITATION, language: str = "en", *, is_demo: bool = False, **changes: object
) -> Letter:
    family, given = ("見本", "花子") if language == "ja" else ("Mihon", "Hanako")
    standard: dict[str, object] = {
        "addressee": Addressee("hanako@example.org", family, given, Sex.FEMALE, language),
        "site": SITE,
        "form_url": FORM_URL,
        "stop_url": STOP_URL,
        "closes_on": date(2027, 1, 4),
        "n_items": 6,
        "first_written_on": None if kind is MailKind.INVITATION else date(2026, 11, 20),
    }
    return Letter(kind=kind, is_demo=is_demo, **(standard | changes))


def sent(reminder: Letter, mail: MailSettings = MAIL) -> bytes:
    return written_reminder(reminder, settings=mail, message_id=MESSAGE_ID, now=NOW).content


def received(reminder: Letter, mail: MailSettings = MAIL) -> EmailMessage:
    return email.message_from_bytes(sent(reminder, mail), _class=EmailMessage, policy=policy.default)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def width(text: str) -> float:
    """The width in full-width characters."""
    return sum(1 if east_asian_width(character) in "FWA" else 0.5 for character in text)


# The subject


@every_mail
def test_a_subject_discloses_nothing(kind: MailKind, language: str) -> None:
    subject = received(written(kind, language))["Subject"]

    assert DISCLOSING.search(subject.replace(SITE.name[language], "")) is None


@pytest.mark.parametrize(
    "subject", ["After your operation", "【病院】手術後のアンケート", "Your back pain", "腰の痛み"]
)
def test_a_disclosing_subject_would_be_seen(subject: str) -> None:
    """The negative control of the word list."""
    assert DISCLOSING.search(subject)


@every_mail
def test_a_subject_fits_on_a_telephone(kind: MailKind, language: str) -> None:
    closing_days = [date(2027, month, 28) for month in range(1, 13)]
    subjects = [received(written(kind, language, closes_on=day))["Subject"] for day in closing_days]

    assert max(width(subject) for subject in subjects) <= {"en": 22.5, "ja": 25}[language]


@every_mail
def test_a_subject_names_the_hospital_and_not_the_patient(kind: MailKind, language: str) -> None:
    subject = received(written(kind, language))["Subject"]

    assert SITE.name[language] in subject
    assert not re.search("Mihon|Hanako|花子|見本[^病]", subject)


def test_no_two_kinds_of_mail_share_their_subject() -> None:
    assert len({received(written(*each))["Subject"] for each in KINDS_AND_LANGUAGES}) == len(KINDS_AND_LANGUAGES)


# The words


@every_mail
def test_a_body_names_no_disease(kind: MailKind, language: str) -> None:
    text = part(received(written(kind, language)), "plain")

    innocent = text.replace("Taking part", "").replace("病院", "")
    assert (
        re.search(r"surg|operat|pain|numb|spin|lumbar|cervic|disease|手術|痛|しびれ|脊椎|腰|頸|疾患", innocent) is None
    )


@every_mail
def test_a_mail_says_until_when_on_a_weekday(kind: MailKind, language: str) -> None:
    text = part(received(written(kind, language)), "plain")

    assert {"en": "Monday 4 January 2027", "ja": "1月4日（月）までに"}[language] in text


@every_mail
def test_only_a_reminder_says_when_we_wrote_first(kind: MailKind, language: str) -> None:
    text = part(received(written(kind, language)), "plain")

    is_reminder = kind in (MailKind.REMINDER, MailKind.LAST_REMINDER)
    assert ({"en": "20 November", "ja": "11月20日"}[language] in text) is is_reminder


@every_mail
def test_a_mail_names_who_writes_and_how_to_reach_them(kind: MailKind, language: str) -> None:
    text = part(received(written(kind, language)), "plain")

    for words in (SITE.name[language], SITE.signatory[language], SITE.phone, SITE.address[language]):
        assert words in text


@pytest.mark.parametrize(
    ("sex", "greeting"),
    [
        (Sex.FEMALE, "Dear Ms Mihon,"),
        (Sex.MALE, "Dear Mr Mihon,"),
        (Sex.OTHER, "Dear Hanako Mihon,"),
        (Sex.UNKNOWN, "Dear Hanako Mihon,"),
    ],
)
def test_an_english_mail_greets_as_sex_is_recorded(sex: Sex, greeting: str) -> None:
    addressee = Addressee("hanako@example.org", "Mihon", "Hanako", sex, "en")

    assert greeting in part(received(written(addressee=addressee)), "plain").splitlines()


def test_a_name_without_a_given_name_is_greeted_without_a_gap() -> None:
    addressee = Addressee("hanako@example.org", "Mihon", "", Sex.UNKNOWN, "en")

    assert "Dear Mihon," in part(received(written(addressee=addressee)), "plain").splitlines()


def test_a_japanese_mail_greets_by_the_family_name() -> None:
    assert "見本 様" in part(received(written(language="ja")), "plain").splitlines()


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("is_demo", [True, False])
def test_japanese_lines_fit_a_telephone(kind: MailKind, is_demo: bool) -> None:
    lines = part(received(written(kind, "ja", is_demo=is_demo)), "plain").splitlines()

    assert [line for line in lines if width(line) > 30 and not line.startswith("https://")] == []


@pytest.mark.parametrize("kind", MailKind)
def test_english_lines_fit_a_mail(kind: MailKind) -> None:
    lines = part(received(written(kind, "en")), "plain").splitlines()

    assert [line for line in lines if len(line) > 72] == []


@every_mail
def test_a_demonstration_says_so_in_every_part(kind: MailKind, language: str) -> None:
    message = received(written(kind, language, is_demo=True))

    assert message["Subject"].startswith("[DEMO] ")
    assert all("DEMO" in part(message, each) for each in ("plain", "html"))


@every_mail
def test_a_real_mail_is_not_marked(kind: MailKind, language: str) -> None:
    site = SITE.model_copy(update={"name": {"en": "Sample Hospital", "ja": "見本病院"}})

    assert b"DEMO" not in sent(written(kind, language, site=site))


# The parts


@every_mail
def test_the_text_part_comes_first(kind: MailKind, language: str) -> None:
    message = received(written(kind, language))

    assert message.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in message.iter_parts()] == ["text/plain", "text/html"]


@every_mail
def test_both_parts_say_the_same(kind: MailKind, language: str) -> None:
    message = received(written(kind, language))
    shown = re.sub(r"<title>.*?</title>|<[^>]+>", "\n", part(message, "html"))

    said = re.sub(r"\n(Answer now|回答する)\n", "\n", shown)
    assert re.sub(r"\s", "", said) == re.sub(r"\s|-{40}", "", part(message, "plain"))


@pytest.mark.parametrize("kind", MailKind)
def test_no_blank_parts_the_sentences_of_a_japanese_paragraph(kind: MailKind) -> None:
    html = part(received(written(kind, "ja")), "html")

    # As a browser shows it: tags fall away, and any run of blanks and line breaks is one blank.
    shown = re.sub(r"\s+", " ", re.sub(r"<(?!/?p|br)[^>]+>", "", html))
    assert not re.search(r"[。、へ] [ぁ-んァ-ヶ一-龠0-9]", shown)


@pytest.mark.parametrize("kind", MailKind)
def test_a_blank_parts_the_lines_of_an_english_paragraph(kind: MailKind) -> None:
    html = part(received(written(kind, "en")), "html")

    assert not re.search(r"[a-z][.?][A-Z]", re.sub(r"<[^>]+>", "\n", html))


@every_mail
def test_the_html_part_is_small_and_fetches_nothing(kind: MailKind, language: str) -> None:
    html = part(received(written(kind, language)), "html")

    assert len(html.encode()) <= 20 * 1024
    assert re.search(r"<img|<link|<script|<style|url\(|@import|src=|background=", html) is None


@every_mail
def test_every_address_in_the_html_part_is_one_of_ours(kind: MailKind, language: str) -> None:
    html = part(received(written(kind, language)), "html")

    assert set(re.findall(r'href="([^"]*)"', html)) == {FORM_URL, STOP_URL}


@every_language
def test_the_html_part_says_its_language(language: str) -> None:
    assert f'<html lang="{language}">' in part(received(written(language=language)), "html")


@every_language
def test_a_name_cannot_become_markup(language: str) -> None:
    addressee = Addressee("h@example.org", '<a href="https://evil.example">&', "<b>", Sex.OTHER, language)

    html = part(received(written(language=language, addressee=addressee)), "html")

    assert "evil.example" not in " ".join(re.findall(r'href="([^"]*)"', html))
    assert "&lt;a href=" in html


# The link


@every_mail
@pytest.mark.parametrize("host", ["https://a.jp", "http://127.0.0.1:8000", "https://" + "x" * 40 + ".example.org"])
def test_a_link_survives_the_way_byte_by_byte(kind: MailKind, language: str, host: str) -> None:
    form_url, stop_url = f"{host}/s/0123456789abcdefghjkmnpqrs", f"{host}/m/0123456789abcdefghjkmnpqrs"

    message = received(written(kind, language, form_url=form_url, stop_url=stop_url))

    lines = part(message, "plain").splitlines()
    assert (lines.count(form_url), lines.count(stop_url)) == (1, 1)
    assert part(message, "html").count(f'<a href="{form_url}"') == 2


def test_an_english_link_can_be_read_without_decoding() -> None:
    """Some mail programs find links in the raw text."""
    assert f"\r\n{FORM_URL}\r\n".encode() in sent(written())


@every_mail
def test_a_mail_is_plain_ascii_in_short_lines(kind: MailKind, language: str) -> None:
    content = sent(written(kind, language))

    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)


@every_mail
def test_a_mail_is_the_same_bytes_when_it_is_built_again(kind: MailKind, language: str) -> None:
    def without_boundary(content: bytes) -> bytes:
        return re.sub(rb"=+\d+==", b"boundary", content)

    assert without_boundary(sent(written(kind, language))) == without_boundary(sent(written(kind, language)))


# The headers


@every_language
def test_a_mail_can_be_stopped_by_one_click(language: str) -> None:
    message = received(written(language=language))

    assert message["List-Unsubscribe"] == f"<{STOP_URL}/one-click>, <mailto:desk@example.org>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_way_to_stop_stands_on_one_line_however_long() -> None:
    stop_url = f"https://{'x' * 60}.example.org/m/0123456789abcdefghjkmnpqrs"

    lines = sent(written(stop_url=stop_url)).decode().split("\r\n")

    assert f"List-Unsubscribe: <{stop_url}/one-click>, <mailto:desk@example.org>" in lines


def test_the_standard_policy_would_break_the_way_to_stop() -> None:
    """The negative control: why the mails have a policy of their own."""
    message = EmailMessage(policy=policy.SMTP)
    message["List-Unsubscribe"] = f"<https://{'x' * 60}.example.org/m/0123456789abcdefghjkmnpqrs/one-click>"

    assert b"=?utf-8?q?" in message.as_bytes()


@every_language
def test_a_mail_carries_its_fixed_headers(language: str) -> None:
    message = received(written(language=language))

    assert message["Message-ID"] == MESSAGE_ID
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == language
    assert message["To"] == "hanako@example.org"
    assert message["Reply-To"] == "desk@example.org"
    assert message["Date"].datetime == NOW


@every_language
def test_the_sender_is_the_hospital_under_the_configured_address(language: str) -> None:
    (address,) = received(written(language=language))["From"].addresses

    assert address.addr_spec == "followup@example.org"
    assert address.display_name == {"en": "Demo Hospital follow-up desk", "ja": "見本病院 経過確認係"}[language]


def test_replies_go_to_the_sender_when_no_other_address_is_set() -> None:
    message = received(written(), MailSettings(sender="followup@example.org"))

    assert message["Reply-To"] == "followup@example.org"


@every_mail
def test_a_mail_has_exactly_the_intended_headers(kind: MailKind, language: str) -> None:
    assert sorted(received(written(kind, language)).keys()) == [
        "Auto-Submitted",
        "Content-Language",
        "Content-Type",
        "Date",
        "From",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "MIME-Version",
        "Message-ID",
        "Reply-To",
        "Subject",
        "To",
    ]


# Hostile input

PAYLOADS = [
    "x\nBcc: injected@example.com",
    "x\r\nBcc: injected@example.com",
    "x\rBcc: injected@example.com",
    "A =?UTF-8?Q?=0A?=Bcc: injected@example.com",
    "A =?utf-8?b?Cg==?=Bcc: injected@example.com",
    "x\u2028Bcc: injected@example.com",
    "x\u2029Bcc: injected@example.com",
    "x\x85Bcc: injected@example.com",
    "x\x0bBcc: injected@example.com",
    "x\x00",
    "x\x7f",
    "\u202egpj.exe",
    "\u2066x\u2069",
    "x\u200f",
]
every_payload = pytest.mark.parametrize("payload", PAYLOADS)
HEADERS = set(received(written()).keys())


@every_payload
def test_an_address_that_could_change_a_mail_is_refused(payload: str) -> None:
    addressee = Addressee(f"hanako{payload}@example.org", "Mihon", "Hanako", Sex.FEMALE, "en")

    with pytest.raises(UnsafeHeader):
        sent(written(addressee=addressee))


@every_payload
@every_language
def test_a_hospital_that_could_change_a_mail_is_refused(payload: str, language: str) -> None:
    site: SiteSettings = SITE.model_copy(update={"name": {"en": payload, "ja": payload}})

    with pytest.raises(UnsafeHeader):
        sent(written(language=language, site=site))


@every_payload
def test_a_sender_that_could_change_a_mail_is_refused(payload: str) -> None:
    with pytest.raises(UnsafeHeader):
        # Past the configuration, which refuses it as well.
        sent(written(), MAIL.model_copy(update={"sender": f"followup{payload}@example.org"}))


@every_payload
def test_a_link_that_could_change_a_mail_is_refused(payload: str) -> None:
    with pytest.raises(UnsafeHeader):
        sent(written(stop_url=STOP_URL + payload))


@every_payload
@every_language
def test_a_name_reaches_no_header(payload: str, language: str) -> None:
    addressee = Addressee("hanako@example.org", payload, payload, Sex.OTHER, language)

    message = received(written(language=language, addressee=addressee))

    assert set(message.keys()) == HEADERS
    assert message["To"] == "hanako@example.org"


@pytest.mark.parametrize("address", ["a@example.org, b@example.org", "Hanako <a@example.org>", "a@example.org (b)"])
def test_a_mail_goes_to_one_address_only(address: str) -> None:
    addressee = Addressee(address, "Mihon", "Hanako", Sex.FEMALE, "en")

    with pytest.raises(UnsafeHeader):
        sent(written(addressee=addressee))


@pytest.mark.parametrize(
    "address", ["はなこ@example.org", "hanako@見本.example", "hanako", "@example.org", "a b@c.org"]
)
def test_an_address_that_no_server_takes_is_refused(address: str) -> None:
    addressee = Addressee(address, "Mihon", "Hanako", Sex.FEMALE, "en")

    with pytest.raises(UnsafeHeader):
        sent(written(addressee=addressee))


@settings(max_examples=60, deadline=timedelta(seconds=5))
@given(name=st.text(max_size=40), language=st.sampled_from(["en", "ja"]))
def test_no_name_changes_the_headers_or_the_link(name: str, language: str) -> None:
    addressee = Addressee("hanako@example.org", name, name, Sex.OTHER, language)

    message = received(written(language=language, addressee=addressee))

    assert set(message.keys()) == HEADERS
    assert FORM_URL in part(message, "plain").splitlines()


@settings(max_examples=60, deadline=timedelta(seconds=5))
@given(name=st.text(max_size=40), language=st.sampled_from(["en", "ja"]))
def test_a_hospitals_name_arrives_as_given_or_is_refused(name: str, language: str) -> None:
    site = SITE.model_copy(update={"name": {"en": name, "ja": name}})

    try:
        message = received(written(language=language, site=site))
    except UnsafeHeader:
        return

    assert set(message.keys()) == HEADERS
    assert " ".join(name.split()) in " ".join(message["Subject"].split())


# As the standard library would write it

HOSTILE_NAMES = [
    "見本\u3000花子",
    "\u3000見本",
    "a\nb",
    "a\n\nb",
    "x\r\ny",
    "\u2028",
    "<b>&\"'",
    "\ue000\ue001",
    "髙" * 60,
    ".",
    "-" * 40,
    "=_" * 30,
    FORM_URL,
    "名" * 200,
    "x" * 300,
    "\x00",
    "é" * 30,
]
NAMES = st.text(max_size=60) | st.sampled_from(HOSTILE_NAMES)
ADDRESSES = st.sampled_from(["a@b.jp", "x" * 64 + "@example.org"])


def built_by_the_library(letter: Letter) -> EmailMessage:
    subject, text, html = words_of(letter)
    desk = {"en": "Demo Hospital follow-up desk", "ja": "見本病院 経過確認係"}[letter.addressee.language]
    message = EmailMessage(policy=POLICY)
    message["Subject"] = subject
    message["From"] = Address(display_name=desk, addr_spec=MAIL.sender)
    message["To"] = letter.addressee.email
    message["Reply-To"] = MAIL.reply_to
    message["Date"] = format_datetime(NOW)
    message["Message-ID"] = MESSAGE_ID
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = f"<{letter.stop_url}/one-click>, <mailto:{MAIL.reply_to}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    message["Content-Language"] = letter.addressee.language
    return message


def as_read(content: bytes) -> tuple[object, ...]:
    """What a mail program makes of a mail: its headers, and the words of its parts."""
    message = email.message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    headers = sorted((name, value) for name, value in message.items() if name != "Content-Type")
    parts = list(message.iter_parts())
    kinds = [(each.get_content_type(), each.get_content_charset()) for each in parts]
    return headers, message.get_content_type(), kinds, [each.get_content() for each in parts]


@given(st.sampled_from(KINDS_AND_LANGUAGES), NAMES, NAMES, st.sampled_from(Sex), ADDRESSES)
@settings(max_examples=100, deadline=None)
def test_a_mail_reads_as_if_the_standard_library_had_written_it(
    kind_and_language: tuple[MailKind, str], family: str, given_name: str, sex: Sex, address: str
) -> None:
    kind, language = kind_and_language
    letter = written(kind, language, addressee=Addressee(address, family, given_name, sex, language))

    assert as_read(sent(letter)) == as_read(built_by_the_library(letter).as_bytes())


@given(st.sampled_from(["To", "Message-ID"]), st.from_regex(r"[!-~]{1,40}@[a-z0-9.-]{1,60}", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_what_is_written_without_asking_the_library_is_what_it_would_write(name: str, value: str) -> None:
    value = value if name == "To" else f"<{value}>"
    try:
        line = {"To": recipient_header, "Message-ID": id_header}[name](value)
    except UnsafeHeader:
        reject()

    assert line == POLICY.fold_binary(*POLICY.header_store_parse(name, value))


@every_mail
def test_a_second_copy_is_the_same_bytes(kind: MailKind, language: str) -> None:
    assert sent(written(kind, language)) == sent(written(kind, language))


def test_two_mails_do_not_share_their_boundary() -> None:
    def boundary(message_id: str) -> str | None:
        outgoing = written_reminder(written(), settings=MAIL, message_id=message_id, now=NOW)
        return outgoing.parsed().get_boundary()

    assert boundary("<a@example.org>") != boundary("<b@example.org>")


def test_what_was_rendered_for_one_patient_does_not_reach_another() -> None:
    first = Addressee("one@example.org", "Ichiban", "", Sex.FEMALE, "en")
    second = Addressee("two@example.org", "Niban", "", Sex.FEMALE, "en")

    other_urls = {"form_url": f"{FORM_URL[:-1]}t", "stop_url": f"{STOP_URL[:-1]}t"}
    sent(written(addressee=first))
    content = received(written(addressee=second, **other_urls)).as_string()

    assert [words for words in ("Ichiban", FORM_URL, STOP_URL) if words in content] == []


def test_a_hospital_that_was_renamed_writes_under_its_new_name() -> None:
    sent(written())
    site = SITE.model_copy(update={"name": {"en": "New Hospital", "ja": "新病院"}})

    assert "New Hospital" in part(received(written(site=site)), "plain")
