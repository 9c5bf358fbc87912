"""The staff's pages: who gets in, what is refused at which field, and that nothing typed is lost."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from registry.config import Settings
from registry.storage.database import Database
from registry.storage.models import Patient, Site
from registry.web.app import create_app
from tests.desk import ENROLMENT, PASSWORD, Desk, at_desk
from tests.factories import make_patient


@pytest.fixture
def desk(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        yield desk


@pytest.fixture
def alice(desk: Desk) -> Desk:
    desk.sign_in()
    return desk


# Signing in

PUBLIC = {
    "static", "healthz", "home", "accounts.sign_in_page", "accounts.begin",
    "demo.outbox", "demo.mail", "demo.mail_html",
    "form.enter", "form.start", "form.begin", "form.begin_again", "form.question", "form.answer",
    "form.change_language",
    "consent.ask", "consent.answer", "consent.text", "consent.refused", "regions.ask", "regions.save",
    "sending.check", "sending.send", "sending.done", "sending.calendar", "sending.finish", "sending.handed_back",
    "routes.phone", "routes.ask_call", "routes.phone_asked", "routes.paper", "routes.renew", "routes.renewed",
    "left_tablet.go_on", "left_tablet.begin_again",
    "preferences.enter", "preferences.show", "preferences.choose", "preferences.confirm", "preferences.leave",
    "preferences.result", "preferences.one_click_page", "preferences.one_click",
    "preferences.change_language",
}  # fmt: skip


def test_every_other_page_asks_for_a_sign_in(desk: Desk) -> None:
    rules = [rule for rule in desk.client.application.url_map.iter_rules() if rule.endpoint not in PUBLIC]

    for rule in rules:
        address = re.sub(r"<[^>]+>", "1", rule.rule)
        for method in (rule.methods or set()) & {"GET", "POST"}:
            response = desk.client.get(address) if method == "GET" else desk.send(address)
            assert response.status_code == {"GET": 303, "POST": 401}[method], rule
            assert response.headers.get("Location", "/login").startswith("/login"), rule

    assert len(rules) > 10


def test_signing_in_leads_back_to_the_page_that_was_wanted(desk: Desk) -> None:
    assert desk.sign_in(back="?next=/reports/cohort").headers["Location"] == "/reports/cohort"


@pytest.mark.parametrize(
    "back",
    [
        "?next=https://evil.example/",
        "?next=//evil.example",
        "?next=/\\evil.example",
        "?next=/%09/evil.com",
        "?next=/a%0d%0aX",
    ],
)
def test_signing_in_never_leads_elsewhere(desk: Desk, back: str) -> None:
    assert desk.sign_in(back=back).headers["Location"] == "/today"


def test_a_wrong_password_and_an_unknown_name_look_alike(desk: Desk) -> None:
    wrong, unknown = desk.sign_in(password="not the password"), desk.sign_in(name="nobody", password="not the password")

    strip = re.compile(r'value="[^"]*"')
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert strip.sub("", wrong.get_data(as_text=True)) == strip.sub("", unknown.get_data(as_text=True))


def test_a_guess_at_a_password_keeps_no_patient_from_saving(desk: Desk, database: Database) -> None:
    with database.transaction():
        # SQLite has one writer: while somebody saves, a sign-in that needed the writer's place would wait here.
        response = desk.sign_in(password="not the password")

    assert response.status_code == 401


@pytest.mark.parametrize("address", ["/patients?study_id=%00", "/patients/%00", "/patients?page=9223372036854775807"])
def test_odd_addresses_are_no_errors_of_ours(alice: Desk, address: str) -> None:
    assert alice.client.get(address).status_code in (200, 404)


def test_a_copied_cookie_opens_nothing_after_signing_out(alice: Desk) -> None:
    cookie = alice.client.get_cookie("staff")
    assert cookie is not None
    alice.send("/logout")
    thief = alice.client.application.test_client()
    thief.set_cookie("staff", cookie.value)

    assert thief.get("/patients").status_code == 303


@pytest.mark.parametrize(("idle", "status"), [(timedelta(minutes=14), 200), (timedelta(minutes=15), 303)])
def test_an_unused_session_ends_after_fifteen_minutes(alice: Desk, idle: timedelta, status: int) -> None:
    alice.clock.instant += idle

    assert alice.client.get("/patients").status_code == status


def test_what_was_typed_when_the_session_ended_can_be_saved_after_signing_in_again(alice: Desk) -> None:
    alice.clock.instant += timedelta(hours=1)
    page = alice.send("/patients/new", **ENROLMENT).get_data(as_text=True)
    kept = dict(re.findall(r'name="(kept[^"]+)" value="([^"]*)"', page))
    assert kept["kept.study_id"] == "K-001"

    offered = alice.send("/login", sign_in_name="alice", password=PASSWORD, **kept).get_data(as_text=True)
    again = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', offered.partition("You are signed in again")[2]))
    again.pop("csrf_token")

    assert alice.send("/patients/new", **again).status_code == 303


def test_a_used_session_ends_after_ten_hours(alice: Desk) -> None:
    for _ in range(10 * 6 - 1):
        alice.clock.instant += timedelta(minutes=10)
        assert alice.client.get("/patients").status_code == 200
    alice.clock.instant += timedelta(minutes=10)

    assert alice.client.get("/patients").status_code == 303


def test_a_form_from_elsewhere_is_refused(alice: Desk) -> None:
    response = alice.client.post("/patients/new", data=ENROLMENT)

    assert response.status_code == 400


# Enrolling


def test_a_patient_is_enrolled_on_one_screen(alice: Desk) -> None:
    page = alice.client.get(alice.enrol()).get_data(as_text=True)

    assert "K-001" in page
    assert "見本" in page


def test_a_study_id_is_enrolled_once(alice: Desk) -> None:
    alice.enrol()

    response = alice.send("/patients/new", **ENROLMENT)

    page = response.get_data(as_text=True)
    assert (response.status_code, "Study ID K-001 is already enrolled" in page, 'value="見本"' in page) == (
        422,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("study_id", "", "Enter a study ID"),
        ("study_id", "見本花子", "Use letters, digits"),
        ("birth_year", "19", "Enter the year in four digits"),
        ("birth_year", "1800", "Enter a year from"),
        ("birth_year", "2027", "Enter a year from"),
        ("born_on", "1952-13-01", "Enter a date such as"),
        ("born_on", "1951-01-01", "The date of birth is not in 1952"),
        ("email", "hanako@", "This address cannot receive mail"),
        ("email", "a@example.org\r\nBcc: b@example.org", "characters that cannot be seen"),
        ("family_name", "見\x00本", "characters that cannot be seen"),
        ("family_name", "見\u200b本", "characters that cannot be seen"),
        ("study_id", "K-\u2060001", "characters that cannot be seen"),
        ("family_name", "\u3000", "Enter the family name"),
        ("sex", "", "Choose the sex"),
        ("sex", "maybe", "Not a valid choice"),
    ],
)
def test_what_cannot_be_taken_is_said_at_its_field_and_kept(alice: Desk, name: str, value: str, reason: str) -> None:
    response = alice.send("/patients/new", **(ENROLMENT | {name: value}))

    page = response.get_data(as_text=True)
    at_field = re.search(rf'id="{name}-error-1">([^<]*)', page)
    assert response.status_code == 422
    assert at_field is not None
    assert reason in at_field.group(1)
    assert 'value="hanako@example.org"' in page or name == "email"
    assert not value.strip() or name == "sex" or re.split(r"[\r\0]", value)[0] in page


@pytest.mark.parametrize("address", ["a..b@docomo.ne.jp", "x.@docomo.ne.jp", "ｈａｎａｋｏ@example.org", ""])
def test_addresses_that_receive_mail_in_practice_are_taken(alice: Desk, address: str) -> None:
    page = alice.client.get(alice.enrol(email=address)).get_data(as_text=True)

    assert unicodedata.normalize("NFKC", address) in page


@pytest.mark.parametrize("name", ["葛\U000e0100城", "芦\ufe00屋"])
def test_the_exact_shape_of_a_name_is_kept(alice: Desk, name: str) -> None:
    assert name in alice.page(alice.enrol(family_name=name))


def test_a_telephone_number_is_measured_as_it_would_be_stored(alice: Desk) -> None:
    response = alice.send("/patients/new", **(ENROLMENT | {"phone": "㏂" * 11}))

    at_field = re.search(r'id="phone-error-1">([^<]*)', response.get_data(as_text=True))
    assert (response.status_code, at_field is not None) == (422, True)
    assert at_field is not None
    assert "longer than 40 characters" in at_field.group(1)


def test_a_telephone_number_in_wide_digits_is_stored_in_plain_ones(alice: Desk) -> None:
    assert "06-1234-5678" in alice.page(alice.enrol(phone="０６－１２３４－５６７８"))


def test_a_changed_address_is_shown_and_the_trail_tells_of_it_without_naming_it(alice: Desk) -> None:
    patient = alice.enrol()

    alice.send(f"{patient}/contact", family_name="見本", email="new@example.org", language="en")

    assert "new@example.org" in alice.client.get(patient).get_data(as_text=True)
    with alice.database.reading() as session:
        query = text("SELECT details FROM audit_event WHERE action = 'contact_changed'")
        assert "email, language" in str(session.execute(query).scalar_one())


NOT_TOLD_APART = "Shares a mailbox and a year of birth with"


def test_staff_see_whose_links_cannot_be_told_apart(alice: Desk) -> None:
    first = alice.enrol(study_id="K-001")
    second = alice.enrol(study_id="K-002", email="Hanako@example.org")

    assert f"{NOT_TOLD_APART} K-002: links cannot be told apart" in alice.page(first)
    assert f"{NOT_TOLD_APART} K-001: links cannot be told apart" in alice.page(second)


@pytest.mark.parametrize(
    "other",
    [
        {"birth_year": "1949"},
        {"email": "other@example.org"},
        {"email": ""},
        {"born_on": "1952-03-05"},
    ],
)
def test_staff_see_no_such_notice_where_links_can_be_told_apart(alice: Desk, other: dict[str, str]) -> None:
    alice.enrol(study_id="K-002", **other)

    assert NOT_TOLD_APART not in alice.page(alice.enrol(study_id="K-001", born_on="1952-03-04"))


def test_of_a_patient_of_another_hospital_the_notice_gives_no_study_id(alice: Desk) -> None:
    patient = alice.enrol()
    with alice.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        make_patient(session, now=alice.clock(), study_id="X-777", site_code="OTHER", email="hanako@example.org")

    page = alice.page(patient)

    assert (f"{NOT_TOLD_APART} a patient of another hospital" in page, "X-777" in page) == (True, False)


# Operations


@pytest.mark.parametrize(
    ("fields", "at", "reason"),
    [
        ({"state": "performed", "operated_on": "1950-01-01"}, "operated_on", "before the patient was born"),
        ({"state": "performed", "operated_on": "2026-11-21"}, "operated_on", "in the future"),
        ({"state": "performed"}, "operated_on", "Enter the day of the operation"),
        ({"state": "planned"}, "planned_on", "Enter the day for which"),
        ({"state": "planned", "planned_on": "2036-01-01"}, "planned_on", "months ahead"),
        ({"state": "planned", "planned_on": "12.06.26"}, "planned_on", "Enter a date such as"),
        (
            {"state": "planned", "planned_on": "2026-12-01", "operated_on": "2026-11-01"},
            "operated_on",
            "Only a performed",
        ),
    ],
)
def test_an_impossible_operation_is_refused_at_its_field(
    alice: Desk, fields: dict[str, str], at: str, reason: str
) -> None:
    patient = alice.enrol()

    response = alice.send(f"{patient}/operations/new", procedure="laminoplasty", **fields)

    page = response.get_data(as_text=True)
    assert (response.status_code, reason in (re.search(rf'id="{at}-error-1">([^<]*)', page) or [""])[0]) == (422, True)
    assert all(f'value="{value}"' in page for name, value in fields.items() if name.endswith("_on"))


def test_an_impossible_change_is_refused_at_its_field_too(alice: Desk) -> None:
    patient = alice.enrol()
    alice.send(f"{patient}/operations/new", procedure="laminoplasty", state="planned", planned_on="2026-12-01")
    edit = re.search(r"/patients/\w+/operations/\d+", alice.client.get(patient).get_data(as_text=True))
    assert edit is not None

    response = alice.send(edit.group(), procedure="laminoplasty", state="performed")

    page = response.get_data(as_text=True)
    assert (response.status_code, "Enter the day of the operation" in page) == (422, True)


def test_an_operation_moves_from_planned_to_performed_with_its_follow_ups(alice: Desk) -> None:
    patient = alice.enrol()
    alice.send(f"{patient}/operations/new", procedure="laminoplasty", state="planned", planned_on="2026-12-01")
    edit = re.search(r"/patients/\w+/operations/\d+", alice.client.get(patient).get_data(as_text=True))
    assert edit is not None

    alice.send(
        edit.group(), procedure="laminoplasty", state="performed", planned_on="2026-12-01", operated_on="2026-11-18"
    )

    assert "due 2027-11-18" in alice.client.get(patient).get_data(as_text=True)


def test_dates_may_be_typed_in_the_ways_of_the_country(alice: Desk) -> None:
    patient = alice.enrol(born_on="1952年6月12日")
    alice.send(f"{patient}/operations/new", procedure="laminoplasty", state="performed", operated_on="２０２６/11/2")

    page = alice.client.get(patient).get_data(as_text=True)

    assert ("1952-06-12" in page, "2026-11-02" in page) == (True, True)


# Classification, withdrawal, death, e-mails


def test_an_earlier_classification_is_kept_beside_the_new_one(alice: Desk) -> None:
    patient = alice.enrol()
    for group in ("without", "with"):
        alice.send(f"{patient}/classification", group_code=group, evidence="mri", assessed_by="Dr Alice")

    page = alice.client.get(f"{patient}/classification").get_data(as_text=True)

    assert re.search(r"Without lumbar disease \(mri, Dr Alice\), recorded 2026-11-20, replaced 2026-11-20", page)


@pytest.mark.parametrize(("page", "name"), [("withdrawal", "withdrawn_on"), ("death", "died_on")])
def test_an_end_lies_between_enrolment_and_today(alice: Desk, page: str, name: str) -> None:
    patient = alice.enrol()

    late = alice.send(f"{patient}/{page}", **{name: "2026-11-21"})
    taken = alice.send(f"{patient}/{page}", **{name: "2026-11-20"})

    assert (late.status_code, taken.status_code) == (422, 303)


def test_e_mails_stop_and_go_on_again(alice: Desk) -> None:
    patient = alice.enrol()
    alice.send(f"{patient}/emails/stop")
    stopped = "stopped 2026-11-20" in alice.client.get(patient).get_data(as_text=True)
    alice.send(f"{patient}/emails/resume")

    assert (stopped, "stopped 2026-11-20" in alice.client.get(patient).get_data(as_text=True)) == (True, False)


# Other hospitals


def test_a_patient_of_another_site_is_not_there(alice: Desk, database: Database, now: datetime) -> None:
    with database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        theirs: Patient = make_patient(session, now=now, study_id="THEIRS", site_code="OTHER")
        address = f"/patients/{theirs.public_id}"

    pages = [alice.client.get(f"{address}{page}").status_code for page in ("", "/operations/new", "/classification")]

    assert pages == [404, 404, 404]
    assert "THEIRS" not in alice.client.get("/patients").get_data(as_text=True)


def test_every_page_of_a_demonstration_says_that_it_is_one(alice: Desk) -> None:
    patient = alice.enrol()
    pages = [
        "/login",
        "/today",
        "/phone-queue",
        "/patients",
        "/patients/new",
        "/reports/cohort",
        "/export",
        "/demo/outbox",
        "/nowhere",
        patient,
    ]
    pages += [f"{patient}/{page}" for page in ("contact", "operations/new", "classification", "withdrawal", "death")]

    unmarked = [page for page in pages if not re.search("DEMO|デモ", alice.client.get(page).get_data(as_text=True))]

    assert unmarked == []


def test_a_real_registry_calls_no_page_a_demonstration(desk: Desk, settings: Settings) -> None:
    demo = settings.demo.model_copy(update={"enabled": False})
    real = create_app(settings.model_copy(update={"demo": demo}), clock=desk.clock)

    page = real.test_client().get("/login").get_data(as_text=True)

    real.extensions["registry"].database.dispose()
    assert "DEMO" not in page


# The list and the report


def test_the_list_finds_a_patient_by_the_beginning_of_the_study_id(alice: Desk) -> None:
    alice.enrol(study_id="K-001")
    alice.enrol(study_id="L-002")

    page = alice.client.get("/patients?study_id=L").get_data(as_text=True)

    assert ("L-002" in page, "K-001" in page) == (True, False)


def test_a_percent_sign_finds_itself_and_not_everybody(alice: Desk) -> None:
    alice.enrol()

    assert "No patients whose study ID begins with" in alice.client.get("/patients?study_id=%25").get_data(as_text=True)


def test_an_empty_registry_has_a_report_that_says_why_it_has_no_numbers(alice: Desk) -> None:
    response = alice.client.get("/reports/cohort")

    assert (response.status_code, "nobody has both scores" in response.get_data(as_text=True)) == (200, True)


@pytest.mark.parametrize(
    "asked", ["item=knee", "timepoint=M99", "timepoint=before", "grouping=shoe_size", "entry=many", "entry=101"]
)
def test_a_report_that_cannot_be_made_says_which_choice_is_wrong(alice: Desk, asked: str) -> None:
    response = alice.client.get(f"/reports/cohort?{asked}")

    name = asked.partition("=")[0]
    assert (response.status_code, f'id="{name}-error"' in response.get_data(as_text=True)) == (422, True)


def test_the_demo_outbox_is_there_in_demo_mode_only(desk: Desk, settings: Settings) -> None:
    demo = settings.demo.model_copy(update={"enabled": False})
    real = create_app(settings.model_copy(update={"demo": demo}), clock=desk.clock)

    statuses = desk.client.get("/demo/outbox").status_code, real.test_client().get("/demo/outbox").status_code

    real.extensions["registry"].database.dispose()
    assert statuses == (200, 404)


def test_a_working_registry_says_so(desk: Desk) -> None:
    assert desk.client.get("/healthz").json == {"status": "ok", "alarms": ["scheduler_silent"]}


def test_a_registry_whose_rows_are_gone_says_so(desk: Desk) -> None:
    with desk.database.transaction() as session:
        session.execute(text("ALTER TABLE site RENAME TO elsewhere"))

    assert desk.client.get("/healthz").status_code == 503


def test_birth_dates_stay_what_was_typed(alice: Desk) -> None:
    assert str(date(1952, 2, 29)) in alice.client.get(alice.enrol(born_on="1952-02-29")).get_data(as_text=True)
