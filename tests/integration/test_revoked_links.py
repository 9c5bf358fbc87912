"""Links that reached a stranger stop working when staff say so, and the next mail carries others."""

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, text
from sqlmodel import Session, col, select

from registry.config import Settings
from registry.mail.transport import OutcomeUnknown, TryLater
from registry.security.keys import load_keys
from registry.services import outbox as dispatching
from registry.services.enrolment import ContactDetails, change_contact
from registry.services.links import Issuing, form_link, preferences_link, tablet_link
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage import outbox
from registry.storage.database import Database
from registry.storage.models import AccessLink, AuditEvent, ReminderState
from registry.storage.outbox import Claim
from tests.desk import AtDesk, Desk, at_desk
from tests.factories import BY
from tests.integration.test_outbox import MemoryTransport, form_url

WRONG, RIGHT = "stranger@example.org", "hanako@example.org"
DAY = timedelta(days=1)

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Ward:
    """Staff at a browser, a patient whose address was mistyped, and the stranger whom the mails reached."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.patient: AtDesk = desk.patient(email=WRONG)
        self.stranger: FlaskClient = desk.client.application.test_client()
        self.transport = MemoryTransport()
        self.dispatch = Dispatch(
            desk.database, desk.settings, load_keys(desk.settings.security.key_file), self.transport, desk.clock
        )
        with desk.database.transaction() as session:
            issuing = Issuing(session, self.dispatch.keys, BY, desk.clock())
            ids = {"patient_id": self.patient.id, "follow_up_id": self.patient.follow_up_id}
            self.form = f"/s/{form_link(issuing, **ids).token}"
            self.stop = f"/m/{preferences_link(issuing, patient_id=self.patient.id).token}"

    def correct(self, email: str = RIGHT, **fields: str) -> int:
        """Send the contact page; what is ticked comes with the fields."""
        details = {"family_name": "Mihon", "given_name": "Hanako", "phone": "06-1111-2222", "language": "en"}
        return self.desk.send(f"{self.patient.path}/contact", **details, email=email, **fields).status_code

    def open(self, path: str) -> int:
        """What the stranger gets."""
        return self.stranger.get(path, follow_redirects=True).status_code

    def enter(self, path: str) -> tuple[str, str]:
        """Open a link as the stranger: the address behind it, and the signed field of its page."""
        address = self.stranger.get(path).headers["Location"]
        found = re.search(r'name="key" value="([^"]+)"', self.stranger.get(address).get_data(as_text=True))
        assert found is not None
        return address, found.group(1)

    def send_mails(self) -> list[str]:
        """Run the dispatcher, and give the links to forms of the mails that went out."""
        n_before = len(self.transport.mails)
        send_due_reminders(self.dispatch)
        return [form_url(mail).strip().partition("/s/")[2] for mail in self.transport.mails[n_before:]]

    def revocations(self) -> list[dict[str, object]]:
        with self.desk.database.reading() as session:
            rows = session.exec(select(AuditEvent).where(AuditEvent.action == "links_revoked"))
            return [row.details for row in rows if (row.subject, row.subject_id) == ("patient", self.patient.id)]

    def links(self) -> list[AccessLink]:
        with self.desk.database.reading() as session:
            return list(session.exec(select(AccessLink).order_by(col(AccessLink.id))))


@pytest.fixture
def ward(database: Database, settings: Settings, now: datetime) -> Iterator[Ward]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield Ward(desk)


TICKED = {"is_strangers_address": "y"}


@pytest.mark.parametrize("email", [RIGHT, WRONG, ""])
def test_with_the_tick_no_link_of_the_stranger_opens(ward: Ward, email: str) -> None:
    assert ward.correct(email, **TICKED) == 303

    opened = [ward.open(path) for path in (ward.form, ward.stop, f"{ward.stop}/one-click")]
    one_click = ward.stranger.post(f"{ward.stop}/one-click", data={"List-Unsubscribe": "One-Click"})

    assert (opened, one_click.status_code) == ([404] * 3, 404)


def test_without_the_tick_links_live_on(ward: Ward) -> None:
    assert ward.correct() == 303

    assert (ward.open(ward.form), ward.open(ward.stop), ward.revocations()) == (200, 200, [])


def test_a_browser_that_had_entered_sees_and_saves_nothing_more(ward: Ward) -> None:
    address, key = ward.enter(ward.form)
    ward.stranger.post(f"{address}/q/1", data={"key": key, "vas_low_back": "47"})
    ward.correct(**TICKED)

    seen = [ward.open(f"{address}{page}") for page in ("", "/q/1", "/check", "/done", "/phone")]
    written = ward.stranger.post(f"{address}/q/1", data={"key": key, "vas_low_back": "99"}).status_code

    assert (seen, written) == ([404] * 5, 404)
    assert [answer.score for answer in ward.patient.answers().values()] == [47]


def test_open_preferences_neither_stop_mails_nor_delete_answers(ward: Ward) -> None:
    address, key = ward.enter(ward.stop)
    ward.correct(**TICKED)

    paths = {"": {"choice": "stop"}, "/leave?answers=delete": {"sure": "yes"}}
    found = [ward.stranger.post(address + path, data={"key": key, **sent}) for path, sent in paths.items()]

    assert ([response.status_code for response in found], ward.open(address)) == ([404, 404], 404)
    with ward.desk.database.reading() as session:
        untouched = "SELECT count(*) FROM enrolment JOIN contact USING (patient_id) WHERE withdrawn_on IS NULL"
        assert session.execute(text(f"{untouched} AND emails_stopped_at IS NULL")).scalar_one() == 1


def test_a_sitting_at_the_tablet_ends_too(ward: Ward) -> None:
    ids = {"patient_id": ward.patient.id, "follow_up_id": ward.patient.follow_up_id}
    with ward.desk.database.transaction() as session:
        tablet_link(Issuing(session, ward.dispatch.keys, BY, ward.desk.clock()), **ids)

    ward.correct(**TICKED)

    assert [link.purpose for link in ward.links() if link.revoked_at is None] == []


def test_another_patients_links_live_on(ward: Ward) -> None:
    other = Ward(ward.desk)

    assert ward.correct(**TICKED) == 303

    assert (other.open(other.form), other.open(other.stop)) == (200, 200)


def test_the_trail_counts_the_links(ward: Ward) -> None:
    ward.correct(**TICKED)
    ward.correct(**TICKED)

    assert ward.revocations() == [{"n_links": 2}, {"n_links": 0}]


def test_a_refused_page_revokes_nothing(ward: Ward) -> None:
    assert ward.correct("no address", **TICKED) == 422

    assert (ward.open(ward.form), ward.revocations()) == (200, [])


def test_the_page_says_in_one_sentence_what_the_tick_does_and_has_none_beforehand(ward: Ward) -> None:
    page = ward.desk.page(f"{ward.patient.path}/contact")

    assert "The old address did not belong to the patient: its links stop working" in page
    assert "Every link that was sent to this patient so far stops working" in page
    assert " checked" not in page


# The next mail


@pytest.mark.parametrize("email", [RIGHT, WRONG])
def test_the_next_mail_carries_links_that_open(ward: Ward, email: str) -> None:
    (before,) = ward.send_mails()
    ward.correct(email, **TICKED)
    ward.desk.clock.instant += 7 * DAY

    (after,) = ward.send_mails()

    stop = str(ward.transport.mails[-1]["List-Unsubscribe"]).partition("/m/")[2].partition("/")[0]
    assert (f"/s/{before}", ward.transport.recipients[-1]) == (ward.form, email)
    assert [ward.open(path) for path in (ward.form, f"/s/{after}", f"/m/{stop}")] == [404, 200, 200]


@pytest.mark.parametrize(
    ("failure", "later"), [(TryLater("451 later"), timedelta(minutes=7)), (OutcomeUnknown("lost"), DAY)]
)
@pytest.mark.parametrize("email", [RIGHT, WRONG])
def test_a_mail_that_was_tried_before_goes_out_with_another_link(
    ward: Ward, failure: Exception, later: timedelta, email: str
) -> None:
    ward.transport.failures = [failure]
    (before,) = ward.send_mails()
    ward.correct(email, **TICKED)
    ward.desk.clock.instant += later

    (after,) = ward.send_mails()

    assert [ward.open(f"/s/{token}") for token in (before, after)] == [404, 200]


@pytest.mark.parametrize("email", [RIGHT, WRONG])
def test_a_link_that_is_revoked_after_its_mail_was_made_ready_is_not_sent(
    ward: Ward, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ready = dispatching.make_ready

    def make_ready_and_correct(*batch: Any) -> None:
        make_ready(*batch)
        ward.correct(email, **TICKED)

    # Patched because nothing else stands between the links of a batch and its first mail.
    monkeypatch.setattr(dispatching, "make_ready", make_ready_and_correct)
    (sent,) = ward.send_mails()

    stop = str(ward.transport.mails[-1]["List-Unsubscribe"]).partition("/m/")[2].partition("/")[0]
    assert ward.transport.recipients == [email]
    assert [ward.open(path) for path in (ward.form, ward.stop, f"/s/{sent}", f"/m/{stop}")] == [404, 404, 200, 200]


@on_postgresql
def test_a_mail_that_waits_for_a_correction_carries_the_links_that_it_left(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ready = dispatching.make_ready
    other = Database(ward.desk.settings.database.url)
    has_corrected = Event()

    def correct() -> None:
        with other.transaction() as session:
            change_to(ward, session, RIGHT)
            has_corrected.set()
            # Until the mail is decided on, which waits for the address.
            waits_within(other, seconds=10)

    correcting = Thread(target=correct)

    def make_ready_and_begin_to_correct(*batch: Any) -> None:
        make_ready(*batch)
        correcting.start()
        has_corrected.wait(timeout=10)

    # Patched because nothing else stands between the links of a batch and its first mail.
    monkeypatch.setattr(dispatching, "make_ready", make_ready_and_begin_to_correct)
    (sent,) = ward.send_mails()
    correcting.join(timeout=10)
    other.dispose()

    stop = str(ward.transport.mails[-1]["List-Unsubscribe"]).partition("/m/")[2].partition("/")[0]
    assert ward.transport.recipients == [RIGHT]
    assert [ward.open(path) for path in (ward.form, ward.stop, f"/s/{sent}", f"/m/{stop}")] == [404, 404, 200, 200]


def waits_within(database: Database, *, seconds: float) -> None:
    """Come back once somebody waits for a lock of the server."""
    end = time.monotonic() + seconds
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    while time.monotonic() < end:
        with database.look() as rows:
            if rows.execute(waiting).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def change_to(ward: Ward, session: Session, email: str) -> None:
    """What the contact page does with the tick, in a transaction that is still open."""
    details = ContactDetails(
        family_name="Mihon", given_name="Hanako", kana="", email=email, phone="06-1111-2222", language="en"
    )
    now, study = ward.desk.clock(), ward.desk.settings.protocol
    change_contact(
        session,
        patient_id=ward.patient.id,
        details=details,
        is_strangers_address=True,
        study=study,
        today=now.date(),
        by=BY,
        now=now,
    )


@on_postgresql
@pytest.mark.parametrize("email", [RIGHT, WRONG])
def test_a_link_that_is_issued_while_staff_correct_the_address_is_revoked_with_the_others(
    ward: Ward, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.correct(WRONG, **TICKED)
    other = Database(ward.desk.settings.database.url)

    def correct() -> None:
        with other.transaction() as session:
            change_to(ward, session, email)

    correcting = Thread(target=correct)

    mark = outbox.mark

    def mark_late(rows: Connection, claim: Claim, **values: object) -> bool:
        if values.get("state") == ReminderState.SENDING and not correcting.ident:
            correcting.start()
            # Long enough for a correction that waits for nothing.
            correcting.join(timeout=1)
        return mark(rows, claim, **values)

    # Patched because nothing else stands between the look at the address and the commit of what was decided.
    monkeypatch.setattr(outbox, "mark", mark_late)
    (sent,) = ward.send_mails()
    correcting.join(timeout=10)
    other.dispose()

    assert ([link.revoked_at is None for link in ward.links()], ward.open(f"/s/{sent}")) == ([False] * 4, 404)
