"""The ledger of a patient and the plan of a site, on the pages of staff."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text, update
from sqlmodel import col

from registry.config import Settings
from registry.domain.actors import staff_member
from registry.domain.ladder import SkipReason
from registry.domain.ledger import Became, RungKind
from registry.domain.manual_rungs import NoRung
from registry.domain.sending_hours import ALWAYS
from registry.domain.vocabularies import CallOutcome
from registry.places import TEMPLATES
from registry.services import enrolment
from registry.services.forecast import forecast
from registry.services.phone_requests import Noted, note_ladder_call
from registry.services.posted_letters import record_posted_letter
from registry.storage.database import Database
from registry.storage.enrolments import site_id_of
from registry.storage.models import Reminder, ReminderState, Site
from registry.web.staff import plan
from tests.desk import AtDesk, Desk, at_desk
from tests.factories import BY, make_operation, make_patient


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


def lines(page: str, form: str = "M3") -> list[str]:
    """The rungs of a form as a reader sees them."""
    section = re.search(rf'<h2 id="form-\d+-{form}">.*?</section>', page, re.DOTALL)
    assert section is not None
    rows = re.findall(r'<tr><th scope="row">(.*?)</tr>', section.group(0), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def shown(desk: Desk, patient: AtDesk, form: str = "M3") -> list[str]:
    return lines(desk.page(f"{patient.path}/ledger"), form)


def on(desk: Desk, day: date) -> datetime:
    desk.clock.instant = datetime(day.year, day.month, day.day, 1, 0, tzinfo=UTC)
    desk.sign_in()
    return desk.clock.instant


def test_every_rung_that_is_still_to_come_has_its_day(alice: Desk) -> None:
    patient = alice.patient()

    assert shown(alice, patient, "M6") == [
        "E-mail 1 2027-02-19 ○ planned",
        "E-mail 2 2027-02-26 ○ planned",
        "E-mail 3 2027-03-05 ○ planned",
        "Call 2027-03-12 ○ planned",
        "Letter 2027-03-26 ○ planned",
    ]
    assert f'href="{patient.path}/ledger"' in alice.page(patient.path)


def test_the_form_before_an_operation_has_e_mails_only(alice: Desk) -> None:
    assert shown(alice, alice.patient(), "before")[-2:] == [
        "Call – – none a form before an operation has e-mails only",
        "Letter – – none a form before an operation has e-mails only",
    ]


# What became of the first mail: its row, and what the ledger says.
SENT_AT = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)
BECAME = [
    ({"state": ReminderState.ACCEPTED, "sent_at": SENT_AT}, "E-mail 1 2026-11-20 ● sent"),
    (
        {"state": ReminderState.BOUNCED, "sent_at": SENT_AT, "bounced_at": SENT_AT, "failure": "no such mailbox"},
        "E-mail 1 2026-11-20 ✕ came back no such mailbox",
    ),
    (
        {"state": ReminderState.REJECTED, "failed_at": SENT_AT, "failure": "550 no"},
        "E-mail 1 2026-11-20 ✕ refused 550 no",
    ),
    (
        {"state": ReminderState.DEFERRED, "next_attempt_at": SENT_AT, "failure": "451 later"},
        "E-mail 1 2026-11-19 ◔ will be tried again 451 later",
    ),
    ({"state": ReminderState.SENDING, "next_attempt_at": SENT_AT}, "E-mail 1 2026-11-19 ◔ being sent"),
    ({"state": ReminderState.UNKNOWN, "failed_at": SENT_AT}, "E-mail 1 2026-11-20 ? outcome unknown"),
    (
        {"state": ReminderState.SKIPPED, "skip_reason": SkipReason.OVERTAKEN},
        "E-mail 1 2026-11-19 – not sent a later mail took its place",
    ),
    ({}, "E-mail 1 2026-11-20 ○ planned"),
]


@pytest.mark.parametrize(("values", "said"), BECAME, ids=lambda value: str(value)[:24])
def test_what_became_of_a_mail(alice: Desk, values: dict[str, object], said: str) -> None:
    patient = alice.patient()
    if values:
        with alice.database.transaction() as session:
            first = (col(Reminder.follow_up_id) == patient.follow_up_id, col(Reminder.rung) == 0)
            session.execute(update(Reminder).where(*first).values(**values))

    assert shown(alice, patient)[0] == said


def test_what_would_not_be_sent_says_why_and_the_call_comes_forward(alice: Desk, now: datetime) -> None:
    patient = alice.patient()
    with alice.database.transaction() as session:
        enrolment.stop_emails(session, patient_id=patient.id, by=BY, now=now)

    found = shown(alice, patient)

    assert found[0] == "E-mail 1 2026-11-19 – would not be sent e-mails stopped"
    assert found[3] == "Call 2026-11-19 ! due since then"


def test_of_two_mails_that_are_due_at_once_the_earlier_is_overtaken(alice: Desk) -> None:
    patient = alice.patient()
    on(alice, date(2026, 12, 1))

    assert shown(alice, patient)[:3] == [
        "E-mail 1 2026-11-19 – would not be sent a later mail took its place",
        "E-mail 2 2026-12-01 ○ planned",
        "E-mail 3 2026-12-03 ○ planned",
    ]


def test_calls_and_the_letter_as_they_were_noted(alice: Desk, settings: Settings) -> None:
    patient = alice.patient()
    at = on(alice, date(2026, 12, 11))
    basis = {"today": at.date(), "by": staff_member(1), "now": at}
    with alice.database.transaction() as session:
        noted = Noted(CallOutcome.NOT_REACHED)
        note_ladder_call(session, follow_up_id=patient.follow_up_id, noted=noted, study=settings.protocol, **basis)
    before = shown(alice, patient)[3:]
    with alice.database.transaction() as session:
        record_posted_letter(session, follow_up_id=patient.follow_up_id, **basis)

    assert before == [
        "Call 1 2026-12-11 ● called not reached",
        "Call 2026-12-14 ○ planned",
        "Letter 2026-12-24 ○ planned",
    ]
    assert shown(alice, patient)[4:] == ["Call – – none the letter was posted", "Letter 2026-12-11 ● posted"]


def test_a_planned_operation_shows_which_forms_wait_for_it(alice: Desk, settings: Settings, now: datetime) -> None:
    with alice.database.transaction() as session:
        patient = make_patient(session, now=now)
        make_operation(session, patient, settings, now=now, today=now.date(), planned_on=date(2026, 12, 9))
        path = f"/patients/{patient.public_id}/ledger"

    page = alice.page(path)

    assert page.count("Its dates come with the operation.") == 4
    mails = [line for line in lines(page, "before") if line.startswith("E-mail")]
    assert mails[0].endswith("2026-10-10 – would not be sent a later mail took its place")
    assert mails[-1].endswith("2026-12-06 ○ planned")


def test_the_ledger_of_another_site_is_not_there(alice: Desk) -> None:
    patient = alice.patient()
    _move(alice, patient)

    assert alice.client.get(f"{patient.path}/ledger").status_code == 404


def _move(desk: Desk, patient: AtDesk) -> None:
    """Put a patient into another hospital."""
    with desk.database.transaction() as session:
        site = Site(code="OTHER")
        session.add(site)
        session.flush()
        session.execute(text("UPDATE patient SET site_id = :site WHERE id = :id"), {"site": site.id, "id": patient.id})


def test_every_reason_and_every_end_has_its_words() -> None:
    known = "".join((TEMPLATES / name).read_text() for name in ("ledger/patient.html", "macros/badges.html"))
    codes = [*SkipReason, *NoRung, *Became, *CallOutcome, *RungKind]

    assert [code for code in codes if f"'{code}': " not in known and f"{code}='" not in known] == []


# The plan


def planned(page: str) -> list[tuple[str, str]]:
    rows = re.findall(r'<tr><td class="whole">(\S+) .*?<th scope="row"><a[^>]+>([^<]+)</a>', page)
    return [(day, study_id) for day, study_id in rows]


def test_the_plan_is_the_forecast_of_the_site_with_reasons(alice: Desk) -> None:
    there, here = alice.patient(study_id="THERE"), alice.patient(study_id="HERE", email=None)
    _move(alice, there)

    page = alice.page("/plan")

    assert {study_id for _, study_id in planned(page)} == {"HERE"}
    assert "no e-mail address" in page
    assert f'href="{here.path}/ledger"' in page
    assert 'href="/plan"' in alice.page("/today")


def test_the_plan_says_when_there_is_nothing(alice: Desk) -> None:
    assert "No e-mail is planned for these days." in alice.page("/plan")


@pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
def test_the_pages_of_the_plan_leave_nothing_out_and_say_nothing_twice(
    alice: Desk, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MOST_ROWS", most)
    for _ in range(4):
        alice.patient()
    with alice.database.reading() as session:
        site_id = site_id_of(session, code="DEMO") or 0
        whole = forecast(session, site_id=site_id, hours=ALWAYS, today=date(2026, 11, 20), days=60)
        expected = [(str(mail.leaves_on), mail.study_id) for mail in whole]

    found, address = list[tuple[str, str]](), "/plan"
    while address:
        page = alice.page(address)
        assert len(planned(page)) <= most
        found += planned(page)
        following = re.search(r'href="(/plan\?[^"]+)">From \d', page)
        address = following.group(1).replace("&amp;", "&") if following else ""

    assert (found, len(expected)) == (expected, 12)


@pytest.mark.parametrize("query", ["from=yesterday", "from=2020-01-01", "from=9999-12-31", "after=-3", "after=x"])
def test_odd_addresses_of_the_plan_are_no_errors(alice: Desk, query: str) -> None:
    alice.patient()

    assert alice.client.get(f"/plan?{query}").status_code == 200
