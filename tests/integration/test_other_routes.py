"""Other ways to answer: telephone, a fresh link after the close, regions; who filled it in, and the calendar."""

import re
import time
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from threading import Thread

import pytest
from icalendar import Calendar
from sqlalchemy import text
from sqlmodel import select

from registry.config import Settings
from registry.domain.vocabularies import CallOutcome
from registry.mail.transport import FolderTransport
from registry.security.keys import KeyRing
from registry.services.outbox import Dispatch, send_due_reminders
from registry.services.phone_requests import close_request
from registry.storage.cohorts import CohortQuery, timepoint_counts
from registry.storage.database import Database
from registry.storage.models import Patient
from tests.factories import BY, make_operation
from tests.opened import Opened, opened_form

AFTER_CLOSE = datetime(2027, 1, 4, 3, tzinfo=UTC)


class Desk:
    """The scheduler and the folder into which it writes."""

    def __init__(self, form: Opened, settings: Settings, keys: KeyRing) -> None:
        self.form, self.settings, self.keys = form, settings, keys

    def run(self) -> dict[str, int]:
        with FolderTransport(self.settings.mail.folder) as transport:
            return dict(
                send_due_reminders(Dispatch(self.form.database, self.settings, self.keys, transport, self.form.clock))
            )

    def newest(self) -> str:
        path = max(self.settings.mail.folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        body = message.get_body(("plain",))
        assert body is not None
        return f"{message['Subject']}\n{body.get_content()}"

    def link(self) -> str:
        line = next(line for line in self.newest().splitlines() if "/s/" in line)
        return line[line.index("/s/") :]


@pytest.fixture
def desk(opened: Opened, settings: Settings, keys: KeyRing) -> Desk:
    return Desk(opened, settings, keys)


# A closed form


@pytest.fixture
def closed(desk: Desk) -> Opened:
    desk.form.send("/q/1", vas_low_back="47")
    desk.form.clock.instant = AFTER_CLOSE
    return desk.form


def renew(form: Opened) -> str:
    page = form.client.get(form.form_path).get_data(as_text=True)
    key = page.split('name="key" value="', 1)[1].split('"', 1)[0]
    response = form.client.post(f"{form.form_path}/renew", data={"key": key})
    return form.client.get(response.headers["Location"]).get_data(as_text=True)


def test_a_closed_form_offers_a_fresh_link(closed: Opened) -> None:
    page = closed.client.get(closed.form_path).get_data(as_text=True)

    assert "we can send a new link to the e-mail address we have for you" in page
    assert "hanako@example.org" not in page


def test_a_fresh_link_goes_to_the_registered_address_and_is_open_for_thirty_days(closed: Opened, desk: Desk) -> None:
    renew(closed)

    assert desk.run()["accepted"] == 1
    assert "the link you asked for" in desk.newest()
    assert "Tuesday 2 February 2027" in desk.newest()
    fresh = closed.client.get(desk.link(), follow_redirects=True)
    assert fresh.status_code == 200


def test_the_old_link_stays_closed(closed: Opened, desk: Desk) -> None:
    renew(closed)
    desk.run()

    assert closed.follow().status_code == 410


def test_a_fresh_link_closes_after_its_thirty_days(closed: Opened, desk: Desk) -> None:
    renew(closed)
    desk.run()
    link = desk.link()

    closed.clock.instant = datetime(2027, 2, 2, 14, 59, tzinfo=UTC)
    last_day = closed.client.get(link, follow_redirects=True).status_code
    closed.clock.instant = datetime(2027, 2, 2, 15, 1, tzinfo=UTC)

    assert (last_day, closed.client.get(link, follow_redirects=True).status_code) == (200, 410)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE contact SET emails_stopped_at = '2026-11-01 00:00:00'",
        "UPDATE contact SET email = NULL",
    ],
)
def test_the_page_says_the_same_whether_or_not_a_link_goes_out(closed: Opened, desk: Desk, statement: str) -> None:
    expected = renew(closed)
    with closed.database.transaction() as session:
        session.execute(text("DELETE FROM reminder WHERE kind = 'fresh_link'"))
        session.execute(text(statement))

    assert renew(closed) == expected
    assert desk.run().get("accepted", 0) == 0


def test_thirty_days_after_the_close_no_link_goes_out(closed: Opened, desk: Desk) -> None:
    desk.run()
    closed.clock.instant = datetime(2027, 2, 3, 3, tzinfo=UTC)

    assert "a new link is on its way" in renew(closed)
    assert desk.run() == {}


def test_pressing_again_sends_nothing_more_until_the_next_day(closed: Opened, desk: Desk) -> None:
    for _ in range(3):
        renew(closed)
    first = desk.run()["accepted"]
    renew(closed)
    second = desk.run().get("accepted", 0)
    closed.clock.instant += timedelta(hours=25)
    renew(closed)

    assert (first, second, desk.run()["accepted"]) == (1, 0, 1)


def test_a_week_of_pressing_sends_five_mails_at_most(closed: Opened, desk: Desk) -> None:
    desk.run()
    sent = 0
    for _ in range(9):
        renew(closed)
        sent += desk.run().get("accepted", 0)
        closed.clock.instant += timedelta(hours=25)

    assert sent == 5


def test_an_open_form_sends_no_fresh_link(desk: Desk) -> None:
    desk.run()
    desk.form.client.post(f"{desk.form.form_path}/renew", data={"key": desk.form.key()})

    assert desk.run() == {}


# By telephone


def test_asking_to_be_phoned_takes_a_time_of_day(opened: Opened) -> None:
    response = opened.send("/phone")

    assert (response.status_code, opened.rows()["phone_request"]) == (422, [])
    assert "Choose when we should call" in response.get_data(as_text=True)


def test_who_asks_to_be_phoned_stands_in_the_queue_once(opened: Opened) -> None:
    for _ in range(2):
        response = opened.send("/phone", call_time="morning")

    assert "We will call you" in opened.client.get(response.headers["Location"]).get_data(as_text=True)
    assert opened.value("SELECT count(*) FROM phone_request") == 1


def test_asking_again_changes_the_time_of_day(opened: Opened) -> None:
    opened.send("/phone", call_time="morning")
    opened.send("/phone", call_time="afternoon")

    assert opened.value("SELECT call_time FROM phone_request") == "afternoon"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_request_that_staff_close_at_the_same_moment_is_made_anew(opened: Opened, settings: Settings) -> None:
    opened.send("/phone", call_time="morning")
    request_id, now = opened.value("SELECT id FROM phone_request"), opened.clock()
    assert isinstance(request_id, int)
    asking = Thread(target=opened.send, args=("/phone",), kwargs={"call_time": "afternoon"})
    told = {"study": settings.protocol, "today": now.date(), "by": BY, "now": now}

    with opened.database.transaction() as session:
        close_request(session, request_id=request_id, outcome=CallOutcome.NOT_WANTED, **told)  # type: ignore[arg-type]
        asking.start()
        wait_for_a_lock(opened)
    asking.join()

    with opened.database.reading() as session:
        rows = session.execute(text("SELECT call_time, outcome FROM phone_request ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [("morning", "not_wanted"), ("afternoon", None)]


def wait_for_a_lock(form: Opened) -> None:
    """Until somebody waits for what another transaction of this database holds."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ends = time.monotonic() + 20
    while not form.value(waiting):
        assert time.monotonic() < ends, "nobody has come to wait"
        time.sleep(0.01)


def test_who_waits_for_a_call_gets_no_mail_about_the_same_form(desk: Desk) -> None:
    desk.form.send("/phone", call_time="any_time")

    assert desk.run() == {"skipped": 1}
    assert desk.form.value("SELECT skip_reason FROM reminder WHERE state = 'skipped'") == "phone_asked"


def test_who_left_no_number_is_given_ours(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> None:
    with opened_form(database, settings, keys, now, phone="") as form:
        page = form.page("/phone")

    assert ("Please call us on" in page, 'type="radio"' in page) == (True, False)


def test_who_left_no_number_cannot_wait_for_a_call(
    database: Database, settings: Settings, keys: KeyRing, now: datetime
) -> None:
    with opened_form(database, settings, keys, now, phone="") as form:
        responses = [form.send("/phone", **fields) for fields in ({"call_time": "morning"}, {})]

        assert form.rows()["phone_request"] == []
    for response in responses:
        page = response.get_data(as_text=True)
        assert (response.status_code, 'href="#call_us"' in page, 'id="call_us"' in page) == (422, True, True)
        assert "We have no number to call you on" in page
        assert 'type="radio"' not in page


def test_a_closed_form_asks_for_no_call(closed: Opened) -> None:
    page = closed.client.get(closed.form_path).get_data(as_text=True)
    key = page.split('name="key" value="', 1)[1].split('"', 1)[0]

    shown = closed.client.get(f"{closed.form_path}/phone")
    sent = [
        closed.client.post(f"{closed.form_path}/phone", data={"key": key, **fields})
        for fields in ({}, {"call_time": "morning"})
    ]

    assert [response.status_code for response in (shown, *sent)] == [410] * 3
    assert "This link is closed" in shown.get_data(as_text=True)
    assert closed.rows()["phone_request"] == []


def test_every_page_of_the_form_offers_the_telephone_and_paper(opened: Opened) -> None:
    for page in ("", "/q/1", "/regions", "/check", "/phone"):
        text_ = opened.page(page)
        assert "I would rather be phoned" in text_
        assert "/paper.pdf" in text_


# Where it hurts


def regions(form: Opened) -> list[object]:
    with form.database.reading() as session:
        rows = session.execute(text("SELECT version, regions, superseded_at IS NULL FROM body_marking ORDER BY id"))
        return [(row[0], str(row[1]).replace('"', "'"), bool(row[2])) for row in rows]


def test_the_last_question_leads_to_the_regions_and_those_to_the_check(opened: Opened) -> None:
    after_last = opened.send("/q/6", vas_arm_numb="5").headers["Location"]

    assert after_last == f"{opened.form_path}/regions"
    assert opened.send("/regions").headers["Location"] == f"{opened.form_path}/check"


def test_nothing_ticked_is_no_answer(opened: Opened) -> None:
    opened.send("/regions")

    assert regions(opened) == []


def test_nowhere_is_an_answer(opened: Opened) -> None:
    opened.send("/regions", region="nowhere")

    assert regions(opened) == [(1, "[]", True)]


def test_a_correction_keeps_the_earlier_regions(opened: Opened) -> None:
    for chosen in (["low_back"], ["hand_left", "low_back"], ["low_back", "hand_left"]):
        opened.client.post(f"{opened.form_path}/regions", data={"key": opened.key(), "region": chosen})

    assert regions(opened) == [(1, "['low_back']", False), (2, "['hand_left', 'low_back']", True)]


def test_regions_nobody_knows_are_left_out(opened: Opened) -> None:
    opened.client.post(f"{opened.form_path}/regions", data={"key": opened.key(), "region": ["low_back", "tail"]})

    assert regions(opened) == [(1, "['low_back']", True)]


def test_the_check_page_tells_where_it_hurts(opened: Opened) -> None:
    before = opened.page("/check")
    opened.client.post(f"{opened.form_path}/regions", data={"key": opened.key(), "region": ["low_back", "hand_left"]})

    assert "<p>Not answered</p>" in before
    assert "<p>Left hand and low back</p>" in opened.page("/check")


# Who filled it in


def test_sending_asks_who_filled_it_in(opened: Opened) -> None:
    opened.answer_everything()

    response = opened.send("/check")

    assert (response.status_code, opened.value("SELECT submitted_at FROM assessment")) == (422, None)
    assert "Choose who filled this in" in response.get_data(as_text=True)


@pytest.mark.parametrize("respondent", ["self", "helped", "proxy"])
def test_who_filled_it_in_is_stored(opened: Opened, respondent: str) -> None:
    opened.answer_everything()
    opened.send("/check", respondent=respondent)

    assert opened.value("SELECT respondent FROM assessment") == respondent


def test_correcting_who_filled_it_in_keeps_the_time_of_the_first_sending(opened: Opened) -> None:
    opened.answer_everything()
    opened.finish()
    first = opened.value("SELECT submitted_at FROM assessment")
    opened.clock.instant += timedelta(hours=1)

    opened.send("/check", respondent="proxy")

    assert opened.value("SELECT submitted_at FROM assessment") == first
    assert opened.value("SELECT respondent FROM assessment") == "proxy"
    assert opened.value("SELECT count(*) FROM audit_event WHERE action = 'respondent_changed'") == 1


# The calendar


def event(form: Opened) -> Calendar:
    response = form.client.get(f"{form.form_path}/next.ics")
    assert response.headers["Content-Type"].startswith("text/calendar")
    return Calendar.from_ical(response.get_data())


def test_the_next_time_is_a_whole_day_without_a_word_of_why(opened: Opened) -> None:
    opened.answer_everything()
    opened.finish()

    calendar = event(opened)
    (found,) = calendar.walk("VEVENT")
    assert (found.decoded("dtstart"), found.decoded("dtend")) == (date(2027, 2, 19), date(2027, 2, 20))
    assert (str(calendar["method"]), str(found["summary"])) == ("PUBLISH", "Demo Hospital will write to you")
    assert opened.path.rpartition("/")[2] not in calendar.to_ical().decode()
    assert opened.form_path not in calendar.to_ical().decode()


def test_a_second_download_is_the_same_event(opened: Opened) -> None:
    opened.answer_everything()
    opened.finish()
    first = opened.client.get(f"{opened.form_path}/next.ics").get_data()
    opened.clock.instant += timedelta(days=2)

    assert opened.client.get(f"{opened.form_path}/next.ics").get_data() == first


NO_PROMISE = "We do not e-mail you about it: please ask at the hospital, or call 06-0000-0000."


def sent(form: Opened) -> Opened:
    form.answer_everything()
    form.finish()
    return form


def change(form: Opened, *statements: str) -> None:
    with form.database.transaction() as session:
        for statement in statements:
            session.execute(text(statement))


def operate_again(form: Opened, settings: Settings, operated_on: date) -> None:
    now = form.clock()
    with form.database.transaction() as session:
        patient = session.exec(select(Patient)).one()
        make_operation(session, patient, settings, now=now, today=now.date(), operated_on=operated_on)


def test_the_receipt_says_when_the_next_mail_comes(opened: Opened) -> None:
    assert "We will e-mail you next around February 2027." in sent(opened).page("/done")


@pytest.mark.parametrize("stop", ["emails_stopped_at = '2026-11-19 00:00:00'", "email = NULL", "email = ''"])
def test_the_receipt_promises_no_mail_to_whom_none_goes(opened: Opened, stop: str) -> None:
    change(sent(opened), f"UPDATE contact SET {stop}")

    page = opened.page("/done")
    (found,) = event(opened).walk("VEVENT")
    opened.send("/language", language="ja", next=f"{opened.form_path}/done")

    assert ("e-mail you next" in page, f"around February 2027. {NO_PROMISE}" in page) == (False, True)
    assert (found.decoded("dtstart"), str(found["summary"])) == (date(2027, 2, 19), "Get in touch with Demo Hospital")
    assert "次回のご回答は2027年2月ごろの予定です。メールではお知らせしませんので" in opened.page("/done")


def test_the_next_time_may_belong_to_another_operation(opened: Opened, settings: Settings) -> None:
    operate_again(sent(opened), settings, date(2026, 10, 1))

    assert event(opened).walk("VEVENT")[0].decoded("dtstart") == date(2027, 1, 1)
    assert "We will e-mail you next around January 2027." in opened.page("/done")


def test_an_operation_that_is_off_brings_no_next_time(opened: Opened, settings: Settings) -> None:
    operate_again(sent(opened), settings, date(2026, 10, 1))
    off = "UPDATE operation SET state = 'cancelled', operated_on = NULL WHERE id = (SELECT max(id) FROM operation)"
    change(opened, off)

    assert event(opened).walk("VEVENT")[0].decoded("dtstart") == date(2027, 2, 19)


def test_a_form_that_was_sent_already_does_not_come_next(opened: Opened, settings: Settings) -> None:
    operate_again(sent(opened), settings, date(2026, 8, 26))
    assert event(opened).walk("VEVENT")[0].decoded("dtstart") == date(2026, 11, 26)
    other = "(SELECT max(id) FROM follow_up WHERE timepoint = 'M3')"
    change(
        opened,
        "INSERT INTO assessment (follow_up_id, patient_id, reference, language, started_at, submitted_at) "
        f"SELECT {other}, patient_id, 'x', 'en', started_at, submitted_at FROM assessment",
        "INSERT INTO answer (assessment_id, item, version, is_skipped, instrument_version, language, answered_on,"
        " recorded_at) SELECT (SELECT max(id) FROM assessment), 'neck', 1, true, 'v', 'en', answered_on, recorded_at"
        " FROM answer WHERE item = 'neck'",
    )

    assert event(opened).walk("VEVENT")[0].decoded("dtstart") == date(2027, 2, 19)


@pytest.mark.parametrize(
    ("stop", "words"),
    [("NULL", "We will e-mail you when your next form is due."), ("'2026-11-19 00:00:00'", "please ask at the hosp")],
)
def test_without_a_planned_form_the_receipt_names_no_day(opened: Opened, stop: str, words: str) -> None:
    change(
        sent(opened),
        "DELETE FROM reminder WHERE follow_up_id IN (SELECT id FROM follow_up WHERE timepoint <> 'M3')",
        "DELETE FROM follow_up WHERE timepoint <> 'M3'",
        f"UPDATE contact SET emails_stopped_at = {stop}",
    )

    page = opened.page("/done")

    assert [text for text in (words, "calendar", "around", "last time") if text in page] == [words]
    assert opened.client.get(f"{opened.form_path}/next.ics").status_code == 404


def test_who_said_no_after_sending_is_told_of_no_next_time(opened: Opened) -> None:
    sent(opened).decide("disagree")

    page = opened.page("/done")

    assert [text for text in ("e-mail you", "next form", "last time", "next.ics") if text in page] == []


def test_nothing_comes_next_before_the_answers_are_sent(opened: Opened) -> None:
    assert opened.client.get(f"{opened.form_path}/next.ics").status_code == 404


# What is counted of late answers


def test_late_answers_are_kept_and_left_out_of_the_window(closed: Opened, desk: Desk) -> None:
    with closed.database.transaction() as session:
        session.execute(text("DELETE FROM answer"))
        session.execute(text("DELETE FROM assessment"))
    renew(closed)
    desk.run()
    clean = closed.client.get(desk.link()).headers["Location"]
    page = closed.client.get(clean).get_data(as_text=True)
    key = page.split('name="key" value="', 1)[1].split('"', 1)[0]

    closed.client.post(f"{clean}/q/1", data={"key": key, "vas_low_back": "12"})

    with closed.database.reading() as session:
        assert session.execute(text("SELECT score FROM answer")).scalar_one() == 12
        query = CohortQuery("low_back", "lumbar_disease", date(2027, 3, 1))
        assert timepoint_counts(session, query, timepoints=["M3"]) == []


def test_regions_ticked_late_are_kept_beside_those_given_in_time(opened: Opened) -> None:
    opened.send("/regions", region="low_back")
    key = opened.key()
    opened.clock.instant = AFTER_CLOSE

    for _ in range(2):
        opened.client.post(f"{opened.form_path}/regions", data={"key": key, "region": "hand_left"})

    assert regions(opened) == [(1, "['low_back']", True), (2, "['hand_left']", False)]


def test_sending_again_late_says_nothing_new_of_who_filled_in_what_came_in_time(opened: Opened) -> None:
    opened.answer_everything()
    opened.finish()
    key = opened.key()
    opened.clock.instant = AFTER_CLOSE

    late = opened.client.post(f"{opened.form_path}/check", data={"key": key, "respondent": "proxy"})

    assert (late.status_code, opened.value("SELECT respondent FROM assessment")) == (303, "self")


def test_a_place_beside_nowhere_is_asked_about_and_both_are_kept(opened: Opened) -> None:
    data = {"key": opened.key(), "region": ["low_back", "nowhere"]}

    response = opened.client.post(f"{opened.form_path}/regions", data=data)

    page = response.get_data(as_text=True)
    assert (response.status_code, regions(opened)) == (422, [])
    assert "Tick either the places, or “Nowhere”" in page
    assert re.findall(r'value="(\w+)"[^>]* checked', page) == ["low_back", "nowhere"]


def test_what_is_said_of_places_beside_nowhere_is_in_the_language_of_the_page(opened: Opened) -> None:
    opened.send("/language", language="ja")
    data = {"key": opened.key(), "region": ["low_back", "nowhere"]}

    page = opened.client.post(f"{opened.form_path}/regions", data=data).get_data(as_text=True)

    assert ("「どこにもない」だけを選んでください" in page, "Tick either" in page) == (True, False)


def test_a_paper_form_is_had_as_long_as_the_form_is_open(opened: Opened) -> None:
    while_open = opened.client.get(f"{opened.form_path}/paper.pdf").status_code
    opened.clock.instant = AFTER_CLOSE

    assert (while_open, opened.client.get(f"{opened.form_path}/paper.pdf").status_code) == (200, 410)


def test_who_said_no_is_given_no_paper(unasked: Opened) -> None:
    unasked.decide("disagree")

    assert unasked.client.get(f"{unasked.form_path}/paper.pdf").status_code == 404


def test_unticking_everything_asks_what_is_meant(opened: Opened) -> None:
    opened.send("/regions", region="low_back")

    response = opened.send("/regions")

    assert (response.status_code, regions(opened)) == (422, [(1, "['low_back']", True)])


def test_who_has_said_no_is_promised_no_call(unasked: Opened) -> None:
    unasked.decide("disagree")

    response = unasked.send("/phone", call_time="morning")

    assert (response.status_code, unasked.rows()["phone_request"]) == (303, [])
    assert "I would rather be phoned" not in unasked.page("/consent/refused")
