"""The patient's pages: what a link opens, what it never changes, and what is said about input that cannot be taken."""

import re
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from sqlalchemy import event, text
from werkzeug.test import TestResponse

from registry.config import Settings
from registry.security.keys import KeyRing
from registry.services.links import Issuing, form_link, revoke_links
from registry.templating import environment
from registry.web.app import create_app
from tests.factories import BY, make_operation, make_patient
from tests.opened import OPERATED_ON, Opened

# What opens


def test_a_link_leads_to_an_address_without_its_token(opened: Opened) -> None:
    response = opened.client.get(opened.path)

    assert (response.status_code, opened.path.rpartition("/")[2] in response.headers["Location"]) == (303, False)


def test_a_form_is_not_shown_to_a_browser_that_did_not_come_by_its_link(opened: Opened) -> None:
    stranger = opened.client.application.test_client()

    assert stranger.get(opened.form_path).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_opening_a_link_by_any_method_but_post_changes_no_row(opened: Opened, method: str) -> None:
    before = opened.rows()

    for path in (opened.path, opened.stop_path, f"{opened.stop_path}/one-click", opened.form_path):
        for page in ("", "/q/1", "/q/6", "/check", "/done"):
            opened.client.open(f"{path}{page}", method=method, follow_redirects=method == "GET")

    assert opened.rows() == before


def test_the_comparison_of_rows_notices_an_answer(opened: Opened) -> None:
    before = opened.rows()

    opened.send("/q/1", vas_low_back="0")

    assert opened.rows() != before


@pytest.mark.parametrize(
    "spoil", [str.upper, lambda path: path + ".", lambda path: path[:-1], lambda path: "/s/" + "0" * 26]
)
def test_malformed_and_unknown_links_look_like_revoked_ones(opened: Opened, spoil: object) -> None:
    with opened.database.transaction() as session:
        revoke_links(session, patient_id=opened.patient_id, by=BY, now=opened.clock())
    token = opened.path.removeprefix("/s/")
    spoilt = "/s/" + spoil(opened.path).removeprefix("/S/").removeprefix("/s/")  # type: ignore[operator]

    revoked, other = opened.client.get(f"/s/{token}"), opened.client.get(spoilt)

    assert (revoked.status_code, other.status_code) == (404, 404)
    # The page names its own address; apart from that the two are the same.
    assert revoked.get_data(as_text=True).replace(token, "") == other.get_data(as_text=True).replace(spoilt[3:], "")


def test_a_closed_form_says_until_when_it_was_open(opened: Opened) -> None:
    opened.clock.instant = datetime(2027, 1, 4, 3, tzinfo=UTC)

    response = opened.follow()

    assert (response.status_code, "3 January" in response.get_data(as_text=True)) == (410, True)


def test_the_last_day_counts_by_the_sites_calendar(opened: Opened) -> None:
    opened.clock.instant = datetime(2027, 1, 3, 14, 59, tzinfo=UTC)
    last_minute = opened.follow().status_code
    opened.clock.instant = datetime(2027, 1, 3, 15, 0, tzinfo=UTC)

    assert (last_minute, opened.follow().status_code) == (200, 410)


# What is answered


def test_six_answers_are_saved_sent_and_shown_as_a_receipt(opened: Opened) -> None:
    opened.answer_everything()

    receipt = opened.client.get(opened.finish().headers["Location"]).get_data(as_text=True)

    assert "We have received your answers" in receipt


def test_zero_is_an_answer(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back="0")

    assert [row[4] for row in opened.rows()["answer"]] == [0]


def test_a_skipped_question_is_stored_as_skipped_and_not_as_zero(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back="", skip_low_back="yes")

    with opened.database.reading() as session:
        assert session.execute(text("SELECT score, is_skipped, mode FROM answer")).one() == (None, 1, None)


def test_a_field_that_says_two_things_says_nothing(opened: Opened) -> None:
    data = {"key": opened.key(), "vas_low_back": ["30", "70"]}

    response = opened.client.post(f"{opened.form_path}/q/1", data=data)

    assert (response.status_code, opened.rows()["answer"]) == (422, [])


def test_who_agrees_and_does_not_is_asked_again(unasked: Opened) -> None:
    shown = re.search(r'name="words" value="([^"]+)"', unasked.page("/consent"))
    assert shown is not None
    data = {"key": unasked.key(), "words": shown.group(1), "consent": ["agree", "disagree"]}

    response = unasked.client.post(f"{unasked.form_path}/consent", data=data)

    assert (response.status_code, unasked.rows()["consent"]) == (422, [])


def test_a_number_that_must_be_put_right_after_the_close_is_shown_again(opened: Opened) -> None:
    key = opened.key()
    opened.clock.instant = datetime(2027, 1, 10, 3, tzinfo=UTC)

    response = opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "45.5"})

    assert (response.status_code, 'value="45.5"' in response.get_data(as_text=True)) == (422, True)
    right = opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "45"})
    assert (right.status_code, [row[4] for row in opened.rows()["answer"]]) == (303, [45])


def test_a_number_beside_a_tick_at_skip_is_asked_about_and_both_are_kept(opened: Opened) -> None:
    response = opened.send("/q/1", vas_low_back="45", skip_low_back="yes")

    page = response.get_data(as_text=True)
    assert (response.status_code, opened.rows()["answer"]) == (422, [])
    assert "Either clear the number, or untick “Skip this question”" in page
    assert re.search(r'value="45"', page)
    assert re.search(r'name="skip_low_back"[^>]* checked', page)


@pytest.mark.parametrize("typed", ["", "101", "-1", "4.5", "abc", "４．５", "1e2", "0x10", "９９９", " "])
def test_what_is_no_score_is_refused_at_the_field_and_kept(opened: Opened, typed: str) -> None:
    response = opened.send("/q/1", vas_low_back=typed)

    page = response.get_data(as_text=True)
    assert (response.status_code, "There is a problem" in page, opened.rows()["answer"]) == (422, True, [])
    assert f'value="{typed}"' in page


@pytest.mark.parametrize(("typed", "score"), [("１００", 100), ("47 ", 47), ("　0", 0), ("007", 7)])
def test_full_width_digits_and_blanks_are_read(opened: Opened, typed: str, score: int) -> None:
    opened.send("/q/1", vas_low_back=typed)

    assert [row[4] for row in opened.rows()["answer"]] == [score]


def test_errors_are_in_the_patients_language(opened: Opened) -> None:
    opened.send("/language", language="ja", next=f"{opened.form_path}/q/1")

    page = opened.send("/q/1", vas_low_back="101").get_data(as_text=True)

    assert "0から100までの整数で入力してください" in page
    assert '<html lang="ja"' in page


def test_an_unfinished_form_cannot_be_sent(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back="47")

    response = opened.finish()

    assert response.headers["Location"].endswith("/q/2")


def test_sending_twice_keeps_the_first_receipt(opened: Opened) -> None:
    opened.answer_everything()
    opened.finish()
    first = opened.rows()["assessment"]
    opened.clock.instant += timedelta(minutes=5)

    opened.finish()

    assert opened.rows()["assessment"] == first


def test_a_correction_after_sending_says_that_it_is_recorded(opened: Opened) -> None:
    opened.answer_everything()
    before = opened.client.get(f"{opened.form_path}/check").get_data(as_text=True)
    opened.finish()

    after = opened.client.get(f"{opened.form_path}/check").get_data(as_text=True)

    assert ("have not been sent yet" in before, "have not been sent yet" in after) == (True, False)


def test_a_form_left_open_for_thirty_days_without_its_cookie_is_saved(opened: Opened) -> None:
    key = opened.key()
    opened.clock.instant += timedelta(days=30)
    other_browser = opened.client.application.test_client()

    response = other_browser.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "47"})

    assert (response.status_code, len(opened.rows()["answer"])) == (303, 1)
    assert other_browser.get(response.headers["Location"]).status_code == 200


def test_an_answer_without_the_signed_field_is_not_taken(opened: Opened) -> None:
    response = opened.client.post(f"{opened.form_path}/q/1", data={"vas_low_back": "47"})

    assert (response.status_code, opened.rows()["answer"]) == (404, [])


def test_the_signed_field_of_one_form_opens_no_other(opened: Opened, settings: Settings, keys: KeyRing) -> None:
    now = opened.clock()
    with opened.database.transaction() as session:
        other = make_patient(session, now=now)
        operation = make_operation(session, other, settings, now=now, today=now.date(), operated_on=OPERATED_ON)
        statement = "SELECT id FROM follow_up WHERE operation_id = :id AND timepoint = 'M3'"
        follow_up_id = session.execute(text(statement), {"id": operation.id}).scalar_one()
        link = form_link(Issuing(session, keys, BY, now), patient_id=other.id, follow_up_id=follow_up_id)
    theirs = opened.client.get(f"/s/{link.token}").headers["Location"]

    response = opened.client.post(f"{theirs}/q/1", data={"key": opened.key(), "vas_low_back": "47"})

    assert (response.status_code, opened.rows()["answer"]) == (404, [])


def test_odd_measures_of_the_page_never_cost_an_answer(opened: Opened) -> None:
    for meta in ("[" * 6000, "{", "[]", '{"line_px": "wide", "dpr": 1e99}', '{"n_changes": true}'):
        assert opened.send("/q/1", vas_low_back="47", meta_low_back=meta, mode_low_back="telepathy").status_code == 303

    with opened.database.reading() as session:
        assert session.execute(text("SELECT mode, line_px, pixel_ratio FROM answer")).one() == ("number", None, None)


@pytest.mark.parametrize("back", ["//evil.example", "/patients", "/form/../patients", "{form}/q/2\r\nX: y", "{form}x"])
def test_switching_the_language_stays_on_the_form(opened: Opened, back: str) -> None:
    response = opened.send("/language", language="ja", next=back.format(form=opened.form_path))

    assert (response.status_code, response.headers["Location"]) == (303, opened.form_path)


def test_an_unexpected_error_says_so_in_the_patients_language_and_logs_no_address(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened.send("/language", language="ja")
    key = opened.key()
    with opened.database.transaction() as session:
        session.execute(text("ALTER TABLE audit_event RENAME TO elsewhere"))

    response = opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "47"})

    page = response.get_data(as_text=True)
    assert (response.status_code, "ただいま処理できませんでした" in page, "06-0000-0000" in page) == (500, True, True)
    assert opened.form_path not in caplog.text.replace("form.answer", "")
    assert opened.path not in caplog.text


ENGLISH, JAPANESE = '<html lang="en">', '<html lang="ja">'


def refusals(opened: Opened, path: str, language: str) -> list[TestResponse]:
    """A method that no page takes, a page that is not there, and more than any form holds."""
    headers = {"Accept-Language": language}
    return [
        opened.client.put(path, headers=headers),
        opened.client.get(f"{path}/nowhere", headers=headers),
        opened.client.post(path if "preferences" in path else f"{path}/q/1", data="x" * 70_000, headers=headers),
    ]


@pytest.mark.parametrize("place", ["form", "preferences"])
def test_a_refusal_is_in_the_language_chosen_on_the_pages_it_belongs_to(opened: Opened, place: str) -> None:
    path = opened.form_path if place == "form" else opened.client.get(opened.stop_path).headers["Location"]
    page = opened.client.get(path).get_data(as_text=True)
    key = page.split('name="key" value="', 1)[1].split('"', 1)[0]
    opened.client.post(f"{path}/language", data={"key": key, "language": "ja"})
    taken: list[object] = []
    event.listen(
        opened.client.application.extensions["registry"].database.engine, "checkout", lambda *found: taken.append(found)
    )

    found = refusals(opened, path, "en")

    assert [response.status_code for response in found[:2]] == [405, 404]
    assert [JAPANESE in response.get_data(as_text=True) for response in found] == [True] * 3
    # The page must come even where there is no database.
    assert taken == []


def test_a_refusal_is_in_the_browsers_language_where_none_was_chosen(opened: Opened) -> None:
    found = refusals(opened, opened.form_path, "ja") + refusals(opened, "/preferences/nobody", "ja")

    assert [JAPANESE in response.get_data(as_text=True) for response in found] == [True] * 6


@pytest.mark.parametrize("value", ["", "ja", "x" * 3000, "WyJhIiwiamEiXQ.AAAA.BBBB", "é\ud83d"])
def test_a_forged_cookie_chooses_no_language_and_breaks_no_page(opened: Opened, value: str) -> None:
    public_id = opened.form_path.rpartition("/")[2]
    for kind in ("form", "preferences"):
        opened.client.set_cookie(f"{kind}-{public_id}", value.encode(errors="replace").decode())

    found = refusals(opened, opened.form_path, "en") + refusals(opened, f"/preferences/{public_id}", "en")

    assert [response.status_code for response in found] == [405, 404, 413, 405, 404, 413]
    assert [ENGLISH in response.get_data(as_text=True) for response in found] == [True] * 6


# What pages carry


def test_patient_pages_leak_nothing(opened: Opened) -> None:
    headers = opened.follow().headers

    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_an_oversized_form_is_refused(opened: Opened) -> None:
    response = opened.send("/q/1", vas_low_back="4" * 70_000)

    assert response.status_code == 413


def test_a_strange_host_is_refused(opened: Opened) -> None:
    assert opened.client.get(opened.path, headers={"Host": "evil.example"}).status_code == 400


def test_cookies_are_secure_and_host_bound_where_the_registry_is_served_by_https(
    settings: Settings, opened: Opened
) -> None:
    web = settings.web.model_copy(update={"base_url": "https://followup.example-hospital.jp"})
    secure = create_app(settings.model_copy(update={"web": web}), clock=opened.clock).test_client()

    cookie = secure.get(opened.path, base_url="https://followup.example-hospital.jp").headers["Set-Cookie"]

    assert re.match(r"__Host-form-\w+=", cookie)
    assert all(flag in cookie for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    secure.application.extensions["registry"].database.dispose()


# What a form says of what was given before


def test_whoever_corrects_a_form_says_anew_who_they_are(opened: Opened) -> None:
    opened.answer_everything()
    opened.finish()

    again = opened.send("/check")

    assert "checked" not in opened.page("/check")
    assert (again.status_code, opened.value("SELECT respondent FROM assessment")) == (422, "self")


def test_regions_of_an_earlier_day_of_the_operation_are_not_ticked_beforehand(opened: Opened) -> None:
    opened.send("/regions", region="low_back")
    with opened.database.transaction() as session:
        session.execute(text("UPDATE body_marking SET answered_on = '2026-06-01'"))

    gone_on = opened.send("/regions")

    assert "checked" not in opened.page("/regions")
    assert (gone_on.status_code, "Not answered" in opened.page("/check")) == (303, True)


def test_a_link_for_late_answers_offers_no_change_of_what_was_given_in_time(opened: Opened) -> None:
    opened.answer_everything()
    opened.send("/regions", region="low_back")
    in_time = opened.page("/check").count(">Change<")
    with opened.database.transaction() as session:
        session.execute(text("UPDATE access_link SET late_until = '2027-01-31'"))
    opened.clock.instant = datetime(2027, 1, 4, 3, tzinfo=UTC)

    late = opened.page("/check")
    opened.finish()

    assert (in_time, late.count(">Change<"), "Send my answers" in late) == (7, 0, True)
    assert "correct your answers" not in opened.page("/done").lower()


def test_the_language_of_an_answer_is_that_of_the_page_it_was_read_on(opened: Opened) -> None:
    page = opened.page("/q/1")
    opened.send("/language", language="ja")

    read_in = re.search(r'name="read_in" value="([^"]+)"', page)
    assert read_in is not None
    opened.send("/q/1", vas_low_back="47", read_in=read_in.group(1))
    opened.send("/q/2", vas_leg_pain="12", read_in="klingon")

    with opened.database.reading() as session:
        assert list(session.execute(text("SELECT language FROM answer ORDER BY id")).scalars()) == ["en", "ja"]


def test_the_error_of_the_regions_leads_to_the_first_of_them(opened: Opened) -> None:
    opened.send("/regions", region="low_back")

    page = opened.send("/regions").get_data(as_text=True)

    target = re.search(r'<a href="#([^"]+)">', page)
    assert target is not None
    assert f'id="{target.group(1)}"' in page


def test_what_was_typed_and_refused_is_not_kept_in_memory(opened: Opened) -> None:
    kept = environment("en").globals["kept"]
    before = kept.cache_info().currsize

    for number in range(5):
        assert opened.send("/q/1", vas_low_back=f"{number} is not a score").status_code == 422

    assert kept.cache_info().currsize <= before + 1  # the foot of the page, which is the same each time


def test_the_calendar_is_not_told_what_it_is_about(opened: Opened) -> None:
    opened.answer_everything()
    opened.finish()

    written = opened.client.get(f"{opened.form_path}/next.ics").get_data(as_text=True).lower()

    assert "begin:vevent" in written
    assert [word for word in ("pain", "registry", "study", "vas") if word in written] == []


# What a network, a clock or a keyboard does to an answer


# It says that the body ends by itself, and then nobody compares its length.
AS_GUNICORN = {"wsgi.input_terminated": True}


@pytest.mark.parametrize(
    ("path", "sent", "cut"),
    [("/q/1", "vas_low_back=100", 1), ("/q/1", "vas_low_back=85", 1), ("/regions", "region=low_back&region=neck", 12)],
)
def test_a_body_that_was_cut_off_on_its_way_is_no_answer(opened: Opened, path: str, sent: str, cut: int) -> None:
    body = f"key={opened.key()}&{sent}".encode()
    before = opened.rows()

    response = opened.client.post(
        f"{opened.form_path}{path}",
        input_stream=BytesIO(body[:-cut]),
        content_type="application/x-www-form-urlencoded",
        environ_overrides=AS_GUNICORN | {"CONTENT_LENGTH": str(len(body))},
    )

    assert (response.status_code, opened.rows()) == (400, before)


def test_a_whole_body_is_an_answer(opened: Opened) -> None:
    body = f"key={opened.key()}&vas_low_back=100".encode()

    opened.client.post(
        f"{opened.form_path}/q/1",
        input_stream=BytesIO(body),
        content_type="application/x-www-form-urlencoded",
        environ_overrides=AS_GUNICORN,
    )

    assert opened.value("SELECT score FROM answer") == 100


def test_an_answer_given_after_a_clock_was_put_right_stands(opened: Opened) -> None:
    right = opened.clock.instant
    opened.clock.instant = right + timedelta(days=2)
    opened.send("/q/1", vas_low_back="80")
    opened.clock.instant = right

    opened.send("/q/1", vas_low_back="20")

    assert opened.value("SELECT score FROM answer WHERE superseded_at IS NULL") == 20


@pytest.mark.parametrize("typed", ["5²", "²³", "㊿", "①", "٤٧", "4 7", "+47"])
def test_what_only_looks_like_a_number_is_asked_for_again(opened: Opened, typed: str) -> None:
    assert opened.send("/q/1", vas_low_back=typed).status_code == 422


def test_full_width_digits_are_a_number(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back=" ４７ ")

    assert opened.value("SELECT score FROM answer") == 47
