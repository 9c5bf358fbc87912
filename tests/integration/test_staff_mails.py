"""What staff see of mails: what failed, each as it was sent, what every kind says, and tests that count for nobody."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import event, text, update
from sqlmodel import col, select

from registry.config import Settings
from registry.mail.outgoing import Outgoing
from registry.mail.transport import FolderTransport, OutcomeUnknown, Refused, TryLater
from registry.security.keys import KeyRing
from registry.services.failed_mails import MOST_SHOWN, failed_mails, n_failed_mails
from registry.services.sent_mails import sent_mail
from registry.storage.database import Database, _Turn
from registry.storage.enrolments import site_id_of
from registry.storage.models import AuditEvent, Contact, Operation, Patient, Reminder, ReminderKind, ReminderState, Site
from registry.web.staff import mails
from tests.desk import Desk as Browser
from tests.desk import at_desk
from tests.integration.test_outbox import DUE_ON, Desk, MemoryTransport

DAY = timedelta(days=1)
DOTS = "." * 26
TOKEN = re.compile(r"(?<=/[sm]/)[0-9a-z]{26}")


@pytest.fixture
def desk(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    return Desk(database, settings, keys, now)


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Browser]:
    with at_desk(database, settings, now) as browser:
        browser.sign_in()
        yield browser


class Keeping(MemoryTransport):
    """Keeps each mail byte for byte as well."""

    def __init__(self) -> None:
        super().__init__()
        self.content: dict[str, bytes] = {}

    def send(self, message: Outgoing, *, recipient: str, sender: str) -> None:
        self.content[message.message_id] = message.content
        super().send(message, recipient=recipient, sender=sender)


def move_elsewhere(desk: Desk) -> None:
    """Let every patient belong to another hospital."""
    with desk.database.transaction() as session:
        site = Site(code="OTHER")
        session.add(site)
        session.flush()
        session.execute(update(Patient).values(site_id=site.id))


def fail(desk: Desk, **values: object) -> Reminder:
    """Let the first mail have failed."""
    row = desk.rows()[0]
    failed = {"state": ReminderState.REJECTED, "failed_at": desk.now, "failure": "550 no such user", **values}
    with desk.database.transaction() as session:
        session.execute(update(Reminder).where(col(Reminder.id) == row.id).values(**failed))
    return row


def parts_of(message: EmailMessage) -> list[str]:
    """Headers, text and HTML, as they are read."""
    bodies = [message.get_body((kind,)) for kind in ("plain", "html")]
    return [f"{name}: {value}" for name, value in message.items()] + [body.get_content() for body in bodies if body]


def masked(message: EmailMessage) -> list[str]:
    return [TOKEN.sub(DOTS, part) for part in parts_of(message)]


def rebuilt(desk: Desk, reminder: Reminder) -> Outgoing:
    with desk.database.reading() as session:
        site_id, site = site_id_of(session, code="DEMO") or 0, desk.settings.site("DEMO")
        found = sent_mail(session, reminder_id=reminder.id, site=site, site_id=site_id, settings=desk.settings)
    assert found.message is not None
    return found.message


def length_and_edges(content: bytes) -> tuple[int, list[bytes]]:
    """The length of each part of a mail, encoded as it is, and every header."""
    head, _, _ = content.partition(b"\r\n\r\n")
    return len(content), [TOKEN.sub(DOTS, line.decode()).encode() for line in head.split(b"\r\n")]


# Each mail as it was sent


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_mail_of_a_ladder_is_shown_as_it_was_handed_over_but_for_its_links(desk: Desk, language: str) -> None:
    desk.enrol(language=language)
    desk.transport = transport = Keeping()
    for week in range(3):
        desk.run(desk.on(DUE_ON + 7 * week * DAY))

    rows = [row for row in desk.rows() if row.state == ReminderState.ACCEPTED]
    again = [rebuilt(desk, row) for row in rows]
    sent = [transport.content[row.message_id or ""] for row in rows]

    assert len(rows) == 3
    assert [parts_of(mail.parsed()) for mail in again] == [masked(mail) for mail in transport.mails]
    assert [length_and_edges(mail.content) for mail in again] == [length_and_edges(content) for content in sent]
    assert all(TOKEN.search(mail.as_string()) for mail in transport.mails if language == "en")


def test_a_mail_in_a_folder_is_the_one_that_is_shown(desk: Desk, alice: Browser, tmp_path: Path) -> None:
    desk.enrol()
    desk.transport = FolderTransport(tmp_path / "kept")  # type: ignore[assignment]
    desk.run()

    path = next((tmp_path / "kept").glob("*.eml"))
    kept = message_from_bytes(path.read_bytes(), policy=policy.default)
    row = desk.rows()[0]
    page = unescape(alice.page(f"/mails/{row.id}"))
    html = alice.page(f"/mails/{row.id}/html")

    *_, plain, rich = masked(kept)
    assert [line for line in plain.splitlines() if line not in page] == []
    assert html == rich
    assert f"<dd>{row.message_id}</dd>" in page
    assert [
        value for name, value in kept.items() if name in ("Subject", "From", "To", "Date") and value not in page
    ] == []


def test_a_reminder_stays_a_reminder_when_the_last_one_was_not_needed(desk: Desk) -> None:
    """What became of later mails must not turn an earlier one into the last."""
    desk.enrol()
    desk.transport = transport = Keeping()
    desk.run()
    desk.run(desk.on(DUE_ON + 7 * DAY))
    with desk.database.transaction() as session:
        session.execute(update(Contact).values(emails_stopped_at=desk.now))
    desk.run(desk.on(DUE_ON + 14 * DAY))

    assert desk.states() == ["accepted", "accepted", "emails_stopped"]
    assert parts_of(rebuilt(desk, desk.rows()[1]).parsed()) == masked(transport.mails[1])


@pytest.mark.parametrize("failure", [TryLater("451 later"), OutcomeUnknown("lost")])
def test_a_mail_that_needed_a_second_attempt_is_the_mail_of_the_first(desk: Desk, failure: Exception) -> None:
    desk.enrol()
    desk.transport = transport = Keeping()
    transport.failures = [failure]
    desk.run()
    after_first = rebuilt(desk, desk.rows()[0])
    desk.run(desk.now + DAY)

    row = desk.rows()[0]
    assert (row.state, row.n_attempts) == (ReminderState.ACCEPTED, 2)
    assert [parts_of(mail.parsed()) for mail in (after_first, rebuilt(desk, row))] == list(map(masked, transport.mails))


def test_the_mail_with_a_fresh_link_is_shown_as_it_was_handed_over(desk: Desk) -> None:
    desk.enrol()
    desk.run()
    desk.transport = transport = Keeping()
    first = desk.rows()[0]
    with desk.database.transaction() as session:
        row = Reminder(follow_up_id=first.follow_up_id, patient_id=first.patient_id, rung=0, due_on=DUE_ON)
        row.kind = ReminderKind.FRESH_LINK
        session.add(row)
    desk.run()

    row = next(row for row in desk.rows() if row.kind == ReminderKind.FRESH_LINK)
    assert [masked(mail) for mail in transport.mails] == [parts_of(rebuilt(desk, row).parsed())]


def test_a_mail_that_was_taken_up_and_not_sent_is_not_there(desk: Desk, alice: Browser) -> None:
    desk.enrol()
    with desk.database.transaction() as session:
        session.execute(update(Contact).values(emails_stopped_at=desk.now))
    desk.run()

    row = desk.rows()[0]
    assert (row.skip_reason, row.claimed_at) == ("emails_stopped", desk.now)
    assert alice.client.get(f"/mails/{row.id}").status_code == 404


def test_the_token_is_on_no_page_and_looking_issues_no_link(desk: Desk, alice: Browser) -> None:
    desk.enrol()
    desk.run()
    row = desk.rows()[0]
    tokens = set(TOKEN.findall(" ".join(parts_of(desk.transport.mails[0]))))
    with desk.database.transaction() as session:
        quoted = f"554 blocked: http://127.0.0.1:8000/s/{min(tokens)} for hanako@example.org"
        session.execute(update(Reminder).where(col(Reminder.id) == row.id).values(failure=quoted))
        session.execute(text("UPDATE access_link SET revoked_at = issued_at"))
        n_links = session.execute(text("SELECT count(*) FROM access_link")).scalar()

    pages = [alice.page(f"/mails/{row.id}"), alice.page(f"/mails/{row.id}/html")]

    assert len(tokens) == 2
    assert [token for token in tokens for page in pages if token in page] == []
    assert [DOTS in page for page in pages] == [True, True]
    with desk.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM access_link")).scalar() == n_links


@pytest.mark.parametrize("state", ["accepted", "bounced", "unknown", "deferred", "rejected"])
def test_a_mail_says_what_became_of_it(desk: Desk, alice: Browser, state: str) -> None:
    desk.enrol()
    desk.run()
    values: dict[str, object] = {"state": state, "failure": "452 later, hanako@example.org"}
    if state not in ("accepted", "bounced"):
        values["sent_at"] = None
    if state == "bounced":
        values["bounced_at"] = desk.now + DAY
    if state in ("unknown", "rejected"):
        values["failed_at"] = desk.now
    row = desk.rows()[0]
    with desk.database.transaction() as session:
        session.execute(update(Reminder).where(col(Reminder.id) == row.id).values(**values))

    page = alice.page(f"/mails/{row.id}")

    words = {"accepted": "sent", "bounced": "came back", "unknown": "outcome unknown"}
    words |= {"deferred": "will be tried again", "rejected": "refused"}
    told = [words[state], "2026-11-20 12:00", "<dt>Attempts</dt><dd>1</dd>", "452 later, (address)", "are today’s"]
    assert [word for word in told if word not in page] == []
    assert "452 later, hanako" not in page
    assert ("2026-11-21 12:00" in page) == (state == "bounced")


def test_a_mail_that_nobody_tried_to_send_is_not_there(desk: Desk, alice: Browser) -> None:
    desk.enrol()

    assert [alice.client.get(f"/mails/{row.id}").status_code for row in desk.rows()] == [404, 404, 404]


def test_the_mail_of_another_hospital_is_not_there(desk: Desk, alice: Browser) -> None:
    desk.enrol()
    desk.run()
    pages = [f"/mails/{desk.rows()[0].id}{end}" for end in ("", "/html")]
    own = [alice.client.get(page).status_code for page in pages]

    move_elsewhere(desk)

    assert (own, [alice.client.get(page).status_code for page in pages]) == ([200, 200], [404, 404])


NAMED = "The name, the address or the language of this patient was changed"


@pytest.mark.parametrize(("changed", "is_told"), [({"family_name": "Betsu"}, True), ({"phone": "06-9"}, False)])
def test_a_change_of_what_a_mail_names_is_told(
    desk: Desk, alice: Browser, changed: dict[str, str], *, is_told: bool
) -> None:
    patient_id = desk.enrol(email="hanako@example.org")
    desk.run()
    with desk.database.reading() as session:
        path = f"/patients/{session.get_one(Patient, patient_id).public_id}"
    details = {"family_name": "Mihon", "given_name": "Hanako", "language": "en", "phone": "06-1111-2222"}
    page = f"/mails/{desk.rows()[0].id}"

    before = alice.page(page)
    alice.clock.instant = desk.now + timedelta(minutes=1)
    saved = alice.send(f"{path}/contact", email="hanako@example.org", **(details | changed))

    assert saved.status_code == 303
    assert (NAMED in before, NAMED in alice.page(page)) == (False, is_told)


def test_a_change_of_the_operation_is_told(desk: Desk, alice: Browser) -> None:
    patient_id = desk.enrol()
    desk.run()
    page = f"/mails/{desk.rows()[0].id}"
    with desk.database.reading() as session:
        path = f"/patients/{session.get_one(Patient, patient_id).public_id}"
        operation_id = session.exec(select(Operation.id).where(Operation.patient_id == patient_id)).one()

    before = alice.page(page)
    alice.clock.instant = desk.now + timedelta(minutes=1)
    moved = {"state": "performed", "operated_on": "2026-08-21", "procedure": "laminoplasty", "region": "cervical"}
    saved = alice.send(f"{path}/operations/{operation_id}", **moved)

    assert saved.status_code == 303, saved.get_data(as_text=True)
    assert ("The operation was changed" in before, "The operation was changed" in alice.page(page)) == (False, True)


def test_a_mail_to_an_address_that_is_gone_is_not_made_up(desk: Desk, alice: Browser) -> None:
    desk.enrol()
    desk.run()
    with desk.database.transaction() as session:
        session.execute(update(Contact).values(email=None))

    page = alice.page(f"/mails/{desk.rows()[0].id}")

    assert ("cannot be written again" in page, "Dear Ms Mihon" in page) == (True, False)
    assert alice.client.get(f"/mails/{desk.rows()[0].id}/html").status_code == 404


def test_the_html_part_may_do_nothing_but_be_looked_at(desk: Desk, alice: Browser) -> None:
    desk.enrol()
    desk.run()

    for page in (f"/mails/{desk.rows()[0].id}/html", "/mails/templates/reminder/ja/html"):
        rules = alice.client.get(page).headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "sandbox", "frame-ancestors 'none'"} <= set(rules)


def test_the_patients_page_leads_to_each_mail_that_was_tried(desk: Desk, alice: Browser) -> None:
    patient_id = desk.enrol()
    desk.run()
    with desk.database.reading() as session:
        path = f"/patients/{session.get_one(Patient, patient_id).public_id}"

    page = alice.page(path)

    assert [f'href="/mails/{row.id}"' in page for row in desk.rows()] == [True, False, False]


# What failed


def test_the_list_says_what_failed_and_leads_to_the_address(desk: Desk, alice: Browser) -> None:
    patient_id = desk.enrol(study_id="K-007")
    row = fail(desk, failure="550 5.1.1 <hanako@example.org> no such user")
    with desk.database.reading() as session:
        path = f"/patients/{session.get_one(Patient, patient_id).public_id}"

    page = alice.page("/mails/failed")

    told = ["K-007", "M3", "refused", "2026-11-20 12:00", "550 5.1.1 (address) no such user", "1 mail, newest first"]
    told += [f'href="{path}/contact"', f'href="/mails/{row.id}"', 'Mails <span class="count">1']
    assert [word for word in told if word not in page] == []
    assert [word for word in ("hanako@", "Mihon") if word in page] == []


@pytest.mark.parametrize(
    ("values", "is_listed"),
    [
        ({}, True),
        ({"state": ReminderState.UNKNOWN}, True),
        ({"state": ReminderState.PLANNED}, False),
        ({"state": ReminderState.DEFERRED, "failed_at": None, "tried": timedelta(hours=25)}, True),
        ({"state": ReminderState.DEFERRED, "failed_at": None, "tried": timedelta(hours=23)}, False),
    ],
)
def test_refused_unknown_and_long_put_off_mails_are_listed(
    desk: Desk, alice: Browser, values: dict[str, object], *, is_listed: bool
) -> None:
    desk.enrol(study_id="K-007")
    tried = values.pop("tried", None)
    if isinstance(tried, timedelta):
        values |= {"first_tried_at": desk.now - tried, "next_attempt_at": desk.now}
    fail(desk, **values)

    page = alice.page("/mails/failed")

    assert ("K-007" in page, "Every mail was taken." in page) == (is_listed, not is_listed)
    assert ('<span class="sr"> failed</span>' in page) == is_listed


def test_a_mail_of_a_form_that_has_closed_is_listed_and_no_longer_counted(desk: Desk, alice: Browser) -> None:
    desk.enrol(study_id="K-007")
    fail(desk)
    with desk.database.transaction() as session:
        past = "opens_on = '2026-11-01', due_on = '2026-11-10', closes_on = '2026-11-19'"
        session.execute(text(f"UPDATE follow_up SET {past} WHERE timepoint = 'M3'"))

    page = alice.page("/mails/failed")

    assert ("K-007" in page, '<span class="sr"> failed</span>' in page) == (True, False)
    assert "0 about forms that are still open" in page


def test_another_hospitals_failed_mails_are_not_there(desk: Desk, alice: Browser) -> None:
    desk.enrol(study_id="K-007")
    fail(desk)
    move_elsewhere(desk)

    page = alice.page("/mails/failed")

    assert ("K-007" in page, '<span class="sr"> failed</span>' in page) == (False, False)


def test_the_newest_fifty_are_shown_with_the_number_of_all(desk: Desk) -> None:
    for _ in range(MOST_SHOWN // 3 + 1):
        desk.enrol()
    with desk.database.transaction() as session:
        for number, row in enumerate(session.exec(select(Reminder).order_by(col(Reminder.id))).all()):
            row.state, row.failed_at = ReminderState.REJECTED, desk.now + number * timedelta(minutes=1)

    with desk.database.reading() as session:
        site_id = site_id_of(session, code="DEMO") or 0
        shown = failed_mails(session, site_id=site_id, now=desk.now)
        numbers = n_failed_mails(session, site_id=site_id, today=desk.now.date(), now=desk.now)

    whens = [mail.at for mail in shown]
    assert (len(shown), whens) == (MOST_SHOWN, sorted(whens, reverse=True))
    assert numbers.all > MOST_SHOWN
    assert whens[0] == desk.now + (numbers.all - 1) * timedelta(minutes=1)


def test_what_failed_is_found_by_indexes(desk: Desk) -> None:
    """Every page of staff counts it: that costs what failed, not what was ever sent."""
    for _ in range(40):
        desk.enrol()
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, sql: str, values: object, *_: object) -> None:
        if "UNION ALL" in sql and "EXPLAIN" not in sql:
            asked.append((sql, values))

    with desk.database.transaction() as session:
        if not desk.database.is_sqlite:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("ANALYZE"))
        event.listen(session.connection(), "before_cursor_execute", note)
        failed_mails(session, site_id=1, now=desk.now)
        n_failed_mails(session, site_id=1, today=desk.now.date(), now=desk.now)
        explain = "EXPLAIN QUERY PLAN " if desk.database.is_sqlite else "EXPLAIN "
        plans = [str(session.connection().exec_driver_sql(explain + sql, values).all()) for sql, values in asked]  # type: ignore[arg-type]

    indexes = ("ix__reminder__failed_at", "ix__reminder__next_attempt")
    assert [[name in plan for name in indexes] for plan in plans] == [[True, True], [True, True]]
    # Whoever begins elsewhere looks at every mail, or at every patient.
    assert [name for name in ("ix__reminder__patient_id", "SCAN patient", "SCAN follow_up") if name in str(plans)] == []


# What every kind says


def test_every_kind_is_shown_in_both_languages_with_links_that_open_nothing(alice: Browser) -> None:
    page = unescape(alice.page("/mails/templates"))

    kinds = ("invitation", "reminder", "last_reminder", "fresh_link")
    assert [f'id="{kind}-{language}"' in page for kind in kinds for language in ("en", "ja")] == [True] * 8
    told = ["last reminder, until", "Dear Ms Mihon,", "見本 様", "List-Unsubscribe=One-Click", "a new link", "回答する"]
    assert [word for word in told if word not in page] == []
    links = set(re.findall(r"/[sm]/([0-9a-z]{26})", page))
    assert [alice.client.get(f"/s/{token}").status_code for token in links] == [404]


def test_the_html_part_of_each_kind_has_a_page(alice: Browser) -> None:
    assert "Answer now" in alice.page("/mails/templates/invitation/en/html")
    unknown = ["/mails/templates/spam/en/html", "/mails/templates/invitation/de/html"]
    assert [alice.client.get(page).status_code for page in unknown] == [404, 404]


# The test


def put(alice: Browser, monkeypatch: pytest.MonkeyPatch, *failures: BaseException) -> MemoryTransport:
    """A mail server that keeps what it takes, and fails as it is told."""
    transport = MemoryTransport()
    transport.failures = list(failures)
    monkeypatch.setattr(mails, "transport_of", lambda settings: transport)
    return transport


def audited(alice: Browser) -> list[AuditEvent]:
    with alice.database.reading() as session:
        return list(session.exec(select(AuditEvent).where(AuditEvent.action == "test_mails_sent")))


def test_a_test_sends_every_kind_in_the_chosen_language_under_a_marked_subject(alice: Browser) -> None:
    before = alice.page("/mails/templates")

    sent = alice.send("/mails/templates", recipient="me@example.org", language="ja")

    files = list(alice.settings.mail.folder.glob("*.eml"))
    written = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]
    assert (sent.status_code, sent.headers["Location"]) == (303, "/mails/templates")
    assert "4 test mails are sent." in alice.page("/mails/templates")
    assert "test mails are sent" not in before
    assert [(mail["To"], mail["Subject"][:7], mail["Content-Language"]) for mail in written] == [
        ("me@example.org", "[TEST] ", "ja")
    ] * 4
    assert len({mail["Subject"] for mail in written}) == 4
    assert {len(mail.get_all("Subject", [])) for mail in written} == {1}


def test_a_test_is_no_reminder_and_is_audited_without_the_address(alice: Browser) -> None:
    alice.send("/mails/templates", recipient="me@example.org", language="en")

    found = audited(alice)
    assert [(event.actor_kind, event.subject, event.details) for event in found] == [
        ("staff", "staff", {"language": "en", "n_taken": 4, "is_refused": False})
    ]
    with alice.database.reading() as session:
        assert session.exec(select(Reminder)).all() == []
        rows = [str(dict(event)) for event in session.exec(select(AuditEvent)).all()]
    assert "me@example.org" not in "".join(rows)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (TryLater("451 4.3.0 not now"), "The mail server did not take the test: 451 4.3.0 not now"),
        (Refused("550 no such user"), "The mail server did not take the test: 550 no such user"),
        (OutcomeUnknown("the connection broke"), "It is not known whether the mail server took the test"),
    ],
)
def test_a_refusal_is_said_in_words_and_what_was_typed_stays(
    alice: Browser, monkeypatch: pytest.MonkeyPatch, failure: Exception, words: str
) -> None:
    put(alice, monkeypatch, failure)

    refused = alice.send("/mails/templates", recipient="me@example.org", language="ja")

    page = refused.get_data(as_text=True)
    assert (refused.status_code, words in page, 'value="me@example.org"' in page) == (422, True, True)
    assert '<option selected value="ja">' in page
    assert [event.details for event in audited(alice)] == [{"language": "ja", "n_taken": 0, "is_refused": True}]


def test_a_test_leaves_outside_every_transaction(alice: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Turn, "longest_wait", 0.1)
    transport = put(alice, monkeypatch)
    of_pages: Database = alice.client.application.extensions["registry"].database
    held: list[int] = []

    def write(_mail: EmailMessage) -> None:
        held.append(of_pages.engine.pool.checkedout())  # type: ignore[attr-defined]
        with of_pages.transaction() as session:
            session.execute(text("UPDATE site SET code = code"))

    transport.on_send = write
    sent = alice.send("/mails/templates", recipient="me@example.org", language="en")

    assert (sent.status_code, held) == (303, [0] * 4)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "Enter an e-mail address"),
        ("nobody", "This address cannot receive mail"),
        ("a@example.org\r\nBcc: b@example.org", "characters that cannot be seen"),
        ("a@example.org\nSubject: x", "characters that cannot be seen"),
        ("a@example.org, b@example.org", "This address cannot receive mail"),
        ("A <a@example.org>", "This address cannot receive mail"),
        ("a..b@docomo.ne.jp", "No mail can be written to this address"),
    ],
)
def test_an_address_that_is_none_or_more_than_one_is_refused(
    alice: Browser, monkeypatch: pytest.MonkeyPatch, typed: str, reason: str
) -> None:
    transport = put(alice, monkeypatch)

    refused = alice.send("/mails/templates", recipient=typed, language="en")

    page = refused.get_data(as_text=True)
    assert (refused.status_code, reason in page, transport.recipients) == (422, True, [])
    assert typed.partition("\r")[0].partition("\n")[0].partition(" <")[0] in unescape(page)


def test_a_test_without_the_pages_token_is_refused(alice: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = put(alice, monkeypatch)

    response = alice.client.post("/mails/templates", data={"recipient": "me@example.org", "language": "en"})

    assert (response.status_code, transport.recipients, audited(alice)) == (400, [], [])
