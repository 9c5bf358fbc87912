"""The home of staff: what is to be done today, section by section, and what its buttons do."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from registry.config import Settings
from registry.services import work_list
from registry.storage.database import Database
from registry.storage.models import AuditEvent, FollowUp, PhoneRequest, PostedLetter, Site
from tests.desk import AtDesk, Desk, at_desk, paper
from tests.factories import make_operation, make_patient

# Of a patient at the desk: due on 19 November, closed on 3 January.
DAY_OF_CALL = date(2026, 12, 10)
DAY_OF_LETTER = date(2026, 12, 24)


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


def on(desk: Desk, day: date) -> Desk:
    """The same desk at ten in the morning of another day."""
    desk.clock.instant = datetime(day.year, day.month, day.day, 1, 0, tzinfo=UTC)
    desk.sign_in()
    return desk


def sections(page: str) -> dict[str, list[str]]:
    """The study IDs of each section, under its heading."""
    found = re.findall(r'<h2 id="[^"]+">([^<]+?) <span class="count">(\d+)</span></h2>(.*?)</section>', page, re.DOTALL)
    return {name: re.findall(r'<th scope="row"><a[^>]+>([^<]+)</a>', body) for name, _, body in found}


def row_of(page: str, study_id: str) -> str:
    found = re.search(rf'<tr>\s*<th scope="row"><a[^>]+>{study_id}</a>.*?</tr>', page, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found.group(0)).split())


def planned(desk: Desk, day: date, *, study_id: str) -> None:
    now = desk.clock()
    with desk.database.transaction() as session:
        patient = make_patient(session, now=now, study_id=study_id)
        make_operation(session, patient, desk.settings, now=now, today=now.date(), planned_on=day)


def test_staff_begin_at_what_is_to_be_done_today(alice: Desk) -> None:
    assert (alice.client.get("/").headers["Location"], alice.sign_in().headers["Location"]) == ("/today", "/today")
    assert 'href="/today" aria-current="true"' in alice.page("/today")


def test_an_empty_day_says_so_and_when_the_next_form_is_due(alice: Desk) -> None:
    nobody = alice.page("/today")
    alice.patient()
    later = on(alice, date(2027, 1, 5)).page("/today")

    assert "Nothing to do today. No form is planned." in nobody
    assert ("Nothing to do today. The next form is due on 2027-02-19." in later, sections(later)) == (True, {})


def test_every_form_stands_in_its_section(alice: Desk) -> None:
    alice.patient(study_id="OVERDUE")
    alice.patient(study_id="UNMAILED", email=None)
    alice.patient(study_id="NOTHING-LEFT", email=None, phone="")
    planned(alice, date(2026, 11, 27), study_id="AT-RISK")
    planned(alice, date(2026, 11, 28), study_id="IN-TIME")
    planned(alice, date(2026, 11, 20), study_id="TODAY")
    with alice.database.transaction() as session:
        soon = make_patient(session, now=alice.clock(), study_id="SOON")
        make_operation(
            session,
            soon,
            alice.settings,
            now=alice.clock(),
            today=alice.clock().date(),
            operated_on=date(2026, 8, 27),
        )

    page = alice.page("/today")

    assert sections(page) == {
        "Baseline at risk": ["TODAY", "AT-RISK"],
        "Call today": ["UNMAILED"],
        "Letters to send": ["NOTHING-LEFT"],
        "Overdue": ["OVERDUE"],
        "Due in the next 7 days": ["SOON"],
    }
    assert row_of(page, "AT-RISK") == "AT-RISK before in 7 days 2026-11-27 none Answer on the tablet AT-RISK"
    assert row_of(page, "OVERDUE") == "OVERDUE M3 1 day ago 2026-11-19 none Open OVERDUE"


def test_the_last_contact_is_the_latest_of_mail_call_and_letter(alice: Desk) -> None:
    patient = alice.patient(study_id="K-1")
    with alice.database.transaction() as session:
        session.execute(text("UPDATE reminder SET state = 'accepted', sent_at = '2026-11-26 01:00:00' WHERE rung = 1"))
    on(alice, DAY_OF_CALL)
    mailed = row_of(alice.page("/today"), "K-1")
    note(alice, patient, outcome="not_reached")

    called = row_of(alice.page("/today"), "K-1")

    assert ("2026-11-26 Call" in mailed, "2026-12-10 Open" in called) == (True, True)


def note(desk: Desk, patient: AtDesk, **fields: str) -> int:
    return desk.send(f"/phone-queue/forms/{patient.follow_up_id}", **fields).status_code


def test_who_was_called_in_vain_today_is_called_again_tomorrow(alice: Desk) -> None:
    patient = alice.patient(study_id="K-1")
    on(alice, DAY_OF_CALL)
    before = sections(alice.page("/today"))

    status = note(alice, patient, outcome="not_reached", tried="0")

    after = sections(alice.page("/today"))
    again = sections(on(alice, DAY_OF_CALL + timedelta(1)).page("/today"))
    assert (status, before, after) == (303, {"Call today": ["K-1"]}, {"Overdue": ["K-1"]})
    assert again == {"Call today": ["K-1"]}


def test_a_section_shows_twenty_and_says_how_many_there_are(alice: Desk) -> None:
    for number in range(work_list.MOST_ROWS + 1):
        alice.patient(study_id=f"K-{number:03}")

    page = alice.page("/today")

    assert len(sections(page)["Overdue"]) == 20
    assert ('Overdue <span class="count">21</span>' in page, "The first 20 of 21." in page) == (True, True)


def test_no_name_stands_on_the_page(alice: Desk) -> None:
    alice.patient()

    assert "Mihon" not in alice.page("/today")


def test_another_hospital_is_not_there(alice: Desk, now: datetime) -> None:
    with alice.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        theirs = make_patient(session, now=now, site_code="OTHER", study_id="THEIRS", email=None, phone="")
        make_operation(session, theirs, alice.settings, now=now, today=now.date(), operated_on=date(2026, 8, 19))
        follow_up_id = session.execute(text("SELECT id FROM follow_up WHERE timepoint = 'M3'")).scalar_one()

    posts = [f"/today/letters/{follow_up_id}", f"/phone-queue/forms/{follow_up_id}"]
    statuses = [alice.send(path, outcome="declined").status_code for path in posts]

    page = alice.page("/today")
    with alice.database.reading() as session:
        written = [session.exec(select(model)).all() for model in (PostedLetter, PhoneRequest)]
        declined = session.exec(select(FollowUp).where(col(FollowUp.declined_on).is_not(None))).all()
    assert ("THEIRS" in page, "Nothing to do today. No form is planned." in page) == (False, True)
    assert (statuses, written, declined) == ([404, 404], [[], []], [])


# Letters


def test_a_letter_is_printed_and_noted_as_sent(alice: Desk) -> None:
    patient = alice.patient(study_id="K-1")
    page = on(alice, DAY_OF_LETTER).page("/today")

    response = alice.send(f"/today/letters/{patient.follow_up_id}")

    after = alice.page("/today")
    assert f'href="{patient.form_path}/paper.pdf"' in page
    assert (response.status_code, response.headers["Location"]) == (303, "/today")
    assert ("The letter is noted as sent." in after, sections(after)) == (True, {"Overdue": ["K-1"]})
    assert "2026-12-24 Open" in row_of(after, "K-1")
    with alice.database.reading() as session:
        actors = session.exec(select(AuditEvent.actor_kind).where(AuditEvent.action == "letter_posted")).all()
    assert list(actors) == ["staff"]


def test_a_letter_that_is_noted_twice_counts_once(alice: Desk) -> None:
    patient = alice.patient()
    on(alice, DAY_OF_LETTER)

    for _ in range(2):
        alice.send(f"/today/letters/{patient.follow_up_id}")

    assert "A letter about this form was noted before." in alice.page("/today")
    with alice.database.reading() as session:
        assert len(session.exec(select(PostedLetter)).all()) == 1


# Calls of the ladder in the queue


def test_a_call_of_the_ladder_says_why_and_offers_every_end(alice: Desk) -> None:
    patient = alice.patient(study_id="K-1")
    page = on(alice, DAY_OF_CALL).page("/phone-queue")

    told = ["K-1", "Mihon Hanako", "06-1111-2222", "no answer to e-mails", "due 2026-11-19", "2027-01-03", "any time"]
    assert [said for said in told if said not in page] == []
    assert set(re.findall(r'name="outcome" value="([^"]+)"', page)) == {
        "not_reached",
        "call_back",
        "not_wanted",
        "declined",
    }
    assert f"{patient.form_path}/phone?back=queue" in page
    assert '1<span class="sr"> waiting</span>' in page


def test_the_queue_says_that_no_mail_can_be_waited_for(alice: Desk) -> None:
    alice.patient(email=None)

    assert "no e-mail arrives" in alice.page("/phone-queue")


def test_the_queue_shows_the_calls_in_vain_and_the_next(alice: Desk) -> None:
    patient = alice.patient()
    on(alice, DAY_OF_CALL)
    note(alice, patient, outcome="not_reached", tried="0")

    page = alice.page("/phone-queue")

    assert "2026-12-11 in the afternoon" in page
    assert "not reached 1 of 3 times, last 2026-12-10 10:00" in page
    assert "The patient was not reached: the call is noted" in page


def test_a_day_that_is_agreed_is_kept_and_shown_with_the_patient(alice: Desk) -> None:
    patient = alice.patient()
    on(alice, DAY_OF_CALL)

    status = note(alice, patient, outcome="call_back", tried="0", day="2026-12-14")

    assert (status, "Nobody waits for a call" in alice.page("/phone-queue")) == (303, True)
    assert "wanted to be called back on 2026-12-14" in alice.page(patient.path)
    assert "2026-12-14 at any time" not in alice.page("/phone-queue")
    assert "today at any time" in on(alice, date(2026, 12, 14)).page("/phone-queue")


@pytest.mark.parametrize("day", ["", "tomorrow", "2027-01-04", "2026-12-09"])
def test_a_day_that_cannot_be_is_refused(alice: Desk, day: str) -> None:
    patient = alice.patient()
    on(alice, DAY_OF_CALL)

    assert note(alice, patient, outcome="call_back", tried="0", day=day) == 422


def test_a_form_that_was_begun_can_be_closed_as_answered(alice: Desk) -> None:
    patient = alice.patient()
    on(alice, DAY_OF_CALL)
    fields = {name: value for name, value in paper().items() if not name.endswith("neck")}
    alice.send(f"{patient.form_path}/paper", **fields)
    page = alice.page("/phone-queue")

    note(alice, patient, outcome="answered", tried="0")

    assert ("begun, not sent" in page, "Nothing more to answer" in page) == (True, True)
    assert "Nobody waits for a call" in alice.page("/phone-queue")


def test_who_answers_leaves_every_list(alice: Desk) -> None:
    patient = alice.patient()
    on(alice, DAY_OF_LETTER)
    before = sections(alice.page("/today"))

    alice.send(f"{patient.form_path}/paper", **paper())

    assert set(before) == {"Call today", "Letters to send"}
    assert sections(alice.page("/today")) == {}


def test_a_declined_form_says_so_on_the_page_of_the_patient(alice: Desk) -> None:
    patient = alice.patient()
    on(alice, DAY_OF_CALL)

    note(alice, patient, outcome="declined", tried="0")

    page = alice.page(patient.path)
    assert ("declined" in page, "called because no answer had come; declines this form" in page) == (True, True)
