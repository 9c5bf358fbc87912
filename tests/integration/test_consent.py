"""Taking part: asked before the first answer, by version, and a no is a no."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from registry.config import Settings
from registry.domain.study import ConsentRule
from registry.domain.vocabularies import ConsentRoute, StaffRole
from registry.mail.transport import FolderTransport
from registry.security.keys import KeyRing
from registry.services.accounts import add_staff
from registry.services.consent import Decision, decide, words_for
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database
from registry.storage.enrolments import site_id_of
from registry.storage.models import Enrolment, Site
from tests.desk import ITEMS, PASSWORD, Desk, call
from tests.factories import BY
from tests.integration.test_review import judge_form
from tests.opened import Opened

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


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


# Decisions that may come from a program


DOUBTFUL = "SELECT suspicion FROM consent WHERE superseded_at IS NULL"


def mailed(form: Opened, settings: Settings, keys: KeyRing, *, seconds: int = 20) -> Opened:
    """The form some seconds after a mail with its link went out."""
    assert send(form, settings, keys) == {"accepted": 1}
    form.clock.instant += timedelta(seconds=seconds)
    return form


def staff_of(form: Opened, settings: Settings) -> Desk:
    """A member of staff at the same registry, at the same moment."""
    with form.database.transaction() as session:
        add_staff(
            session,
            site_id=site_id_of(session, code="DEMO") or 0,
            sign_in_name="alice",
            display_name="Dr Alice",
            password=PASSWORD,
            role=StaffRole.CLINICIAN,
            by=BY,
            now=form.clock(),
        )
    desk = Desk(form.client.application.test_client(), form.clock, form.database, settings)
    desk.sign_in()
    return desk


def judge(form: Opened, desk: Desk, verdict: str) -> str:
    """What the page says after a verdict on the newest decision."""
    consent_id = form.value("SELECT max(id) FROM consent")
    assert desk.send(f"/answers-to-review/decisions/{consent_id}/{verdict}").status_code == 303
    return desk.page("/answers-to-review")


def test_a_decision_right_after_the_mail_is_for_staff_to_look_at(
    unasked: Opened, settings: Settings, keys: KeyRing
) -> None:
    mailed(unasked, settings, keys).decide("disagree")
    desk = staff_of(unasked, settings)

    page = desk.page("/answers-to-review")

    assert [words for words in ("1 decision ", "did not agree to take part", "right after the mail") if words in page]
    assert 'aria-current="true">Answers to review <span class="count">1<' in page
    assert unasked.value("SELECT count(*) FROM audit_event WHERE action = 'consent_suspected'") == 1


@pytest.mark.parametrize("seconds", [60, 3600])
def test_a_decision_taken_at_leisure_is_nobodys_doubt(
    unasked: Opened, settings: Settings, keys: KeyRing, seconds: int
) -> None:
    mailed(unasked, settings, keys, seconds=seconds).decide("disagree")

    assert unasked.value(DOUBTFUL) is None


def test_a_refusal_that_is_set_aside_counts_no_more_and_mails_go_on(
    unasked: Opened, settings: Settings, keys: KeyRing
) -> None:
    mailed(unasked, settings, keys).decide("disagree")
    unasked.clock.instant += timedelta(days=14)
    assert send(unasked, settings, keys) == {"skipped": 2}
    unasked.clock.instant -= timedelta(days=7)

    said = judge(unasked, staff_of(unasked, settings), "set-aside")

    kept = unasked.value("SELECT count(*) FROM consent WHERE set_aside_at IS NOT NULL AND superseded_at IS NOT NULL")
    assert ("The decision is set aside" in said, kept, unasked.value("SELECT refused_on FROM enrolment")) == (
        True,
        1,
        None,
    )
    assert unasked.send("/start").headers["Location"].endswith("/consent")
    unasked.clock.instant += timedelta(days=7)
    assert send(unasked, settings, keys) == {"accepted": 1}


def test_a_confirmed_refusal_stays(unasked: Opened, settings: Settings, keys: KeyRing) -> None:
    mailed(unasked, settings, keys).decide("disagree")
    desk = staff_of(unasked, settings)

    said = judge(unasked, desk, "confirm")

    assert ("confirmed as the patient" in said, "No answers wait for you" in said) == (True, True)
    assert "Somebody else has already looked at this decision." in judge(unasked, desk, "set-aside")
    assert unasked.value("SELECT count(*) FROM enrolment WHERE refused_on IS NOT NULL") == 1
    actions = "SELECT count(*) FROM audit_event WHERE action IN ('consent_confirmed', 'consent_set_aside')"
    assert unasked.value(actions) == 1


def test_what_the_patient_had_decided_before_stands_again(opened: Opened, settings: Settings, keys: KeyRing) -> None:
    mailed(opened, settings, keys).decide("disagree")

    judge(opened, staff_of(opened, settings), "set-aside")

    assert decisions(opened) == [("v1", True, "hospital", "en", True), ("v1", False, "form", "en", False)]
    assert opened.value("SELECT refused_on FROM enrolment") is None


def test_the_same_decision_at_leisure_is_one_that_no_staff_need_to_look_at(
    unasked: Opened, settings: Settings, keys: KeyRing
) -> None:
    mailed(unasked, settings, keys).decide("disagree")
    unasked.clock.instant += timedelta(minutes=5)

    unasked.decide("disagree")

    assert (len(decisions(unasked)), unasked.value(DOUBTFUL)) == (2, None)


@pytest.mark.parametrize(("pause", "stands"), [(1, 0), (90, 1)])
def test_a_decision_goes_with_the_answers_it_was_taken_with(
    unasked: Opened, settings: Settings, keys: KeyRing, pause: int, stands: int
) -> None:
    mailed(unasked, settings, keys, seconds=600).decide("agree")
    unasked.clock.instant += timedelta(seconds=pause)
    for number, item in enumerate(("low_back", "leg_pain", "leg_numb"), start=1):
        unasked.clock.instant += timedelta(milliseconds=500)
        unasked.send(f"/q/{number}", **{f"vas_{item}": "47"})
    assert (unasked.value(DOUBTFUL), unasked.value("SELECT suspicion FROM assessment")) == (None, "too_fast")

    assessment_id = unasked.value("SELECT id FROM assessment")
    judge_form(staff_of(unasked, settings), assessment_id, "set-aside")

    assert unasked.value("SELECT count(*) FROM consent WHERE superseded_at IS NULL") == stands
    assert unasked.send("/start").headers["Location"].endswith("/consent") == (stands == 0)


def hurried(form: Opened, *numbers: int, score: str = "47") -> None:
    """Questions answered one after the other as no patient can."""
    for number in numbers:
        form.clock.instant += timedelta(milliseconds=500)
        assert form.send(f"/q/{number}", **{f"vas_{ITEMS[number - 1]}": score}).status_code == 303


def set_aside(form: Opened, settings: Settings) -> None:
    judge_form(staff_of(form, settings), form.value("SELECT id FROM assessment"), "set-aside")


def test_a_refusal_right_after_the_answers_goes_with_them(opened: Opened, settings: Settings) -> None:
    hurried(opened, 1, 2, 3)
    opened.clock.instant += timedelta(seconds=1)
    opened.decide("disagree")

    set_aside(opened, settings)

    assert [decision[1:3] + decision[-1:] for decision in decisions(opened)] == [
        (True, "hospital", True),
        (False, "form", False),
    ]
    assert opened.value("SELECT refused_on FROM enrolment") is None


@pytest.mark.parametrize(("pause", "verdict", "n_confirmed"), [(1, "", 0), (90, "", 1), (1, "confirmed", 1)])
def test_what_staff_enter_confirms_no_decision_of_the_visit(
    unasked: Opened, settings: Settings, pause: int, verdict: str, n_confirmed: int
) -> None:
    unasked.decide("agree")
    unasked.clock.instant += timedelta(seconds=pause)
    hurried(unasked, 1, 2, 3)
    unasked.clock.instant += timedelta(hours=1)
    if verdict:
        with unasked.database.transaction() as session:
            session.execute(text("UPDATE consent SET confirmed_at = recorded_at"))
    patient, follow_up = (
        unasked.value(f"SELECT {key}") for key in ("public_id FROM patient", "follow_up_id FROM consent")
    )

    staff_of(unasked, settings).send(f"/patients/{patient}/follow-ups/{follow_up}/phone", **call())

    assert unasked.value("SELECT count(*) FROM answer WHERE mode = 'phone'") == 6
    assert unasked.value("SELECT count(*) FROM assessment WHERE confirmed_at IS NOT NULL") == n_confirmed


def test_a_decision_of_another_visit_stays_when_answers_are_set_aside(unasked: Opened, settings: Settings) -> None:
    unasked.decide("agree")
    unasked.clock.instant += timedelta(seconds=20)
    unasked.send("/q/1", vas_low_back="47")
    unasked.clock.instant += timedelta(days=1)
    hurried(unasked, 2, 3, 4)
    assert unasked.value("SELECT suspicion FROM assessment") == "too_fast"

    set_aside(unasked, settings)

    assert [decision[-1] for decision in decisions(unasked)] == [True]
    assert unasked.value("SELECT count(*) FROM answer WHERE superseded_at IS NULL") == 1


def test_a_page_left_open_saves_nothing_after_the_decision_was_set_aside(unasked: Opened, settings: Settings) -> None:
    unasked.decide("agree")
    hurried(unasked, 1, 2, 3)
    key = unasked.key()
    set_aside(unasked, settings)
    kept = unasked.value("SELECT count(*) FROM answer")

    responses = [
        unasked.client.post(f"{unasked.form_path}{page}", data={"key": key, **fields})
        for page, fields in (("/q/4", {"vas_neck": "47"}), ("/regions", {"region": "low_back"}))
    ]

    told = {(response.status_code, response.headers["Location"]) for response in responses}
    assert told == {(303, f"{unasked.form_path}/consent")}
    assert (unasked.value("SELECT count(*) FROM answer"), unasked.rows()["body_marking"]) == (kept, [])


@on_postgresql
def test_a_yes_beside_a_no_of_the_same_moment_takes_back_what_the_no_had_ended(
    unasked: Opened, settings: Settings
) -> None:
    patient_id, now = unasked.value("SELECT id FROM patient"), unasked.clock()
    assert isinstance(patient_id, int)
    no = Decision(version="v1", is_given=False, route=ConsentRoute.FORM, language="en", decided_on=now.date())
    whose = {"patient_id": patient_id, "study": settings.protocol, "today": now.date(), "by": BY, "now": now}

    with unasked.database.transaction() as session:
        seen = session.get_one(Enrolment, patient_id)
        with unasked.database.transaction() as elsewhere:
            decide(elsewhere, decision=no, **whose)  # type: ignore[arg-type]
            elsewhere.execute(text("UPDATE reminder SET state = 'skipped', skip_reason = 'withdrawn'"))
        assert seen.refused_on is None
        decide(session, decision=replace(no, is_given=True), **whose)  # type: ignore[arg-type]

    assert [decision[1::3] for decision in decisions(unasked)] == [(False, False), (True, True)]
    assert unasked.value("SELECT refused_on FROM enrolment") is None
    of_form = "SELECT count(*) FROM reminder JOIN follow_up ON follow_up.id = follow_up_id WHERE timepoint = 'M3'"
    assert unasked.value(f"{of_form} AND state = 'skipped'") == 0


def test_another_sites_decision_is_not_there(unasked: Opened, settings: Settings, keys: KeyRing) -> None:
    mailed(unasked, settings, keys).decide("disagree")
    desk = staff_of(unasked, settings)
    with unasked.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        session.execute(text("UPDATE patient SET site_id = (SELECT id FROM site WHERE code = 'OTHER')"))
    consent_id = unasked.value("SELECT id FROM consent")

    found = [desk.send(f"/answers-to-review/decisions/{consent_id}/{one}") for one in ("confirm", "set-aside")]

    assert [response.status_code for response in found] == [404, 404]
    assert "No answers wait for you" in desk.page("/answers-to-review")


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
