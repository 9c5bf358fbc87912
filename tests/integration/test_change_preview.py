"""What a change would do is shown first, leaves nothing behind, and is then what happens; what was sent stays."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, text, update
from sqlmodel import SQLModel, col, select

from registry.cli import registry
from registry.config import Settings, load_settings
from registry.domain.ledger import RungKind
from registry.domain.study import VisitWindow
from registry.domain.vocabularies import OperationState, Region, Sex
from registry.security.keys import KeyRing, load_keys
from registry.services.change_preview import Basis, Preview, ToBeConfirmed, confirmed_change
from registry.services.enrolment import stop_emails
from registry.services.forecast import forecast
from registry.services.operations import OperationFacts, change_operation, held_patient
from registry.services.outbox import Dispatch, send_due_reminders
from registry.services.plan_difference import Effect
from registry.services.replanning import Replanning, replan, replan_preview
from registry.storage.database import Database, Session
from registry.storage.enrolments import site_id_of
from registry.storage.forms import lock_follow_up
from registry.storage.models import Assessment, Contact, FollowUp, Operation, Patient, Reminder, ReminderState
from registry.storage.models.base import table_of
from registry.storage.outbox import Moment, claim_due
from tests.conftest import ROOT
from tests.desk import AtDesk, Desk, at_desk, fingerprint
from tests.factories import BY
from tests.integration.test_outbox import Desk as Registry
from tests.integration.test_outbox import MemoryTransport, on_postgresql
from tests.integration.test_revoked_links import waits_within

PERFORMED = {"state": "performed", "procedure": "laminoplasty"}
CONTACT = {"family_name": "Mihon", "given_name": "Hanako", "phone": "06-1111-2222", "language": "en"}
Rows = dict[str, list[tuple[object, ...]]]


def rows(database: Database) -> Rows:
    """Every row of every table."""
    names = [table.name for table in SQLModel.metadata.sorted_tables]
    with database.reading() as session:
        return {name: sorted(map(tuple, session.execute(text(f'SELECT * FROM "{name}"'))), key=str) for name in names}


def registry_rows(database: Database) -> Rows:
    """Every row but those of the session of whoever looks, which each look renews."""
    return {name: found for name, found in rows(database).items() if name != "staff_session"}


def shown(page: str) -> dict[str, list[str]]:
    """The effects of a preview with the words of their rows."""
    sections = re.findall(r'<section aria-labelledby="(\w+)">(.*?)</section>', page, re.DOTALL)
    return {
        effect: [_words(row) for row in re.findall(r"<tr>(<th scope=.row.*?)</tr>", body, re.DOTALL)]
        for effect, body in sections
    }


def _words(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


@pytest.fixture
def patient(alice: Desk) -> AtDesk:
    """Operated on 19 August, with the first mail about three months sent on 20 November."""
    found = alice.patient(study_id="K-001", email="hanako@example.org")
    send(alice)
    return found


def send(alice: Desk) -> dict[str, int]:
    keys = load_keys(alice.settings.security.key_file)
    return dict(send_due_reminders(Dispatch(alice.database, alice.settings, keys, MemoryTransport(), alice.clock)))


def operation_path(alice: Desk, patient: AtDesk) -> str:
    with alice.database.reading() as session:
        operation_id = session.exec(select(Operation.id).where(Operation.patient_id == patient.id)).one()
    return f"{patient.path}/operations/{operation_id}"


# What is shown


@pytest.mark.parametrize(
    ("fields", "effect", "row"),
    [
        ({"operated_on": "2026-08-24"}, "moves", "M6 e-mail 1 2027-02-19 Fri 2027-02-24 Wed"),
        ({"operated_on": "2026-08-24"}, "moves", "M3 call 2026-12-10 Thu 2026-12-15 Tue"),
        (
            {"operated_on": "2026-06-19"},
            "missed",
            "M3 form ! overdue due 2026-11-19 2026-11-05 to 2027-01-03 "
            "✕ missed due 2026-09-19 2026-09-05 to 2026-11-03",
        ),
        ({"operated_on": "2026-06-19"}, "missed", "M3 e-mail 2 2026-11-26 Thu the form has closed"),
        ({"state": "cancelled"}, "stops", "M12 e-mail 3 2027-09-02 Thu operation postponed or cancelled"),
        ({"state": "postponed"}, "stops", "M6 letter 2027-03-26 Fri operation postponed or cancelled"),
        ({"operated_on": "2026-11-18"}, "new", "M3 e-mail 4 – 2027-03-04 Thu"),
        ({"operated_on": "2026-08-24"}, "stays", "M3 e-mail 1 2026-11-20 Fri sent"),
        ({"state": "cancelled"}, "stays", "M3 e-mail 1 2026-11-20 Fri sent"),
    ],
)
def test_a_change_of_the_operation_is_shown_first(
    alice: Desk, patient: AtDesk, fields: dict[str, str], effect: str, row: str
) -> None:
    response = alice.ask(operation_path(alice, patient), **(PERFORMED | fields))

    page = response.get_data(as_text=True)
    assert response.status_code == 200
    assert "Nothing is saved yet" in page
    assert row in shown(page)[effect]


def test_a_planned_operation_that_was_performed_has_new_forms(alice: Desk) -> None:
    path = alice.enrol()
    planned = {"procedure": "laminoplasty", "state": "planned", "planned_on": "2026-11-24"}
    alice.send(f"{path}/operations/new", **planned)
    edit = re.search(r"/patients/\w+/operations/\d+", alice.page(path))
    assert edit is not None

    found = shown(alice.ask(edit.group(), **PERFORMED, operated_on="2026-11-20").get_data(as_text=True))

    assert "M3 form – ○ not due yet due 2027-02-20 2027-02-06 to 2027-04-06" in found["new"]
    assert "before e-mail 1 2026-11-20 Fri the schedule has no day left for it" in found["stops"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"email": "new@example.org"}, "→ To the new address 11 e-mails still to leave"),
        ({"email": "hanako@example.org", "language": "ja"}, "→ In the new language 11 e-mails still to leave"),
    ],
)
def test_a_change_of_the_address_or_the_language_is_shown_first(
    alice: Desk, patient: AtDesk, fields: dict[str, str], words: str
) -> None:
    response = alice.ask(f"{patient.path}/contact", **(CONTACT | fields))

    page = response.get_data(as_text=True)
    assert (response.status_code, words in _words(page)) == (200, True)
    assert shown(page)["stays"] == ["M3 e-mail 1 2026-11-20 Fri sent"]


def test_an_address_that_is_taken_away_stops_the_mails_and_brings_the_calls_forward(
    alice: Desk, patient: AtDesk
) -> None:
    found = shown(alice.ask(f"{patient.path}/contact", **CONTACT).get_data(as_text=True))

    assert "M6 e-mail 1 2027-02-19 Fri no e-mail address" in found["stops"]
    assert "M6 call 2027-03-12 Fri 2027-02-19 Fri" in found["moves"]


def test_with_several_operations_each_row_says_of_which_it_is(alice: Desk, patient: AtDesk) -> None:
    earlier = PERFORMED | {"operated_on": "2026-02-02"}
    alice.send(f"{patient.path}/operations/new", **earlier)

    found = shown(alice.ask(f"{patient.path}/contact", **CONTACT).get_data(as_text=True))

    assert any(row.startswith("M12 e-mail 1 operation 2026-02-02") for row in found["stops"])
    assert any(row.startswith("M12 e-mail 1 operation 2026-08-19") for row in found["stops"])


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("operation", PERFORMED | {"operated_on": "2026-08-19", "procedure": "acdf"}),
        ("contact", CONTACT | {"email": "hanako@example.org", "phone": "06-9999-0000"}),
    ],
)
def test_what_leaves_the_plan_alone_is_saved_at_once(
    alice: Desk, patient: AtDesk, page: str, fields: dict[str, str]
) -> None:
    path = operation_path(alice, patient) if page == "operation" else f"{patient.path}/contact"
    before = registry_rows(alice.database)

    response = alice.ask(path, **fields)

    assert (response.status_code, response.headers["Location"]) == (303, patient.path)
    assert registry_rows(alice.database) != before


def test_what_cannot_be_taken_is_said_before_anything_is_shown(alice: Desk, patient: AtDesk) -> None:
    response = alice.ask(operation_path(alice, patient), **PERFORMED, operated_on="2026-11-21")

    assert (response.status_code, fingerprint(response)) == (422, None)


def test_what_a_statement_writes_is_seen_as_well(alice: Desk, patient: AtDesk) -> None:
    bench = Bench(alice.database, alice.settings, patient.id, alice.clock())

    def decline() -> None:
        with alice.database.transaction() as session:
            # Kept, so that the second look finds the same objects.
            held = session.exec(select(FollowUp).where(FollowUp.patient_id == patient.id)).all()
            with bench.confirmed(session, None):
                session.execute(update(table_of(FollowUp)).values(declined_on=bench.today))
            del held

    with pytest.raises(ToBeConfirmed):
        decline()


@pytest.fixture
def doubtful(request: pytest.FixtureRequest, alice: Desk, patient: AtDesk) -> datetime:
    """The first mail of a patient was begun, nobody knows how it ended, and it is taken up again at this moment."""
    again = alice.clock() + timedelta(hours=24)
    with alice.database.transaction() as session:
        row = session.exec(select(Reminder).where(Reminder.state == ReminderState.ACCEPTED)).one()
        row.state, row.sent_at, row.next_attempt_at = request.param, None, again
        row.failed_at = alice.clock() if request.param == ReminderState.UNKNOWN else None
    return again


UNDECIDED = pytest.mark.parametrize("doubtful", [ReminderState.CLAIMED, ReminderState.UNKNOWN], indirect=True)


@UNDECIDED
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"email": "new@example.org"}, "→ To the new address 12 e-mails still to leave"),
        ({"email": "hanako@example.org", "language": "ja"}, "→ In the new language 12 e-mails still to leave"),
    ],
)
def test_a_mail_that_is_tried_once_more_is_told_with_those_that_leave(
    alice: Desk, patient: AtDesk, doubtful: datetime, keys: KeyRing, fields: dict[str, str], words: str
) -> None:
    page = alice.ask(f"{patient.path}/contact", **(CONTACT | fields)).get_data(as_text=True)
    alice.send(f"{patient.path}/contact", **(CONTACT | fields))
    transport = MemoryTransport()
    send_due_reminders(Dispatch(alice.database, alice.settings, keys, transport, lambda: doubtful))

    assert words in _words(page)
    assert "stays" not in shown(page)
    assert transport.recipients == [fields["email"]]


@pytest.mark.parametrize(
    ("doubtful", "stays"),
    [(ReminderState.CLAIMED, None), (ReminderState.UNKNOWN, ["M3 e-mail 1 2026-11-19 Thu outcome unknown"])],
    indirect=["doubtful"],
)
def test_a_mail_that_is_not_tried_once_more_after_a_change_stops(
    alice: Desk, patient: AtDesk, doubtful: datetime, keys: KeyRing, stays: list[str] | None
) -> None:
    cancelled = PERFORMED | {"state": "cancelled"}
    found = shown(alice.ask(operation_path(alice, patient), **cancelled).get_data(as_text=True))
    alice.send(operation_path(alice, patient), **cancelled)
    transport = MemoryTransport()
    send_due_reminders(Dispatch(alice.database, alice.settings, keys, transport, lambda: doubtful))

    assert f"M3 e-mail 1 {doubtful:%Y-%m-%d %a} operation postponed or cancelled" in found["stops"]
    assert found.get("stays") == stays
    assert transport.recipients == []


@UNDECIDED
def test_a_mail_that_a_later_one_overtakes_is_not_tried_once_more(
    alice: Desk, patient: AtDesk, doubtful: datetime, keys: KeyRing
) -> None:
    with alice.database.transaction() as session:
        later = (Reminder.follow_up_id == patient.follow_up_id, Reminder.rung == 1)
        session.exec(select(Reminder).where(*later)).one().due_on = doubtful.date()
    fields = CONTACT | {"email": "hanako@example.org", "language": "ja"}

    page = alice.ask(f"{patient.path}/contact", **fields).get_data(as_text=True)
    dispatch = Dispatch(alice.database, alice.settings, keys, MemoryTransport(), lambda: doubtful)
    outcomes = dict(send_due_reminders(dispatch))

    assert "In the new language 11 e-mails still to leave" in _words(page)
    assert outcomes == {"accepted": 1, "skipped": 1}


# What it leaves behind


@pytest.mark.parametrize(
    "fields", [{"operated_on": "2026-08-20"}, {"operated_on": "2024-06-19"}, {"state": "cancelled"}]
)
def test_a_look_leaves_nothing_behind(alice: Desk, patient: AtDesk, fields: dict[str, str]) -> None:
    path, before = operation_path(alice, patient), registry_rows(alice.database)

    alice.ask(path, **(PERFORMED | fields))
    looked = registry_rows(alice.database)
    alice.send(path, **(PERFORMED | fields))

    assert looked == before
    # The same reading sees what the confirmed change has written.
    changed = {name for name, found in registry_rows(alice.database).items() if found != before[name]}
    assert changed >= {"operation", "reminder", "audit_event"}


def test_a_look_at_a_change_of_the_address_leaves_every_link_open(alice: Desk, patient: AtDesk) -> None:
    fields = CONTACT | {"email": "new@example.org", "is_strangers_address": "y"}
    before = registry_rows(alice.database)

    alice.ask(f"{patient.path}/contact", **fields)
    looked = registry_rows(alice.database)
    alice.send(f"{patient.path}/contact", **fields)

    changed = {name for name, found in registry_rows(alice.database).items() if found != before[name]}
    assert looked == before
    assert changed >= {"contact", "access_link", "audit_event"}


def test_a_mail_that_is_due_in_a_preview_alone_does_not_leave(alice: Desk) -> None:
    patient = alice.patient()
    path = operation_path(alice, patient)
    alice.send(path, **PERFORMED, operated_on="2026-08-25")

    alice.ask(path, **PERFORMED, operated_on="2026-08-19")
    looked = send(alice)
    alice.send(path, **PERFORMED, operated_on="2026-08-19")

    assert (looked, send(alice)) == ({}, {"accepted": 1})


@on_postgresql
def test_no_mail_is_claimed_while_a_preview_is_made(database: Database, settings: Settings, now: datetime) -> None:
    with at_desk(database, settings, now) as desk:
        bench = Bench(database, settings, desk.patient().id, now)
        claimed = []

        def claim() -> None:
            with database.row_transaction() as others:
                moment = Moment(now, now.date())
                claimed.append(claim_due(others, site_id=bench.site_id, moment=moment, lease_ends_at=now, limit=10))

        preview = bench.look("performed", date(2026, 8, 24), meanwhile=claim)
        claim()

    assert preview.of(Effect.MOVES)
    # Before the change, after it, and when it was taken back.
    assert [len(found) for found in claimed] == [0, 0, 1]


@on_postgresql
def test_a_look_and_a_first_answer_do_not_wait_for_each_other(
    database: Database, settings: Settings, now: datetime
) -> None:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        patient = desk.patient()
        path, holds_its_form = operation_path(desk, patient), Event()

        def answer() -> None:
            with database.row_transaction() as others:
                lock_follow_up(others, follow_up_id=patient.follow_up_id)
                holds_its_form.set()
                # Until the look, which holds the patient, comes to the form.
                waits_within(database, seconds=10)
                first = {"patient_id": patient.id, "follow_up_id": patient.follow_up_id, "reference": "R-1"}
                others.execute(insert(table_of(Assessment)).values(**first, language="en", started_at=now))

        with ThreadPoolExecutor(1) as pool:
            answering = pool.submit(answer)
            assert holds_its_form.wait(timeout=10)
            response = desk.ask(path, **PERFORMED, operated_on="2026-08-12")

    answering.result()
    assert (response.status_code, "What changes" in response.get_data(as_text=True)) == (200, True)


@on_postgresql
def test_whoever_changes_a_patient_waits_for_whoever_does_so_already(
    database: Database, settings: Settings, now: datetime
) -> None:
    with at_desk(database, settings, now) as desk:
        patient_id = desk.patient().id

    def hold() -> None:
        with database.transaction() as session:
            held_patient(session, patient_id)

    with ThreadPoolExecutor(1) as pool, database.transaction() as session:
        held_patient(session, patient_id)
        other = pool.submit(hold)
        waits_within(database, seconds=10)
        assert not other.done()
        session.rollback()
        other.result(timeout=10)


def test_going_back_keeps_what_was_typed(alice: Desk, patient: AtDesk) -> None:
    typed = CONTACT | {"family_name": 'O"Hara & <Co>', "email": "new@example.org", "language": "ja"}
    path, before = f"{patient.path}/contact", registry_rows(alice.database)
    offered = alice.ask(path, **typed).get_data(as_text=True)
    kept = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', offered))

    kept = {name: unescape(value) for name, value in kept.items() if name != "csrf_token"}
    back = alice.ask(path, **kept, go_back="y")

    page = back.get_data(as_text=True)
    assert kept == typed
    assert (back.status_code, 'value="new@example.org"' in page, "There is a problem" in page) == (200, True, False)
    assert re.search(r'<option selected value="ja">', page)
    assert registry_rows(alice.database) == before


# What is applied


@dataclass
class Bench:
    """One patient whose operation moves, looked at without the pages."""

    database: Database
    settings: Settings
    patient_id: int
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(self.settings.sites[0].zone).date()

    def confirmed(self, session: Session, agreed: str | None) -> AbstractContextManager[None]:
        zone = self.settings.sites[0].zone
        basis = Basis(self.settings.protocol, self.settings.sending_hours, zone, self.today)
        patient = session.get_one(Patient, self.patient_id)
        return confirmed_change(session, patient=patient, basis=basis, confirmed=agreed)

    def change(self, session: Session, state: str, day: date | None) -> None:
        name = "planned_on" if state == "planned" else "operated_on"
        days = {name: day} if day else {}
        facts = OperationFacts(state=OperationState(state), procedure="laminoplasty", region=Region.CERVICAL, **days)
        operation = session.exec(select(Operation).where(Operation.patient_id == self.patient_id)).one()
        study, today = self.settings.protocol, self.today
        change_operation(session, operation=operation, facts=facts, study=study, today=today, by=BY, now=self.now)

    @property
    def site_id(self) -> int:
        with self.database.reading() as session:
            return session.get_one(Patient, self.patient_id).site_id

    def look(self, state: str, day: date | None, meanwhile: Callable[[], None] = lambda: None) -> Preview:
        try:
            with self.database.transaction() as session, self.confirmed(session, None):
                meanwhile()
                self.change(session, state, day)
                meanwhile()
        except ToBeConfirmed as found:
            return found.preview
        return Preview()

    def apply(self, state: str, day: date | None, agreed: str | None = None) -> None:
        with self.database.transaction() as session:
            if agreed is None:
                self.change(session, state, day)
                return
            with self.confirmed(session, agreed):
                self.change(session, state, day)

    def send(self, keys: KeyRing) -> dict[str, int]:
        dispatch = Dispatch(self.database, self.settings, keys, MemoryTransport(), lambda: self.now)
        return dict(send_due_reminders(dispatch))

    def leaving(self) -> dict[tuple[str, int], date]:
        """On which day each mail leaves, by the dry run."""
        with self.database.reading() as session:
            site_id = site_id_of(session, code="DEMO") or 0
            found = forecast(session, site_id=site_id, hours=self.settings.sending_hours, today=self.today, days=5000)
            return {(mail.timepoint, mail.rung): mail.leaves_on for mail in found if mail.reason is None}

    def windows(self) -> dict[str, VisitWindow]:
        with self.database.reading() as session:
            found = session.exec(select(FollowUp).where(FollowUp.patient_id == self.patient_id))
            return {row.timepoint: VisitWindow(row.opens_on, row.due_on, row.closes_on) for row in found}

    def sent(self) -> list[tuple[object, ...]]:
        """Every mail that has left, with everything that is known of it."""
        with self.database.reading() as session:
            found = session.exec(select(Reminder).where(col(Reminder.sent_at).is_not(None)).order_by(col(Reminder.id)))
            return [tuple(sorted(row.model_dump().items())) for row in found]


def foretold(preview: Preview, leaving: dict[tuple[str, int], date]) -> dict[tuple[str, int], date]:
    """The days on which mails leave once a preview has come true."""
    found = dict(leaving)
    for change in preview.changes:
        if change.rung != RungKind.EMAIL or change.number is None or change.effect == Effect.STAYS:
            continue
        place = (change.timepoint, change.number - 1)
        if change.now is not None:
            found[place] = change.now.on
        else:
            found.pop(place, None)
    return found


def foretold_windows(preview: Preview, windows: dict[str, VisitWindow]) -> dict[str, VisitWindow]:
    moved = {change.timepoint: change.now.window for change in preview.changes if change.rung is None and change.now}
    return windows | {name: window for name, window in moved.items() if window}


# Over the change of the clocks in spring and autumn, over a leap day, into the past and back, off and on again.
WALK = [
    ("planned", date(2027, 3, 30)),
    ("planned", date(2027, 3, 28)),
    ("postponed", None),
    ("planned", date(2026, 12, 24)),
    ("performed", date(2026, 11, 20)),
    ("performed", date(2026, 7, 25)),
    ("performed", date(2026, 8, 19)),
    ("performed", date(2026, 8, 22)),
    ("performed", date(2026, 6, 1)),
    ("cancelled", None),
    ("performed", date(2024, 2, 29)),
    ("performed", date(2025, 11, 22)),
    ("performed", date(2026, 10, 25)),
]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Europe/Berlin"])
@pytest.mark.parametrize("is_demo", [True, False])
def test_what_is_applied_is_what_was_shown(
    database: Database, settings: Settings, keys: KeyRing, now: datetime, zone: str, *, is_demo: bool
) -> None:
    site = settings.sites[0].model_copy(update={"time_zone": zone})
    demo = settings.demo.model_copy(update={"enabled": is_demo})
    changed = settings.model_copy(update={"sites": (site,), "demo": demo})
    start = Registry(database, changed, keys, now)
    bench = Bench(database, changed, start.enrol(operated_on=None, planned_on=date(2026, 12, 1)), now)
    n_changes = 0

    for number, (state, day) in enumerate(WALK):
        # The mornings of Tokyo and of Berlin, at which mails leave.
        for hour in (0, 8):
            bench.now = datetime(2026, 11, 21, hour, 30, tzinfo=UTC) + timedelta(days=number)
            bench.send(keys)
        leaving, windows, sent, before = bench.leaving(), bench.windows(), bench.sent(), rows(database)

        preview = bench.look(state, day)
        assert rows(database) == before
        bench.apply(state, day, preview.fingerprint)

        n_changes += len(preview.changes)
        assert bench.leaving() == foretold(preview, leaving)
        assert bench.windows() == foretold_windows(preview, windows)
        assert bench.sent() == sent
    assert n_changes > 100
    assert len(bench.sent()) >= 2


def test_what_was_sent_stays_when_the_operation_moves(alice: Desk, patient: AtDesk) -> None:
    bench = Bench(alice.database, alice.settings, patient.id, alice.clock())
    sent = bench.sent()

    response = alice.send(operation_path(alice, patient), **PERFORMED, operated_on="2026-11-18")

    assert response.status_code == 303
    assert len(sent) == 1
    assert bench.sent() == sent


# What changes in between


def test_a_plan_that_has_changed_meanwhile_is_shown_again(alice: Desk) -> None:
    patient = alice.patient()
    path, moved = operation_path(alice, patient), PERFORMED | {"operated_on": "2026-08-24"}
    agreed = fingerprint(alice.ask(path, **moved))
    assert send(alice) == {"accepted": 1}
    before = registry_rows(alice.database)

    again = alice.ask(path, **moved, confirmed=agreed or "")

    page = again.get_data(as_text=True)
    assert (again.status_code, "The plan has changed since you looked at it" in page) == (200, True)
    assert "M3 e-mail 1 2026-11-20 Fri sent" in shown(page)["stays"]
    assert registry_rows(alice.database) == before
    assert alice.ask(path, **moved, confirmed=fingerprint(again) or "").status_code == 303
    assert "due 2026-11-24" in alice.page(patient.path)


@pytest.mark.parametrize("email", ["right@example.org", "older@example.org", "hanako@example.org"])
def test_what_a_colleague_has_saved_of_the_contact_meanwhile_is_not_undone(
    alice: Desk, patient: AtDesk, email: str
) -> None:
    path, older = f"{patient.path}/contact", CONTACT | {"email": "older@example.org"}
    agreed = fingerprint(alice.ask(path, **older)) or ""
    alice.send(path, **(CONTACT | {"email": email, "phone": "06-9999-0000"}))
    before = registry_rows(alice.database)

    again = alice.ask(path, **older, confirmed=agreed)

    page = again.get_data(as_text=True)
    assert (again.status_code, "somebody has saved something else" in page) == (200, True)
    assert ("It leaves the plan alone" in page) is (email == "older@example.org")
    assert registry_rows(alice.database) == before
    assert alice.ask(path, **older, confirmed=fingerprint(again) or "").status_code == 303
    with alice.database.reading() as session:
        found = session.get_one(Contact, patient.id)
        assert (found.email, found.phone) == ("older@example.org", "06-1111-2222")


def test_what_a_colleague_has_saved_of_the_operation_meanwhile_is_not_undone(alice: Desk, patient: AtDesk) -> None:
    path, moved = operation_path(alice, patient), PERFORMED | {"operated_on": "2026-08-24"}
    agreed = fingerprint(alice.ask(path, **moved)) or ""
    alice.send(path, **(PERFORMED | {"operated_on": "2026-08-19", "procedure": "acdf"}))
    before = registry_rows(alice.database)

    again = alice.ask(path, **moved, confirmed=agreed)

    assert (again.status_code, registry_rows(alice.database) == before) == (200, True)


def test_what_a_colleague_has_saved_of_the_patient_meanwhile_is_not_undone(alice: Desk, patient: AtDesk) -> None:
    path, older = f"{patient.path}/contact", CONTACT | {"email": "older@example.org"}
    agreed = fingerprint(alice.ask(path, **older)) or ""
    with alice.database.transaction() as session:
        session.get_one(Patient, patient.id).sex = Sex.MALE

    assert alice.ask(path, **older, confirmed=agreed).status_code == 200


def test_a_preview_holds_nothing_of_what_stood_before(alice: Desk, patient: AtDesk) -> None:
    page = alice.ask(f"{patient.path}/contact", **CONTACT, email="new@example.org").get_data(as_text=True)

    assert re.search(r'name="confirmed" value="[0-9a-f]{16}"', page)
    assert "hanako@example.org" not in page


def test_agreeing_to_one_change_does_not_make_another(alice: Desk, patient: AtDesk) -> None:
    path, before = operation_path(alice, patient), registry_rows(alice.database)
    agreed = fingerprint(alice.ask(path, **PERFORMED, operated_on="2026-08-24")) or ""

    other = alice.ask(path, **PERFORMED, operated_on="2026-08-25", confirmed=agreed)

    assert (other.status_code, registry_rows(alice.database) == before) == (200, True)


def test_two_presses_of_the_button_apply_once(alice: Desk, patient: AtDesk) -> None:
    path, moved = operation_path(alice, patient), PERFORMED | {"operated_on": "2026-08-24"}
    agreed = fingerprint(alice.ask(path, **moved)) or ""

    first = alice.ask(path, **moved, confirmed=agreed)
    reminders = rows(alice.database)["reminder"]
    second = alice.ask(path, **moved, confirmed=agreed)

    assert (first.status_code, second.status_code) == (303, 303)
    assert rows(alice.database)["reminder"] == reminders


def test_a_change_of_the_address_that_was_agreed_to_is_made(alice: Desk, patient: AtDesk) -> None:
    response = alice.send(f"{patient.path}/contact", **(CONTACT | {"email": "new@example.org"}))

    with alice.database.reading() as session:
        assert session.get_one(Contact, patient.id).email == "new@example.org"
    assert response.status_code == 303


def test_a_mail_that_came_back_is_new_for_a_new_address(alice: Desk, patient: AtDesk) -> None:
    with alice.database.transaction() as session:
        row = session.exec(select(Reminder).where(Reminder.state == ReminderState.ACCEPTED)).one()
        row.state, row.bounced_at = ReminderState.BOUNCED, alice.clock()

    found = shown(alice.ask(f"{patient.path}/contact", **CONTACT, email="new@example.org").get_data(as_text=True))

    assert found == {"new": ["M3 e-mail 1 – 2026-11-20 Fri"]}


# A schedule that has changed


@dataclass
class Shell:
    """The command line with a configuration that tests change."""

    config: Path

    def change(self, *replaced: tuple[str, str]) -> None:
        told = self.config.read_text()
        for old, new in replaced:
            assert old in told
            told = told.replace(old, new)
        self.config.write_text(told)

    def replan(self, *arguments: str) -> Result:
        return CliRunner().invoke(registry, ["reminders", "replan", "--config", str(self.config), *arguments])

    def mark(self) -> str:
        found = re.search(r"--apply (\w+)", self.replan().output)
        assert found is not None
        return found.group(1)


@pytest.fixture
def shell(tmp_path: Path, settings: Settings, now: datetime) -> Shell:
    path = tmp_path / "config.toml"
    instant = ('now = "" ', f'now = "{now.isoformat()}" ')
    path.write_text((ROOT / "config.toml").read_text())
    found = Shell(path)
    found.change(instant)
    return found


FEWER_MAILS = ("email_days = [0, 7, 14]", "email_days = [0, 10]")
M24 = """[[study.timepoints]]
code = "M24"
months = 24
opens_days_before = 14
closes_days_after = 90
"""
SHORTER = ("closes_days_after = 45", "closes_days_after = 36")


@pytest.fixture
def two(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Registry:
    """A patient whose first mail about three months was sent, and one who is planned."""
    found = Registry(database, settings, keys, now)
    found.enrol(study_id="K-001")
    found.run()
    found.enrol(study_id="K-002", operated_on=None, planned_on=date(2026, 12, 9))
    return found


def test_a_schedule_that_was_not_changed_changes_nothing(two: Registry, shell: Shell) -> None:
    before = rows(two.database)

    result = shell.replan()

    assert (result.exit_code, rows(two.database) == before) == (0, True)
    assert "there is nothing to apply" in result.output


def test_a_changed_schedule_is_shown_and_nothing_else(two: Registry, shell: Shell) -> None:
    before = rows(two.database)
    shell.change(FEWER_MAILS, SHORTER)

    lines = shell.replan().output.splitlines()

    assert "M3      1 forms to be moved: K-001" in lines
    assert "M3      1 e-mails to be moved: K-001" in lines
    assert "M3      1 e-mails to be taken back: K-001" in lines
    assert "M3      1 e-mails to stay as sent: K-001" in lines
    assert not [line for line in lines if "K-002" in line or "hanako" in line or "Mihon" in line]
    assert rows(two.database) == before


def test_a_schedule_is_applied_as_it_was_shown_and_once(two: Registry, shell: Shell) -> None:
    shell.change(FEWER_MAILS, SHORTER)
    sent = [row.model_dump() for row in two.rows() if row.sent_at]

    applied = shell.replan("--apply", shell.mark())
    again = shell.replan()

    assert (applied.exit_code, applied.output.splitlines()[-1]) == (0, "Applied.")
    assert two.states() == ["accepted", "planned", "not_planned"]
    assert two.rows()[1].due_on == date(2026, 11, 30)
    assert [row.model_dump() for row in two.rows() if row.sent_at] == sent
    assert "there is nothing to apply" in again.output
    with two.database.reading() as session:
        told = session.execute(text("SELECT count(*) FROM audit_event WHERE action = 'operation_replanned'"))
        assert told.scalar_one() == 1


def test_a_patient_whom_the_preview_does_not_name_is_left_alone(two: Registry, shell: Shell, now: datetime) -> None:
    stopped = two.enrol(study_id="K-003")
    two.write(lambda session: stop_emails(session, patient_id=stopped, by=BY, now=now))
    two.run()
    before = [row.model_dump() for row in two.rows() if row.patient_id == stopped]
    shell.change(FEWER_MAILS)

    result = shell.replan("--apply", shell.mark())

    assert ("Applied" in result.output, "K-003" in result.output) == (True, False)
    assert [row.model_dump() for row in two.rows() if row.patient_id == stopped] == before


@pytest.mark.parametrize("is_mark_of_earlier", [True, False])
def test_a_schedule_is_not_applied_otherwise_than_it_was_shown(
    two: Registry, shell: Shell, *, is_mark_of_earlier: bool
) -> None:
    shell.change(FEWER_MAILS)
    mark = shell.mark() if is_mark_of_earlier else "0000"
    shell.change(SHORTER)
    before = rows(two.database)

    result = shell.replan("--apply", mark)

    assert (result.exit_code, "Applied" in result.output, rows(two.database) == before) == (1, False, True)


def test_a_schedule_is_not_applied_when_the_plan_has_changed_since(two: Registry, shell: Shell, now: datetime) -> None:
    shell.change(FEWER_MAILS)
    settings = load_settings(shell.config)
    basis = Basis(settings.protocol, settings.sending_hours, settings.sites[0].zone, now.date())
    schedule = Replanning(Bench(two.database, settings, 1, now).site_id, basis)
    preview = replan_preview(two.database, schedule)
    two.run(two.on(date(2026, 11, 27)))
    before = rows(two.database)

    def apply() -> None:
        with two.database.transaction() as session:
            replan(session, schedule, preview=preview, confirmed=preview.fingerprint, by=BY, now=now)

    with pytest.raises(ToBeConfirmed):
        apply()
    assert rows(two.database) == before


def test_a_window_that_is_over_under_the_new_schedule_is_newly_missed(two: Registry, shell: Shell) -> None:
    two.enrol(study_id="K-003", operated_on=date(2026, 7, 13))
    shell.change(SHORTER)

    lines = shell.replan().output.splitlines()

    assert "M3      1 forms newly missed: K-003" in lines


def test_forms_of_a_timepoint_that_is_no_longer_in_the_schedule_stay_planned(two: Registry, shell: Shell) -> None:
    shell.change((M24, ""))
    planned = [row.model_dump() for row in two.rows("M24")]

    result = shell.replan()

    assert "there is nothing to apply" in result.output
    assert [row.model_dump() for row in two.rows("M24")] == planned != []


def test_the_preview_says_how_many_mails_are_written_in_new_words(two: Registry, shell: Shell) -> None:
    leaving = Bench(two.database, two.settings, 0, two.now).leaving()

    assert f"{len(leaving)} e-mails wait. Each is written in the words" in shell.replan().output
