"""The tablet: once handed over, it shows one form and nothing of the staff, of anybody else, or later."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from registry.config import Settings
from registry.storage.database import Database
from registry.web.staff import tablet
from tests.desk import ITEMS, AtDesk, Desk, at_desk
from tests.live import SetClock


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


@dataclass(frozen=True)
class Left:
    """A tablet with a question on its screen, long after the sitting was over."""

    desk: Desk
    patient: AtDesk
    form: str
    fields: dict[str, str]

    @property
    def client(self) -> FlaskClient:
        """The browser of the tablet."""
        return self.desk.client

    def go_on(self, path: str, birth_year: str) -> TestResponse:
        """Say when one was born, on the page that holds what was typed."""
        fields = {**self.fields, "goes_to": self.form + path, "birth_year": birth_year}
        return self.client.post(f"{self.form}/go-on", data=fields)


def hand_over(desk: Desk, patient: AtDesk) -> str:
    """Begin a sitting, and give the address of its form."""
    response = desk.send(f"{patient.form_path}/tablet")
    assert response.status_code == 303, response.get_data(as_text=True)
    return response.headers["Location"]


def send(desk: Desk, form: str, path: str, **fields: str) -> TestResponse:
    key = re.search(r'name="key" value="([^"]+)"', desk.client.get(form, follow_redirects=True).get_data(as_text=True))
    assert key is not None
    return desk.client.post(f"{form}{path}", data={"key": key.group(1), **fields})


def test_the_page_before_says_what_will_happen(alice: Desk) -> None:
    page = alice.page(f"{alice.patient().form_path}/tablet")

    assert ("You will be signed out" in page, "Hand the device over" in page) == (True, True)


def test_the_form_opens_in_the_language_of_the_patient(alice: Desk) -> None:
    form = hand_over(alice, alice.patient(language="ja"))

    response = alice.client.get(form)

    assert (response.status_code, 'lang="ja"' in response.get_data(as_text=True)) == (200, True)


def test_no_page_of_the_staff_opens_afterwards(alice: Desk) -> None:
    patient = alice.patient()
    hand_over(alice, patient)

    pages = ["/today", "/patients", patient.path, f"{patient.form_path}/paper", "/phone-queue", "/answers-to-review"]
    pages += ["/plan", "/export", f"{patient.path}/ledger"]
    pages += ["/reports/cohort", "/patients/new", f"{patient.form_path}/tablet", f"{patient.form_path}/paper.pdf"]
    pages += ["/mails/failed", "/mails/templates", "/mails/templates/reminder/en/html", "/mails/1", "/mails/1/html"]
    responses = [alice.client.get(page) for page in pages]

    assert {response.status_code for response in responses} == {303}
    assert all(response.headers["Location"].startswith("/login") for response in responses)
    assert alice.client.get_cookie("staff") is None


def test_a_copy_of_the_session_opens_nothing_either(alice: Desk) -> None:
    cookie = alice.client.get_cookie("staff")
    assert cookie is not None
    hand_over(alice, alice.patient())
    thief = alice.client.application.test_client()
    thief.set_cookie("staff", cookie.value)

    assert thief.get("/patients").status_code == 303


def test_no_page_is_kept_by_the_browser_for_going_back(alice: Desk) -> None:
    patient = alice.patient()
    pages = [alice.client.get(page) for page in ("/patients", patient.path, f"{patient.form_path}/tablet")]
    form = hand_over(alice, patient)

    pages += [alice.client.get(form), alice.client.get(f"{form}/q/1")]

    assert {page.headers["Cache-Control"] for page in pages} == {"no-store"}


def test_the_form_is_gone_once_it_is_finished(alice: Desk) -> None:
    patient = alice.patient()
    form = hand_over(alice, patient)
    for number, item in enumerate(ITEMS, start=1):
        assert send(alice, form, f"/q/{number}", **{f"vas_{item}": "47"}).status_code == 303
    send(alice, form, "/check", respondent="self")
    assert alice.client.get(f"{form}/done").status_code == 200

    alice.client.post(f"{form}/finish")

    assert [alice.client.get(f"{form}{page}").status_code for page in ("", "/q/1", "/check", "/done")] == [404] * 4
    assert len(patient.answers()) == 6


def test_the_receipt_on_the_tablet_names_the_next_time_and_offers_no_file(alice: Desk) -> None:
    form = hand_over(alice, alice.patient(email=None))
    for number, item in enumerate(ITEMS, start=1):
        send(alice, form, f"/q/{number}", **{f"vas_{item}": "47"})
    send(alice, form, "/check", respondent="self")

    page = alice.page(f"{form}/done")

    told = ["due around February 2027. We do not e-mail you about it", "hand back the tablet"]
    assert [words for words in (*told, "calendar") if words in page] == told


def test_a_sitting_that_was_left_open_ends_by_itself(alice: Desk) -> None:
    form = hand_over(alice, alice.patient())
    assert isinstance(alice.clock, SetClock)
    alice.clock.instant += timedelta(hours=2, minutes=1)

    assert alice.client.get(form).status_code == 404


def second_sitting(desk: Desk) -> str:
    """The first form, left open, after somebody else's sitting has begun."""
    first = hand_over(desk, desk.patient())
    desk.sign_in()
    hand_over(desk, desk.patient())
    return first


def test_the_next_patient_does_not_see_the_form_of_the_one_before(alice: Desk) -> None:
    assert alice.client.get(second_sitting(alice)).status_code == 404


def test_it_is_the_taking_of_passes_that_hides_it(alice: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tablet.passes, "take_all", lambda response: response)

    assert alice.client.get(second_sitting(alice)).status_code == 200


def test_looking_at_the_page_before_changes_nothing(alice: Desk) -> None:
    patient = alice.patient()

    alice.page(f"{patient.form_path}/tablet")

    assert alice.client.get("/patients").status_code == 200


def test_a_form_that_is_not_open_is_not_handed_over(alice: Desk, now: datetime) -> None:
    patient = alice.patient()
    alice.clock.instant = now + timedelta(days=60)
    alice.sign_in()

    response = alice.send(f"{patient.form_path}/tablet")

    assert (response.status_code, alice.client.get("/patients").status_code) == (422, 200)


def test_a_sitting_lasts_as_long_as_somebody_answers(alice: Desk) -> None:
    patient = alice.patient()
    form = hand_over(alice, patient)
    assert isinstance(alice.clock, SetClock)
    for number, item in enumerate(ITEMS[:3], start=1):
        alice.clock.instant += timedelta(minutes=90)
        assert send(alice, form, f"/q/{number}", **{f"vas_{item}": "47"}).status_code == 303

    assert len(patient.answers()) == 3


def test_no_paper_is_had_at_the_tablet(alice: Desk) -> None:
    assert alice.client.get(f"{hand_over(alice, alice.patient())}/paper.pdf").status_code == 404


def key_of(desk: Desk, form: str) -> str:
    key = re.search(r'name="key" value="([^"]+)"', desk.client.get(form).get_data(as_text=True))
    assert key is not None
    return key.group(1)


def test_a_page_left_on_the_screen_opens_and_saves_nothing_after_finish(alice: Desk) -> None:
    patient = alice.patient()
    form = hand_over(alice, patient)
    key = key_of(alice, form)
    send(alice, form, "/finish")

    response = alice.client.post(f"{form}/q/1", data={"key": key, "vas_low_back": "47"})

    assert (response.status_code, patient.answers()) == (404, {})
    assert alice.client.get(f"{form}/check").status_code == 404


@pytest.fixture
def left(alice: Desk) -> Left:
    """A question that was left on the screen for more than two hours, and then sent."""
    patient = alice.patient()
    form = hand_over(alice, patient)
    key = key_of(alice, form)
    assert isinstance(alice.clock, SetClock)
    alice.clock.instant += timedelta(days=1)
    return Left(alice, patient, form, {"key": key, "vas_low_back": "47", "mode_low_back": "touch", "read_in": "en"})


def test_what_comes_from_a_tablet_that_was_left_is_kept_in_the_page_until_it_is_known_whose_it_is(left: Left) -> None:
    response = left.client.post(f"{left.form}/q/1", data=left.fields)

    page = response.get_data(as_text=True)
    kept = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))
    assert (response.status_code, left.patient.answers()) == (403, {})
    assert kept == {**left.fields, "goes_to": f"{left.form}/q/1"}
    assert left.client.get(f"{left.form}/q/1").status_code == 404


@pytest.mark.parametrize(("path", "number"), [("/q/1", 2), ("/q/1?back=check", None)])
def test_the_right_year_saves_what_was_typed_and_goes_on(left: Left, path: str, number: int | None) -> None:
    again = left.go_on(path, "1952")

    # The browser sends the same fields once more, which a 307 asks it to.
    assert (again.status_code, again.headers["Location"]) == (307, left.form + path)
    saved = left.client.post(again.headers["Location"], data=left.fields)

    assert (saved.status_code, left.patient.answers()["low_back"].score) == (303, 47)
    assert saved.headers["Location"] == left.form + (f"/q/{number}" if number else "/check")
    assert left.client.get(f"{left.form}/q/2").status_code == 200


@pytest.mark.parametrize("typed", ["1951", "", "52"])
def test_another_year_opens_and_saves_nothing_and_keeps_what_was_typed(left: Left, typed: str) -> None:
    response = left.go_on("/q/1", typed)

    page = response.get_data(as_text=True)
    assert (response.status_code, left.patient.answers()) == (422, {})
    assert ('name="vas_low_back" value="47"' in page, f'value="{typed}"' in page) == (True, True)
    assert left.client.get(f"{left.form}/q/1").status_code == 404


def test_after_a_few_wrong_years_even_the_right_one_has_to_wait(left: Left) -> None:
    for _ in range(5):
        left.go_on("/q/1", "1951")

    response = left.go_on("/q/1", "1952")

    assert response.status_code == 422
    assert "not right several times" in response.get_data(as_text=True)


@pytest.mark.parametrize("goes_to", ["https://example.org/", "//example.org/q/1", "/patients", "/form/{}/finish", ""])
def test_what_was_typed_is_sent_to_no_other_page(left: Left, goes_to: str) -> None:
    fields = left.fields | {"goes_to": goes_to.format(left.form.rpartition("/")[2]), "birth_year": "1952"}

    assert left.client.post(f"{left.form}/go-on", data=fields).status_code == 404


def test_who_has_no_page_of_the_form_is_not_asked(left: Left) -> None:
    fields = {**left.fields, "key": "x", "goes_to": f"{left.form}/q/1", "birth_year": "1952"}

    assert left.client.post(f"{left.form}/go-on", data=fields).status_code == 404
    assert left.client.post(f"{left.form}/q/1", data=fields).status_code == 404


def test_a_copy_of_the_pass_opens_and_saves_nothing_once_the_sitting_is_finished(alice: Desk) -> None:
    patient = alice.patient()
    form = hand_over(alice, patient)
    name = f"form-{form.rpartition('/')[2]}"
    cookie = alice.client.get_cookie(name)
    key = re.search(r'name="key" value="([^"]+)"', alice.client.get(form).get_data(as_text=True))
    assert cookie is not None
    assert key is not None
    thief = alice.client.application.test_client()
    thief.set_cookie(name, cookie.value)
    assert thief.get(form).status_code == 200

    send(alice, form, "/finish")

    saved = thief.post(f"{form}/q/1", data={"key": key.group(1), "vas_low_back": "47"})
    assert (thief.get(form).status_code, saved.status_code, patient.answers()) == (404, 404, {})


def test_a_second_tap_on_finish_says_the_same(alice: Desk) -> None:
    form = hand_over(alice, alice.patient())
    name = f"form-{form.rpartition('/')[2]}"
    cookie = alice.client.get_cookie(name)
    assert cookie is not None
    first = alice.client.post(f"{form}/finish?site=DEMO")
    alice.client.set_cookie(name, cookie.value)

    second = alice.client.post(f"{form}/finish?site=DEMO")

    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["Location"] == second.headers["Location"]
    assert "handed-back" in second.headers["Location"]
    assert "tablet" in alice.client.get(second.headers["Location"]).get_data(as_text=True)


def test_finish_long_after_the_last_answer_ends_the_sitting_all_the_same(left: Left) -> None:
    done = left.client.post(f"{left.form}/finish", data=left.fields)

    assert "handed-back" in done.headers["Location"]
    assert left.go_on("/q/1", "1952").status_code == 404
    assert (left.client.post(f"{left.form}/q/1", data=left.fields).status_code, left.patient.answers()) == (404, {})


@pytest.mark.parametrize("ends", [False, True])
def test_a_page_that_was_left_undoes_nothing_of_a_later_sitting(left: Left, ends: bool) -> None:
    left.desk.sign_in()
    later = hand_over(left.desk, left.patient)
    send(left.desk, later, "/q/1", vas_low_back="30")
    if ends:
        send(left.desk, later, "/finish")

    assert left.client.post(f"{left.form}/q/1", data=left.fields).status_code == 404
    assert left.go_on("/q/1", "1952").status_code == 404
    assert left.patient.answers()["low_back"].score == 30


def test_opening_the_page_of_a_wrong_year_anew_is_no_dead_end(left: Left) -> None:
    opened = left.client.get(f"{left.form}/go-on")

    assert (opened.status_code, opened.headers["Location"]) == (303, left.form)
