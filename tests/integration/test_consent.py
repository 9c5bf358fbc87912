"""Taking part: asked before the first answer, by version, and a no is a no."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from registry.config import Settings
from registry.domain.study import ConsentRule
from registry.mail.transport import FolderTransport
from registry.security.keys import KeyRing
from registry.services.consent import words_for
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database
from tests.opened import Opened


def decisions(form: Opened) -> list[tuple[object, ...]]:
    with form.database.reading() as session:
        rows = session.execute(
            text("SELECT version, is_given, route, language, superseded_at IS NULL FROM consent ORDER BY id")
        )
        return [tuple(row) for row in rows]


def send(form: Opened, settings: Settings, keys: KeyRing) -> dict[str, int]:
    with FolderTransport(settings.mail.folder) as transport:
        return dict(send_due_reminders(Dispatch(form.database, settings, keys, transport, form.clock)))


# Being asked


def test_the_first_button_leads_to_the_question_whether_to_take_part(unasked: Opened) -> None:
    assert unasked.send("/start").headers["Location"] == f"{unasked.form_path}/consent"


@pytest.mark.parametrize("page", ["/q/1", "/q/6", "/regions", "/check"])
def test_no_page_of_the_way_through_opens_before_it_is_answered(unasked: Opened, page: str) -> None:
    response = unasked.client.get(f"{unasked.form_path}{page}")

    assert (response.status_code, response.headers["Location"]) == (303, f"{unasked.form_path}/consent")


def test_no_answer_is_stored_of_a_patient_who_was_never_asked(unasked: Opened) -> None:
    response = unasked.send("/q/1", vas_low_back="47")

    assert (response.headers["Location"], unasked.rows()["answer"]) == (f"{unasked.form_path}/consent", [])


@pytest.mark.parametrize("chosen", ["", "yes", "AGREE"])
def test_neither_choice_is_made_for_the_patient(unasked: Opened, chosen: str) -> None:
    response = unasked.decide(chosen)

    page = response.get_data(as_text=True)
    assert (response.status_code, decisions(unasked)) == (422, [])
    assert "Choose whether you agree" in page
    assert " checked" not in page


def test_agreeing_leads_to_the_first_question_and_is_kept_with_its_version(unasked: Opened) -> None:
    response = unasked.decide("agree")

    assert response.headers["Location"] == f"{unasked.form_path}/q/1"
    assert decisions(unasked) == [("v1", True, "form", "en", True)]


def test_the_words_that_were_shown_can_be_told_from_others_later(unasked: Opened, settings: Settings) -> None:
    unasked.decide("agree")

    shown = words_for(settings, settings.sites[0], "en").digest
    assert unasked.value("SELECT words_hash FROM consent") == shown
    assert shown != words_for(settings, settings.sites[0], "ja").digest


def test_who_has_agreed_is_not_asked_again(unasked: Opened) -> None:
    unasked.decide("agree")

    assert unasked.send("/start").headers["Location"] == f"{unasked.form_path}/q/1"


def test_who_agreed_at_the_hospital_is_not_asked(opened: Opened) -> None:
    assert opened.send("/start").headers["Location"] == f"{opened.form_path}/q/1"


def test_the_words_name_the_hospital_and_the_number_of_the_study_in_both_languages(unasked: Opened) -> None:
    english = unasked.page("/consent")
    unasked.send("/language", language="ja", next=f"{unasked.form_path}/consent")
    japanese = unasked.page("/consent")

    assert all(words in english for words in ("Demo Hospital", "DEMO-0000", "3, 6, 12 and 24 months"))
    assert all(words in japanese for words in ("見本病院", "DEMO-0000", "3・6・12・24か月後"))


def test_the_full_text_can_be_read_before_deciding(unasked: Opened) -> None:
    assert "If you change your mind" in unasked.page("/consent/text")


def test_words_that_changed_since_the_page_was_opened_are_agreed_to_by_nobody(unasked: Opened) -> None:
    response = unasked.send("/consent", consent="agree", words="0" * 64)

    assert (response.status_code, decisions(unasked)) == (422, [])
    assert "Please read it once more" in response.get_data(as_text=True)


# Saying no


def test_a_no_ends_politely_and_stops_every_mail(unasked: Opened, settings: Settings, keys: KeyRing) -> None:
    page = unasked.client.get(unasked.decide("disagree").headers["Location"]).get_data(as_text=True)

    assert "We will not e-mail you about this study again. Your care does not change." in page
    assert send(unasked, settings, keys) == {"skipped": 1}
    unasked.clock.instant += timedelta(days=14)
    assert send(unasked, settings, keys) == {"skipped": 2}


def test_mails_go_out_while_nobody_has_said_no(unasked: Opened, settings: Settings, keys: KeyRing) -> None:
    assert send(unasked, settings, keys) == {"accepted": 1}


def test_after_a_no_the_same_link_leads_back_to_the_choice(unasked: Opened, settings: Settings, keys: KeyRing) -> None:
    unasked.decide("disagree")
    send(unasked, settings, keys)
    assert "I have changed my mind" in unasked.follow().get_data(as_text=True)

    unasked.decide("agree")

    assert [decision[1] for decision in decisions(unasked)] == [False, True]
    assert unasked.send("/q/1", vas_low_back="47").status_code == 303
    unasked.clock.instant += timedelta(days=7)
    assert send(unasked, settings, keys)["accepted"] == 1


def test_no_answer_is_stored_after_a_no(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back="47")
    opened.decide("disagree")

    opened.send("/q/1", vas_low_back="12")
    opened.send("/regions", region="low_back")

    assert [row[4] for row in opened.rows()["answer"]] == [47]
    assert opened.rows()["body_marking"] == []


def test_saying_the_same_again_is_one_decision(unasked: Opened) -> None:
    for _ in range(2):
        unasked.decide("agree")

    assert len(decisions(unasked)) == 1


# Other words


@pytest.fixture
def under_new_words(opened: Opened, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Opened]:
    """The same form after the hospital has changed its words."""

    def change(*still_valid: str) -> Opened:
        rule = ConsentRule("v2", still_valid)
        study = type(settings.protocol)(**(vars(settings.protocol) | {"consent": rule}))
        monkeypatch.setattr(type(settings), "protocol", study)
        return opened

    return change


def test_new_words_are_asked_for_before_the_next_question(under_new_words: Callable[..., Opened]) -> None:
    form = under_new_words()

    assert form.send("/start").headers["Location"].endswith("/consent")


def test_new_words_may_leave_earlier_consents_valid(under_new_words: Callable[..., Opened]) -> None:
    form = under_new_words("v1")

    assert form.send("/start").headers["Location"].endswith("/q/1")


def test_what_was_typed_while_the_words_changed_is_saved_first(under_new_words: Callable[..., Opened]) -> None:
    form = under_new_words()

    response = form.send("/q/1", vas_low_back="47")

    assert [row[4] for row in form.rows()["answer"]] == [47]
    assert form.client.get(response.headers["Location"]).headers["Location"].endswith("/consent")


def test_without_a_version_nobody_is_asked(
    database: Database, settings: Settings, unasked: Opened, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    study = type(settings.protocol)(**(vars(settings.protocol) | {"consent": ConsentRule()}))
    monkeypatch.setattr(type(settings), "protocol", study)

    assert unasked.send("/start").headers["Location"].endswith("/q/1")
