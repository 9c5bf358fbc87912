"""Mails that came back, read: real-looking reports of each server, and bytes that are no mail at all."""

import email
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.mail.bounces import LONGEST_BYTES, Kind, Returned, read_returned
from registry.mail.failures import Severity, reason, severity_of, status_in
from tests.returned import FOLDER, MESSAGE_ID, RETURN_PATH, returned_mail

HARD, SOFT, UNWANTED = Severity.HARD, Severity.SOFT, Severity.UNWANTED

FAILURES = {
    "postfix-unknown-user": (HARD, "5.1.1"),
    "postfix-mailbox-full": (SOFT, "5.2.2"),
    "postfix-mailbox-full-for-days": (SOFT, "4.2.2"),
    "postfix-no-such-host": (SOFT, "5.4.4"),
    "postfix-spam-refused": (UNWANTED, "5.7.1"),
    "exim-unknown-user": (HARD, "5.1.1"),
    "exchange-recipient-not-found": (HARD, "5.1.10"),
    "exchange-mailbox-full": (SOFT, "5.2.2"),
    "outlook-access-denied": (SOFT, "5.4.1"),
    "gmail-no-such-account": (HARD, "5.1.1"),
    "gmail-disabled": (HARD, "5.2.1"),
    "gmail-over-quota": (SOFT, "5.2.2"),
    "gmail-unauthenticated": (UNWANTED, "5.7.26"),
    "docomo-unknown-user": (HARD, "5.2.0"),
    "au-user-unknown": (HARD, "5.0.0"),
    "softbank-invalid-recipient": (HARD, "5.0.0"),
    "yahoo-japan-no-account": (HARD, "5.0.0"),
    # In prose: believed as far as that this mail did not arrive.
    "qmail-text-only": (SOFT, "5.1.1"),
    "sendmail-text-only": (SOFT, "5.1.1"),
    "exim-text-only": (SOFT, "5.1.1"),
    "au-japanese-text": (SOFT, ""),
}
OTHERS = {
    "postfix-delayed": Kind.PASSING,
    "postfix-delivered": Kind.PASSING,
    "postfix-two-recipients-one-reached": Kind.PASSING,
    "vacation-by-header": Kind.AUTO_REPLY,
    "vacation-by-precedence": Kind.AUTO_REPLY,
    "vacation-without-a-sender": Kind.AUTO_REPLY,
    "read-receipt": Kind.AUTO_REPLY,
    "reply-by-a-person": Kind.OTHER,
}


def test_every_mail_is_read_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.eml")} == FAILURES.keys() | OTHERS.keys()


@pytest.mark.parametrize("name", FAILURES)
def test_a_report_says_what_happened_to_which_mail(name: str) -> None:
    severity, status = FAILURES[name]

    found = read_returned(returned_mail(name))

    assert (found.kind, found.severity, found.status) == (Kind.FAILED, severity, status)
    assert RETURN_PATH.decode() in found.arrived_at


@pytest.mark.parametrize("name", FAILURES)
def test_a_report_reads_the_same_with_the_line_endings_of_the_wire(name: str) -> None:
    content = returned_mail(name)

    assert read_returned(content.replace(b"\n", b"\r\n")) == read_returned(content)


@pytest.mark.parametrize("name", [name for name in FAILURES if name != "au-japanese-text"])
def test_a_report_names_the_mail_that_came_back(name: str) -> None:
    assert read_returned(returned_mail(name)).message_id == MESSAGE_ID.decode()


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_failure_is_told_apart(name: str) -> None:
    found = read_returned(returned_mail(name))

    assert (found.kind, found.severity) == (OTHERS[name], None)


def test_the_return_path_of_the_copy_is_not_where_the_report_arrived() -> None:
    """Everybody who gets a mail can read its return path; where a report arrives says who sent it there."""
    content = returned_mail("postfix-unknown-user")
    head, copy = content.split(b"Content-Type: message/rfc822", 1)
    elsewhere = head.replace(RETURN_PATH, b"desk@hospital.example") + b"Content-Type: message/rfc822" + copy

    found = read_returned(elsewhere)

    assert (found.kind, RETURN_PATH.decode() in found.arrived_at) == (Kind.FAILED, False)


def test_a_report_inside_a_returned_mail_is_no_report() -> None:
    inner = returned_mail("postfix-unknown-user")
    outer = b'From: a@example.org\nContent-Type: multipart/mixed; boundary="o"\n\n--o\nContent-Type: message/rfc822\n\n'

    assert read_returned(outer + inner + b"\n--o--\n").kind is Kind.OTHER


@pytest.mark.parametrize(
    ("status", "diagnosis", "severity"),
    [
        ("5.1.1", "", HARD),
        ("5.1.2", "", HARD),
        ("5.1.7", "", UNWANTED),
        ("5.1.8", "", UNWANTED),
        ("5.1.0", "smtp; 550 sender rejected by policy", UNWANTED),
        ("5.2.0", "", SOFT),
        ("5.2.3", "", UNWANTED),
        ("5.3.0", "smtp; 550 no such user", HARD),
        ("5.3.4", "", UNWANTED),
        ("5.5.0", "smtp; 550 Requested action not taken: mailbox unavailable", HARD),
        ("5.5.0", "smtp; 550 mailbox unavailable: blocked", UNWANTED),
        ("5.6.0", "", UNWANTED),
        ("4.7.0", "", UNWANTED),
        ("4.4.7", "", SOFT),
        ("", "smtp; 550 something went wrong", SOFT),
    ],
)
def test_the_patient_is_blamed_only_for_a_dead_address(status: str, diagnosis: str, severity: Severity) -> None:
    assert severity_of(status, diagnosis) == severity


@pytest.mark.parametrize(
    ("status", "diagnosis", "wanted"),
    [
        ("5.0.0", "smtp; 550 5.1.1 unknown", "5.1.1"),
        ("5.2.0", "smtp; 550 5.1.1 unknown", "5.2.0"),
        ("", "smtp; 550-5.7.1 [192.0.2.10] no", "5.7.1"),
        ("", "smtp; 550 5.1.1.2 is an address on the Internet", ""),
        ("2.1.5", "", ""),
        ("nonsense", "", ""),
    ],
)
def test_the_status_comes_from_the_report_or_else_from_the_servers_words(
    status: str, diagnosis: str, wanted: str
) -> None:
    assert status_in(status, diagnosis) == wanted


def test_a_reason_is_in_words_of_our_own() -> None:
    reasons = [reason("5.1.1", HARD), reason("5.2.2", SOFT), reason("", SOFT), reason("5.7.1", UNWANTED)]

    assert reasons == [
        "no such mailbox (5.1.1)",
        "the mailbox is full (5.2.2)",
        "the mail could not be delivered",
        "the mail was not wanted (5.7.1)",
    ]


# Bytes that are no mail


@given(st.binary(max_size=2000))
def test_no_bytes_make_the_reader_fail(content: bytes) -> None:
    assert isinstance(read_returned(content), Returned)


@given(st.sampled_from(sorted(FAILURES)), st.data())
def test_no_damage_to_a_report_makes_the_reader_fail(name: str, data: st.DataObject) -> None:
    content = bytearray(returned_mail(name))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=30)):
        content[place] = data.draw(st.integers(0, 255))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))

    assert isinstance(read_returned(bytes(content[:start] + content[end:])), Returned)


# What the parser does not expect, or only in another place.
ODD_WORDS = (
    b"Content-Type: multipart/mixed; boundary=x",
    b"Content-Type: message/delivery-status",
    b"Content-Type: message/rfc822",
    b"Content-Type: multipart/mixed; boundary*=undefined''x",
    b"Content-Type: multipart/report; boundary*=x; boundary*1=y",
    b"Content-Type: text/plain; charset*=utf-8''%ff",
    b"Content-Type: text/plain; charset*=x''",
    b"Content-Type: text/plain; charset*x=1; charset*1=2",
    b"Content-Type: text/plain; charset=undefined",
    b"Content-Type: text/plain; charset=punycode",
    b"Content-Type: text/plain; charset=hex",
    b'Content-Type: text/plain; charset="\x00"',
    b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: x-uuencode",
    b"To: =?undefined?b?////?=",
    b"Return-Path: <>",
    b"\xff\xfe\x00",
    b"begin 666 x\n#!!!",
    b"--x\n",
    b"",
)


def damaged(chance: Random) -> bytes:
    """A mail that came back, with lines of another, lines that are odd, and bytes that are lost."""
    lines = returned_mail(chance.choice(sorted(FAILURES | OTHERS))).split(b"\n")
    for _ in range(chance.randint(1, 8)):
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(ODD_WORDS))
    content = bytearray(b"\n".join(lines))
    for _ in range(chance.randint(0, 8)):
        start = chance.randrange(len(content))
        content[start : start + chance.randint(0, 40)] = chance.randbytes(chance.randint(0, 4))
    return bytes(content)


@pytest.mark.parametrize("n", [3_000, pytest.param(300_000, marks=pytest.mark.long)])
def test_nothing_but_what_is_named_keeps_a_damaged_report_from_being_read(n: int) -> None:
    chance = Random(20261121)
    kinds = {read_returned(damaged(chance)).kind for _ in range(n)}

    # Damaged, but not so badly that it is all the same.
    assert kinds == set(Kind)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"Content-Type: text/plain; charset*=x; charset*1=y\n\n", TypeError),
        (b"Content-Type: multipart/mixed; boundary*=undefined''x\n\n--x\n", UnicodeError),
        (b"Content-Type: multipart/mixed; boundary*=%00''x\n\n--x\n", ValueError),
        (b"Content-Type: multipart/mixed; boundary*" + b"9" * 5000 + b"=x\n\n", ValueError),
        (b"Content-Type: message/rfc822\n\n" * 3000, RecursionError),
    ],
)
def test_what_pythons_parser_stumbles_over_is_unreadable(content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        email.message_from_bytes(content).get_content_charset()

    assert read_returned(content) == Returned(Kind.UNREADABLE)


@pytest.mark.parametrize(
    "parameter", [b"charset=undefined", b'charset="\x00"', b"charset=punycode", b"charset*=x''utf-8"]
)
def test_a_report_in_a_codec_that_is_none_is_read_all_the_same(parameter: bytes) -> None:
    head = b"From: MAILER-DAEMON\nContent-Type: text/plain; " + parameter
    text = b"\xff This message was created automatically by mail delivery software.\nMessage-ID: " + MESSAGE_ID

    found = read_returned(head + b"\n\n" + text + b"\n")

    assert (found.kind, found.severity, found.message_id) == (Kind.FAILED, SOFT, MESSAGE_ID.decode())


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: multipart/report; boundary=\n\n--\n",
        b"Content-Type: multipart/report; boundary*0*=utf-8''%ff; boundary*1=x\n\n--x\n",
        b"Content-Type: text/plain; charset=\xff\xfe\nFrom: MAILER-DAEMON\n\nHi. This is the qmail\n",
        b"Content-Type: text/plain; charset=utf-16\nFrom: mailer-daemon\n\nx",
        b"Content-Type: text/plain; charset=none-such\nFrom: mailer-daemon\n\nx",
        b"Content-Type: text/plain; charset*=bad'%zz\nFrom: mailer-daemon\n\nx",
        b"Content-Transfer-Encoding: base64\nReturn-Path: <>\n\n!!!!=",
        b"To: =?utf-8?b?////?= <x@y>\nContent-Type: message/delivery-status\n\nAction: failed\n\xff: \xff\n",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000)),
        b"Content-Type: message/rfc822\n\n" * 3000,
    ],
)
def test_a_broken_mail_is_read_as_far_as_it_goes_and_proves_no_address_dead(content: bytes) -> None:
    assert read_returned(content).severity is not HARD


def test_a_huge_mail_is_not_read() -> None:
    content = returned_mail("postfix-unknown-user")
    room = LONGEST_BYTES - len(content)

    assert read_returned(content + b"\n" * room).kind is Kind.FAILED
    assert read_returned(content + b"\n" * (room + 1)) == Returned(Kind.UNREADABLE)
