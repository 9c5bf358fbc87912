"""Mails that came back: each has its effect once, a forged one has none, and an address that was put right is free."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Self

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from registry.config import Settings
from registry.config_bounces import BounceSettings
from registry.domain.actors import SCHEDULER
from registry.domain.alarms import Alarm
from registry.domain.ladder import SkipReason
from registry.mail.bounces import LONGEST_BYTES, Returned, read_returned
from registry.mail.return_box import BoxUnreadable, FolderBox, ReturnBox, WaitingMail, box_of
from registry.mail.return_path import return_path
from registry.security.keys import KeyRing
from registry.services import bounces, enrolment
from registry.services.bounced_addresses import bounced_addresses, n_bounced_addresses, try_address_again
from registry.services.bounces import BELIEVED_FOR, Outcome, Reading, read_bounces
from registry.services.enrolment import ContactDetails
from registry.services.fresh_links import reason_to_refuse
from registry.services.health import beat
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage import outbox
from registry.storage.database import Database
from registry.storage.follow_ups import next_form
from registry.storage.models import AuditEvent, Contact, Enrolment, FollowUp, Patient, Reminder, ReminderState
from registry.storage.outbox import Claim
from tests.factories import BY, make_operation, make_patient
from tests.imap_server import PASSWORD, USER, ImapServer
from tests.returned import returned_mail

BOUNCES = "bounces@hospital.example"
EMAIL = "hanako@example.org"
OPERATED_ON = date(2026, 8, 20)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Post:
    """A registry whose mails were sent this morning, and the folder that they come back to."""

    def __init__(self, database: Database, settings: Settings, keys: KeyRing, now: datetime, folder: Path) -> None:
        folder.mkdir()
        self.database, self.keys, self.now, self.folder = database, keys, now, folder
        by_folder = BounceSettings(address=BOUNCES, folder=folder)
        self.settings = settings.model_copy(update={"bounces": by_folder})
        self.sent_at = now - HOUR

    def patient(self, email: str = EMAIL, **person: str) -> int:
        with self.database.transaction() as session:
            patient = make_patient(session, now=self.now, email=email, **person)
            facts = {"now": self.now, "today": self.now.date(), "operated_on": OPERATED_ON}
            make_operation(session, patient, self.settings, **facts)
            return patient.id

    def sent(self, patient_id: int, number: int = 0, **values: object) -> Reminder:
        """A mail of the patient as it stands after it was sent."""
        with self.database.transaction() as session:
            of_patient = select(Reminder).where(Reminder.patient_id == patient_id).order_by(col(Reminder.id))
            row = session.exec(of_patient).all()[number]
            standard = {
                "state": ReminderState.ACCEPTED,
                "sent_at": self.sent_at,
                "claimed_at": self.sent_at,
                "message_id": f"<m{row.id}@hospital.example>",
                "fence": 1,
            }
            for name, value in (standard | values).items():
                setattr(row, name, value)
            session.add(row)
            return row

    def address(self, row: Reminder, recipient: str = EMAIL) -> str:
        return return_path(BOUNCES, self.keys, reminder_id=row.id, recipient=recipient)

    def report(self, row: Reminder, name: str = "postfix-unknown-user", to: str | None = None) -> bytes:
        """A mail that came back about a mail of ours."""
        return returned_mail(name, to=to or self.address(row), message_id=row.message_id)

    def put(self, content: bytes, name: str = "1") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def reading(self, at: datetime | None = None, box: ReturnBox | None = None) -> Reading:
        box = box or box_of(self.settings.bounces)
        return Reading(self.database, self.settings, self.keys, box, lambda: at or self.now, SCHEDULER)

    def read(self, at: datetime | None = None, box: ReturnBox | None = None) -> Counter[str]:
        return read_bounces(self.reading(at, box))

    def comes_back(self, row: Reminder, name: str = "postfix-unknown-user", at: datetime | None = None) -> Counter[str]:
        self.put(self.report(row, name))
        return self.read(at)

    def row(self, row: Reminder) -> Reminder:
        with self.database.reading() as session:
            return session.get_one(Reminder, row.id)

    def contact(self, patient_id: int) -> Contact:
        with self.database.reading() as session:
            return session.get_one(Contact, patient_id)

    def told(self, *actions: str) -> list[str]:
        with self.database.reading() as session:
            of_bounces = select(AuditEvent.action).where(col(AuditEvent.action).in_(actions))
            return list(session.exec(of_bounces.order_by(col(AuditEvent.id))))

    def write(self, change: Callable[[Session], object]) -> None:
        with self.database.transaction() as session:
            change(session)

    def correct(self, patient_id: int, email: str) -> None:
        details = ContactDetails(
            family_name="Mihon", given_name="Hanako", kana="", email=email, phone="", language="en"
        )
        given = {"study": self.settings.protocol, "today": self.now.date(), "by": BY, "now": self.now}
        self.write(lambda session: enrolment.change_contact(session, patient_id=patient_id, details=details, **given))


@pytest.fixture
def post(database: Database, settings: Settings, keys: KeyRing, now: datetime, tmp_path: Path) -> Post:
    return Post(database, settings, keys, now, tmp_path / "bounces")


EFFECTS = ("reminder_bounced", "address_bounced")


# Effects


def test_a_dead_address_is_written_to_no_more(post: Post) -> None:
    patient = post.patient()
    sent = post.sent(patient)

    outcomes = post.comes_back(sent)

    row, contact = post.row(sent), post.contact(patient)
    assert outcomes == {Outcome.HARD: 1}
    assert (row.state, row.sent_at, row.bounced_at) == (ReminderState.BOUNCED, post.sent_at, post.now)
    assert (contact.email_bounced_at, contact.email_bounce) == (post.now, "no such mailbox (5.1.1)")
    assert post.told(*EFFECTS) == ["reminder_bounced", "address_bounced"]


def test_no_address_stands_in_the_row_or_in_the_audit_trail(post: Post) -> None:
    sent = post.sent(post.patient())

    post.comes_back(sent)

    with post.database.reading() as session:
        events = session.exec(select(AuditEvent).where(col(AuditEvent.action).in_(EFFECTS))).all()
    assert [event.details for event in events] == [{"severity": "hard", "status": "5.1.1"}, {}]
    assert post.row(sent).failure == "no such mailbox (5.1.1)"


def test_the_same_report_twice_counts_once(post: Post) -> None:
    sent = post.sent(post.patient())
    post.put(post.report(sent), "1")
    post.put(post.report(sent, "exim-unknown-user"), "2")

    assert post.read() == {Outcome.HARD: 1, Outcome.REPEATED: 1}
    assert post.told(*EFFECTS) == ["reminder_bounced", "address_bounced"]
    assert sorted(path.name for path in (post.folder / "done").iterdir()) == ["1", "2"]


def test_a_full_mailbox_is_written_to_again(post: Post) -> None:
    patient = post.patient()
    sent = post.sent(patient)

    assert post.comes_back(sent, "postfix-mailbox-full") == {Outcome.SOFT: 1}

    contact = post.contact(patient)
    assert post.row(sent).state == ReminderState.BOUNCED
    assert (contact.email_bounced_at, contact.n_soft_bounces) == (None, 1)


def test_a_mailbox_that_is_full_on_five_days_is_written_to_no_more(post: Post) -> None:
    patient = post.patient()
    stopped = []
    for day in range(5):
        post.comes_back(post.sent(patient, day), "postfix-mailbox-full", post.now + day * DAY)
        stopped.append(post.contact(patient).email_bounced_at)

    assert stopped == [None, None, None, None, post.now + 4 * DAY]
    assert post.contact(patient).email_bounce == "the mailbox is full (5.2.2)"


def test_a_mailbox_that_is_full_counts_once_a_day_of_the_hospital(post: Post) -> None:
    patient = post.patient()
    midnight = datetime(2026, 11, 20, 15, tzinfo=UTC)
    for number, at in enumerate((midnight - HOUR, midnight - timedelta(minutes=1), midnight)):
        post.comes_back(post.sent(patient, number), "postfix-mailbox-full", at)

    assert post.contact(patient).n_soft_bounces == 2


def test_a_server_that_minds_the_registry_says_nothing_about_the_patient(post: Post) -> None:
    patient = post.patient()
    sent = post.sent(patient)

    assert post.comes_back(sent, "postfix-spam-refused") == {Outcome.UNWANTED: 1}

    contact = post.contact(patient)
    assert (post.row(sent).state, post.row(sent).failure) == ("bounced", "the mail was not wanted (5.7.1)")
    assert (contact.email_bounced_at, contact.n_soft_bounces) == (None, 0)


def test_an_address_that_two_share_is_dead_for_both(post: Post) -> None:
    first, second, other = post.patient(), post.patient(EMAIL.upper()), post.patient("taro@example.org")

    post.comes_back(post.sent(first))

    stopped = [post.contact(patient).email_bounced_at for patient in (first, second, other)]
    assert stopped == [post.now, post.now, None]


def test_a_mail_of_unknown_fate_that_comes_back_has_left_and_goes_out_no_more(post: Post) -> None:
    waiting = {"state": ReminderState.UNKNOWN, "sent_at": None, "next_attempt_at": post.now + DAY}
    sent = post.sent(post.patient(), **waiting)

    post.comes_back(sent)

    row = post.row(sent)
    assert (row.state, row.sent_at, row.next_attempt_at) == (ReminderState.BOUNCED, post.sent_at, None)


def test_whoever_still_waits_for_a_servers_reply_marks_a_mail_no_more_that_came_back(post: Post) -> None:
    sent = post.sent(post.patient(), state=ReminderState.UNKNOWN, sent_at=None)
    post.comes_back(sent)

    with post.database.transaction() as session:
        is_marked = outbox.mark(session, Claim(sent.id, sent.fence), state=ReminderState.REJECTED, sent_at=None)

    assert (is_marked, post.row(sent).state) == (False, ReminderState.BOUNCED)


@pytest.mark.parametrize("state", [ReminderState.CLAIMED, ReminderState.SENDING])
def test_a_report_that_is_faster_than_the_sender_waits_for_it(post: Post, state: ReminderState) -> None:
    patient = post.patient()
    sent = post.sent(patient, state=state, sent_at=None)

    early = post.comes_back(sent)
    post.sent(patient)

    assert (early, post.row(sent).state) == ({Outcome.EARLY: 1}, ReminderState.ACCEPTED)
    assert post.read() == {Outcome.HARD: 1}


# What has no effect


def unharmed(post: Post, patient: int, sent: Reminder) -> bool:
    contact = post.contact(patient)
    is_sent = post.row(sent).state == ReminderState.ACCEPTED
    return is_sent and (contact.email_bounced_at, contact.n_soft_bounces, post.told(*EFFECTS)) == (None, 0, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda address: address.replace("@hospital", "@elsewhere"),
        lambda address: address.partition("+")[0] + "@hospital.example",
        lambda address: address[: address.index("-") + 1] + "0123456789abcdef@hospital.example",
        lambda address: address.replace("@", "0@"),
        lambda address: BOUNCES,
    ],
)
def test_a_report_at_an_address_that_is_not_signed_has_no_effect(post: Post, change: Callable[[str], str]) -> None:
    patient = post.patient()
    sent = post.sent(patient)
    post.put(post.report(sent, to=change(post.address(sent))))

    assert post.read() == {Outcome.UNSIGNED: 1}

    assert unharmed(post, patient, sent)
    assert [path.name for path in (post.folder / "odd").iterdir()] == ["1"]


def test_the_signature_of_one_mail_says_nothing_about_another(post: Post) -> None:
    patient = post.patient()
    sent, other = post.sent(patient), post.sent(patient, 1)
    stolen = post.address(other).replace(f"+{other.id}-", f"+{sent.id}-")
    post.put(post.report(sent, to=stolen))

    assert post.read() == {Outcome.UNSIGNED: 1}
    assert unharmed(post, patient, sent)


def test_a_return_path_that_somebody_else_sends_under_says_nothing(post: Post) -> None:
    """Whoever got a mail knows its return path, and may send spam under it, which then comes back."""
    patient = post.patient()
    sent = post.sent(patient)
    post.put(returned_mail("postfix-unknown-user", to=post.address(sent), message_id="<spam@elsewhere.example>"))

    assert post.read() == {Outcome.UNSIGNED: 1}
    assert unharmed(post, patient, sent)


@pytest.mark.parametrize(("age", "outcome"), [(BELIEVED_FOR, Outcome.HARD), (BELIEVED_FOR + HOUR, Outcome.UNSIGNED)])
def test_a_report_is_believed_for_a_month(post: Post, age: timedelta, outcome: Outcome) -> None:
    sent = post.sent(post.patient())

    assert post.comes_back(sent, at=post.sent_at + age) == {outcome: 1}


@pytest.mark.parametrize(
    ("name", "outcome", "folder"),
    [
        ("postfix-delayed", Outcome.PASSING, "done"),
        ("postfix-delivered", Outcome.PASSING, "done"),
        ("vacation-by-header", Outcome.AUTO_REPLY, "done"),
        ("vacation-without-a-sender", Outcome.AUTO_REPLY, "done"),
        ("reply-by-a-person", Outcome.OTHER, "odd"),
    ],
)
def test_what_is_no_failure_has_no_effect(post: Post, name: str, outcome: Outcome, folder: str) -> None:
    patient = post.patient()
    sent = post.sent(patient)

    assert post.comes_back(sent, name) == {outcome: 1}
    assert unharmed(post, patient, sent)
    assert [path.name for path in (post.folder / folder).iterdir()] == ["1"]


def test_an_old_key_is_believed_while_it_stands_in_the_file(post: Post) -> None:
    sent = post.sent(post.patient())
    post.put(post.report(sent))
    post.keys = KeyRing((bytes(32), *post.keys.keys))

    assert post.read() == {Outcome.HARD: 1}


# Putting it right


def test_a_corrected_address_is_free_and_gets_what_never_arrived(post: Post) -> None:
    patient = post.patient()
    sent = post.sent(patient, 0)
    post.comes_back(sent)

    post.correct(patient, "hanako.mihon@example.org")

    contact = post.contact(patient)
    cleared = (contact.email_bounced_at, contact.email_bounce, contact.n_soft_bounces, contact.soft_bounced_on)
    assert cleared == (None, "", 0, None)
    row = post.row(sent)
    assert (row.sent_at, row.bounced_at, row.failure) == (None, None, "")
    assert row.state in (ReminderState.PLANNED, ReminderState.SKIPPED)


def test_a_mail_that_came_back_is_planned_again_for_the_new_address(post: Post) -> None:
    patient = post.patient()
    with post.database.reading() as session:
        due = session.exec(select(Reminder).where(Reminder.patient_id == patient, Reminder.due_on == post.now.date()))
        sent = due.one()
    with post.database.reading() as session:
        rows = session.exec(select(Reminder.id).where(Reminder.patient_id == patient).order_by(col(Reminder.id))).all()
    sent = post.sent(patient, list(rows).index(sent.id))
    post.comes_back(sent)

    post.correct(patient, "hanako.mihon@example.org")

    assert post.row(sent).state == ReminderState.PLANNED


def test_a_change_of_the_telephone_alone_keeps_the_address_stopped(post: Post) -> None:
    patient = post.patient()
    post.comes_back(post.sent(patient))

    post.correct(patient, EMAIL)

    assert post.contact(patient).email_bounced_at == post.now


def test_what_comes_back_late_from_the_old_address_does_not_speak_against_the_new_one(post: Post) -> None:
    patient = post.patient()
    sent = post.sent(patient)
    late = post.report(sent)
    post.correct(patient, "hanako.mihon@example.org")
    post.put(late)

    assert post.read() == {Outcome.UNSIGNED: 1}
    assert unharmed(post, patient, sent)


def test_staff_may_say_that_the_address_is_right(post: Post) -> None:
    patient = post.patient()
    post.comes_back(post.sent(patient))
    given = {"study": post.settings.protocol, "today": post.now.date(), "by": BY, "now": post.now}

    with post.database.transaction() as session:
        tried = [try_address_again(session, patient_id=patient, **given) for _ in range(2)]

    assert (tried, post.contact(patient).email_bounced_at) == ([True, False], None)
    assert post.told("address_tried_again") == ["address_tried_again"]


# Many readers, and readers that die


def test_two_readers_at_once_have_one_effect(post: Post) -> None:
    patients = [post.patient(f"p{number}@example.org") for number in range(6)]
    for number, patient in enumerate(patients):
        sent = post.sent(patient)
        address = post.address(sent, f"p{number}@example.org")
        post.put(post.report(sent, "postfix-mailbox-full", to=address), f"{number}")
    barrier, found = Barrier(2), []

    def read() -> None:
        barrier.wait()
        found.append(post.read())

    threads = [Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    total = found[0] + found[1]
    assert (total[Outcome.SOFT], total[Outcome.ERROR]) == (6, 0)
    assert [post.contact(patient).n_soft_bounces for patient in patients] == [1] * 6
    assert len(list((post.folder / "done").iterdir())) == 6


class Killed(BaseException):
    """What a process that is killed never gets beyond."""


class _KilledBeforeMoving(FolderBox):
    def put_away(self, mail: WaitingMail, *, is_odd: bool) -> None:
        raise Killed


def test_a_reader_killed_between_the_effect_and_the_move_has_no_second_effect(post: Post) -> None:
    patient = post.patient()
    post.put(post.report(post.sent(patient), "postfix-mailbox-full"))
    with pytest.raises(Killed):
        post.read(box=_KilledBeforeMoving(post.folder))
    counted = post.contact(patient).n_soft_bounces

    assert post.read(post.now + DAY) == {Outcome.REPEATED: 1}

    assert (counted, post.contact(patient).n_soft_bounces) == (1, 1)
    assert [path.name for path in (post.folder / "done").iterdir()] == ["1"]


def test_a_mail_that_cannot_be_taken_stays_and_keeps_no_other_waiting(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = post.sent(post.patient())
    post.put(b"From: a@example.org\n\nbroken", "1")
    post.put(post.report(sent), "2")

    def read(content: bytes) -> Returned:
        if b"broken" in content:
            raise RuntimeError("a bug")
        return read_returned(content)

    monkeypatch.setattr(bounces, "read_returned", read)

    assert post.read() == {Outcome.ERROR: 1, Outcome.HARD: 1}
    assert (post.folder / "1").exists()


def test_a_reader_that_is_told_to_stop_leaves_the_rest_where_it_is(post: Post) -> None:
    post.put(post.report(post.sent(post.patient())))

    assert read_bounces(replace(post.reading(), is_stopping=lambda: True)) == {}
    assert post.read() == {Outcome.HARD: 1}


# The folder


def test_a_huge_file_is_put_aside_unread(post: Post) -> None:
    sent = post.sent(post.patient())
    post.put(post.report(sent) + b"\n" * LONGEST_BYTES)

    assert [mail.content for mail in FolderBox(post.folder).waiting()] == [None]
    assert post.read() == {Outcome.UNREADABLE: 1}
    assert (post.folder / "odd" / "1").exists()


def test_files_that_are_being_written_and_links_are_left_alone(post: Post, tmp_path: Path) -> None:
    post.put(b"half", ".1")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (post.folder / "2").symlink_to(secret)

    assert post.read() == {}
    assert sorted(path.name for path in post.folder.iterdir()) == [".1", "2"]


def test_no_file_is_written_over_another(post: Post) -> None:
    for content in (b"first", b"second", b"third"):
        post.put(b"From: a@example.org\nAuto-Submitted: auto-replied\n\n" + content)
        post.read()

    done = sorted((post.folder / "done").iterdir())
    assert [path.name for path in done] == ["1", "1.2", "1.3"]
    assert [path.read_bytes()[-5:] for path in done] == [b"first", b"econd", b"third"]


def test_a_folder_that_is_missing_is_an_alarm_after_three_hours_until_it_is_there(post: Post) -> None:
    post.folder.rmdir()
    alarms = []
    for hours in (0, 3, 4):
        with pytest.raises(BoxUnreadable):
            post.read(post.now + hours * HOUR)
        alarms.append(alarms_at(post, post.now + hours * HOUR))
    post.folder.mkdir()
    post.read(post.now + 5 * HOUR)

    assert alarms == [(), (), (Alarm.BOUNCES_UNREAD,)]
    assert alarms_at(post, post.now + 5 * HOUR) == ()


def alarms_at(post: Post, at: datetime) -> tuple[Alarm, ...]:
    with post.database.transaction() as session:
        return beat(session, now=at)


# IMAP


@pytest.fixture
def imap(post: Post) -> Iterator[ImapServer]:
    with ImapServer() as server:
        source = {"host": "127.0.0.1", "port": server.port, "tls": "none", "user": USER, "password": PASSWORD}
        by_imap = BounceSettings(address=BOUNCES, **source)
        post.settings = post.settings.model_copy(update={"bounces": by_imap})
        yield server


def test_a_mailbox_is_read_once_and_nothing_in_it_is_deleted(post: Post, imap: ImapServer) -> None:
    sent = post.sent(post.patient())
    report = imap.deliver(post.report(sent))
    person = imap.deliver(post.report(sent, "reply-by-a-person"))

    first, second = post.read(), post.read()

    assert (first, second) == ({Outcome.HARD: 1, Outcome.OTHER: 1}, {})
    assert (report.flags, person.flags) == ({r"\Answered", r"\Seen"}, {r"\Answered", r"\Flagged"})
    assert len(imap.mails) == 2


def test_a_mail_that_a_person_has_opened_is_read_all_the_same(post: Post, imap: ImapServer) -> None:
    imap.deliver(post.report(post.sent(post.patient()))).flags.add(r"\Seen")

    assert post.read() == {Outcome.HARD: 1}


def test_a_connection_that_breaks_before_the_mark_has_no_second_effect(post: Post, imap: ImapServer) -> None:
    patient = post.patient()
    imap.deliver(post.report(post.sent(patient), "postfix-mailbox-full"))
    imap.breaks_at = "UID STORE"
    with pytest.raises(BoxUnreadable):
        post.read()
    imap.breaks_at = ""

    assert post.read(post.now + DAY) == {Outcome.REPEATED: 1}
    assert post.contact(patient).n_soft_bounces == 1


@pytest.mark.parametrize("command", ["LOGIN", "SELECT", "UID SEARCH", "UID FETCH"])
def test_a_connection_that_breaks_is_told_without_an_address(post: Post, imap: ImapServer, command: str) -> None:
    imap.deliver(post.report(post.sent(post.patient())))
    imap.breaks_at = command

    with pytest.raises(BoxUnreadable) as failure:
        post.read()

    assert "@" not in str(failure.value)


@pytest.mark.parametrize("command", ["SELECT", "UID SEARCH", "UID FETCH", "UID STORE"])
def test_a_server_that_refuses_is_told(post: Post, imap: ImapServer, command: str) -> None:
    """A mark that is not kept would have the same mails read for ever."""
    imap.deliver(post.report(post.sent(post.patient())))
    imap.refuses = command

    with pytest.raises(BoxUnreadable, match="the server refuses"):
        post.read()


@pytest.mark.parametrize(
    "changes",
    [{"password": "wrong"}, {"password": "合言葉"}, {"mailbox": "Elsewhere"}, {"host": "127.0.0.1", "port": 1}],
)
def test_a_mailbox_that_cannot_be_opened_is_told_without_an_address(
    post: Post, imap: ImapServer, changes: dict[str, object]
) -> None:
    source = post.settings.bounces.model_copy(update=changes)
    post.settings = post.settings.model_copy(update={"bounces": source})

    with pytest.raises(BoxUnreadable) as failure:
        post.read()

    assert "@" not in str(failure.value)


def test_a_huge_mail_is_not_fetched(post: Post, imap: ImapServer) -> None:
    kept = imap.deliver(b"From: a@example.org\r\n\r\n" + b"x" * LONGEST_BYTES)

    assert post.read() == {Outcome.UNREADABLE: 1}
    assert (imap.commands.count("UID FETCH"), kept.flags) == (1, {r"\Answered", r"\Flagged"})


# The list for staff


def test_staff_see_the_addresses_of_their_own_patients_who_take_part(post: Post) -> None:
    patients = [post.patient(f"p{number}@example.org", study_id=f"K-{number}") for number in range(3)]
    for number, patient in enumerate(patients):
        sent = post.sent(patient)
        post.put(post.report(sent, to=post.address(sent, f"p{number}@example.org")), f"{number}")
    post.read()
    left = {"withdrawn_on": post.now.date(), "today": post.now.date(), "by": BY, "now": post.now}
    post.write(lambda session: enrolment.withdraw(session, patient_id=patients[2], **left))
    with post.database.reading() as session:
        site_id = session.get_one(Patient, patients[0]).site_id
        found = bounced_addresses(session, site_id=site_id)
        counted = [n_bounced_addresses(session, site_id=site) for site in (site_id, site_id + 1)]

    told = [(one.study_id, one.bounced_at, one.reason) for one in found]
    assert told == [(f"K-{number}", post.now, "no such mailbox (5.1.1)") for number in range(2)]
    assert counted == [2, 0]


def test_a_receipt_promises_no_mail_to_a_dead_address(post: Post) -> None:
    patient = post.patient()
    sent = post.sent(patient)
    given = {"patient_id": patient, "follow_up_id": sent.follow_up_id, "today": post.now.date()}
    told = []
    for _ in range(2):
        with post.database.reading() as session:
            found = next_form(session, **given)
        assert found is not None
        told.append(found.has_emails)
        post.comes_back(sent)

    assert told == [True, False]


def test_no_fresh_link_is_sent_to_a_dead_address(post: Post) -> None:
    patient = post.patient()
    sent = post.sent(patient)
    post.write(lambda session: session.execute(update(Reminder).values(due_on=post.now.date())))
    post.comes_back(sent)
    with post.database.reading() as session:
        rows = (
            session.get_one(Patient, patient),
            session.get_one(Enrolment, patient),
            session.get_one(Contact, patient),
        )
        refused = reason_to_refuse(*rows, session.get_one(FollowUp, sent.follow_up_id), today=post.now.date())

    assert refused == "bounced"


# From the mail that leaves to the one that is not sent


class _KeepsSenders:
    """A transport that keeps where each mail would come back to."""

    def __init__(self) -> None:
        self.senders: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def send(self, message: object, *, recipient: str, sender: str) -> None:
        self.senders.append(sender)


def test_a_mail_that_leaves_comes_back_and_the_next_one_is_not_sent(post: Post) -> None:
    patient = post.patient()
    transport = _KeepsSenders()

    def send(at: datetime) -> dict[str, int]:
        return dict(send_due_reminders(Dispatch(post.database, post.settings, post.keys, transport, lambda: at)))

    first = send(post.now)
    with post.database.reading() as session:
        sent = session.exec(select(Reminder).where(Reminder.state == ReminderState.ACCEPTED)).one()
    assert transport.senders == [post.address(sent)]
    post.put(post.report(sent, to=transport.senders[0]))
    read = post.read()
    later = send(post.now + 9 * DAY)

    assert (first, read, later) == ({"accepted": 1}, {Outcome.HARD: 1}, {"skipped": 1})
    with post.database.reading() as session:
        of_patient = select(Reminder.skip_reason).where(Reminder.patient_id == patient, Reminder.state == "skipped")
        assert session.exec(of_patient).all() == [SkipReason.BOUNCED]
