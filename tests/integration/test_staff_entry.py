"""Answers that staff enter: measured on paper or heard on the telephone, whole or not at all, and never overwritten."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlmodel import select

from registry.config import Settings
from registry.domain.instruments import Mode
from registry.domain.vocabularies import CallOutcome, CallTime, ConsentRoute, Respondent
from registry.services import assessment, audit, enrolment
from registry.services.consent import Decision, decide
from registry.services.entry import score_of_mark
from registry.storage.database import Database
from registry.storage.models import AuditEvent, BodyMarking, Consent, PhoneRequest, Site
from tests.desk import ITEMS, AtDesk, Desk, at_desk, call, paper
from tests.factories import BY, make_patient


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


def at_field(page: str, name: str) -> str:
    found = re.search(rf'id="{name}-error-1">([^<]*)', page)
    return found.group(1) if found else ""


# Paper


@pytest.mark.parametrize(
    ("mark", "line", "score"),
    [("47", "94", 50), ("0", "100", 0), ("94", "94", 100), ("49.5", "100", 50), ("0.4", "100", 0), ("0.5", "100", 1)],
)
def test_a_score_is_the_place_of_the_mark_on_the_line(mark: str, line: str, score: int) -> None:
    assert score_of_mark(Decimal(mark), Decimal(line)) == score


def test_a_paper_form_is_saved_with_its_measures_and_sent(alice: Desk) -> None:
    patient = alice.patient()

    response = alice.send(f"{patient.form_path}/paper", **paper("47", "94"))

    answers, form = patient.answers(), patient.assessment()
    assert (response.status_code, len(answers)) == (303, 6)
    assert {(a.score, a.mode, a.mark_mm, a.line_mm, a.answered_on) for a in answers.values()} == {
        (50, Mode.PAPER, 47.0, 94.0, date(2026, 11, 18))
    }
    assert form is not None
    assert (form.submitted_at is not None, form.respondent) == (True, Respondent.SELF)
    page = alice.page(patient.path)
    assert ("entered and sent" in page, "on paper, 47 of 94 mm" in page) == (True, True)


@pytest.mark.parametrize(
    ("typed", "score"), [("47.5", 48), ("47,5", 48), ("４７．５", 48), (" ４７ ", 47), ("4７，４", 47)]
)
def test_lengths_are_read_as_people_write_them(alice: Desk, typed: str, score: int) -> None:
    patient = alice.patient()

    alice.send(f"{patient.form_path}/paper", **paper(mark_neck=typed))

    assert patient.answers()["neck"].score == score


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("mark_neck", "101", "The mark must lie on the line: from 0 to 100 mm"),
        ("mark_neck", "-1", "Enter millimetres"),
        ("mark_neck", "about 40", "Enter millimetres"),
        ("mark_neck", "1e2", "Enter millimetres"),
        ("line_neck", "49.9", "The line must measure 50 to 150 mm"),
        ("line_neck", "150.1", "The line must measure 50 to 150 mm"),
        ("line_neck", "", "Enter the measured length"),
        ("respondent", "", "Choose who answered"),
        ("respondent", "nobody", "Not a valid choice"),
        ("answered_on", "", "Enter the day"),
        ("answered_on", "2026-11-21", "in the future"),
        ("answered_on", "2026-11-04", "The form opened on 2026-11-05"),
        ("answered_on", "yesterday", "Enter a date such as"),
    ],
)
def test_what_cannot_be_taken_is_said_at_its_field_and_nothing_is_saved(
    alice: Desk, name: str, value: str, reason: str
) -> None:
    patient = alice.patient()

    response = alice.send(f"{patient.form_path}/paper", **paper(**{name: value}))

    assert response.status_code == 422
    assert reason in at_field(response.get_data(as_text=True), name)
    assert patient.versions() == []


def test_a_mark_and_a_tick_at_skipped_contradict_each_other(alice: Desk) -> None:
    patient = alice.patient()

    response = alice.send(f"{patient.form_path}/paper", **paper(skipped_neck="y"))

    assert "take out the number" in at_field(response.get_data(as_text=True), "mark_neck")


def test_a_skipped_question_is_an_answer_and_a_blank_one_is_none(alice: Desk) -> None:
    patient = alice.patient()

    alice.send(f"{patient.form_path}/paper", **paper(mark_neck="", skipped_neck="y", mark_arm_numb=""))

    answers, form = patient.answers(), patient.assessment()
    assert form is not None
    assert (answers["neck"].is_skipped, answers["neck"].mode, "arm_numb" in answers) == (True, Mode.PAPER, False)
    assert (form.submitted_at, form.respondent) == (None, Respondent.SELF)
    assert "some questions are still open" in alice.page(patient.path)


def test_a_form_without_any_answer_is_refused(alice: Desk) -> None:
    patient = alice.patient()

    response = alice.send(f"{patient.form_path}/paper", **paper(mark=""))

    assert (response.status_code, "Enter at least one answer" in response.get_data(as_text=True)) == (422, True)


def test_a_form_filled_in_after_its_window_is_kept_and_called_late(alice: Desk) -> None:
    patient = alice.patient()
    alice.clock.instant = datetime(2027, 2, 1, 3, tzinfo=UTC)
    alice.sign_in()

    alice.send(f"{patient.form_path}/paper", **paper(answered_on="2027-01-04"))

    page = alice.page(patient.path)
    assert len(patient.answers()) == 6
    assert ("It counts as late" in page, '<small class="aside late">late</small>' in page) == (True, True)


def test_a_late_form_beside_one_in_time_is_kept_once_and_leaves_who_filled_that_in(alice: Desk) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/phone", **call("50"))
    alice.clock.instant = datetime(2027, 2, 1, 3, tzinfo=UTC)
    alice.sign_in()

    for _ in range(2):
        alice.send(f"{patient.form_path}/paper", **paper(answered_on="2027-01-04", respondent="proxy"))

    form, versions = patient.assessment(), patient.versions()
    assert (
        sorted((found.version, found.superseded_at is None) for found in versions) == [(1, True)] * 6 + [(2, False)] * 6
    )
    assert form is not None
    assert form.respondent == Respondent.SELF


def test_late_numbers_from_staff_are_kept_beside_the_same_ones_from_a_device(alice: Desk) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/phone", **call("50"))
    alice.clock.instant = datetime(2027, 2, 1, 3, tzinfo=UTC)
    alice.sign_in()
    late = call("70", answered_on="2027-01-04")
    alice.send(f"{patient.form_path}/phone", **late)
    with alice.database.transaction() as session:
        session.execute(text("UPDATE answer SET mode = 'touch' WHERE version = 2"))

    alice.send(f"{patient.form_path}/phone", **late)

    told = {(found.version, found.mode) for found in patient.versions()}
    assert told == {(1, Mode.PHONE), (2, Mode.TOUCH), (3, Mode.PHONE)}


def test_answers_that_stand_are_shown_before_and_kept_as_versions_after(alice: Desk) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/phone", **call("50"))
    assert "has answers already" in alice.page(f"{patient.form_path}/paper")

    alice.send(f"{patient.form_path}/paper", **paper("50"))

    versions = [(a.version, a.score, a.mode, a.superseded_at is None) for a in patient.versions() if a.item == "neck"]
    assert versions == [(1, 50, Mode.PHONE, False), (2, 50, Mode.PAPER, True)]


def test_the_same_page_sent_twice_is_saved_once(alice: Desk) -> None:
    patient = alice.patient()

    for _ in range(2):
        alice.send(f"{patient.form_path}/paper", **paper("47.3", "94"))

    assert len(patient.versions()) == 6


def test_a_correction_of_the_day_or_the_line_alone_is_a_new_version(alice: Desk) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/paper", **paper("47", "94"))

    alice.send(f"{patient.form_path}/paper", **paper("50", "100", answered_on="2026-11-17"))

    stands = patient.answers()["neck"]
    assert (stands.version, stands.score, stands.mark_mm, stands.answered_on.day) == (2, 50, 50.0, 17)


def test_a_blank_question_leaves_the_answer_that_stands(alice: Desk) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/phone", **call("50"))

    alice.send(f"{patient.form_path}/paper", **paper("20", mark_neck=""))

    assert (patient.answers()["neck"].score, patient.answers()["low_back"].score) == (50, 20)


def test_a_form_is_saved_whole_or_not_at_all(alice: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = alice.patient()

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(assessment, "send", fail)
    response = alice.send(f"{patient.form_path}/paper", **paper())

    assert (response.status_code, patient.versions(), patient.assessment()) == (500, [], None)


# Who takes part


def refuse(desk: Desk, patient: AtDesk) -> None:
    decision = Decision(
        version="v1", is_given=False, route=ConsentRoute.FORM, language="ja", decided_on=date(2026, 11, 19)
    )
    with desk.database.transaction() as session:
        study, now = desk.settings.protocol, desk.clock()
        decide(session, patient_id=patient.id, decision=decision, study=study, today=now.date(), by=BY, now=now)


def withdraw(desk: Desk, patient: AtDesk) -> None:
    with desk.database.transaction() as session:
        today = desk.clock().date()
        enrolment.withdraw(session, patient_id=patient.id, withdrawn_on=today, today=today, by=BY, now=desk.clock())


def die(desk: Desk, patient: AtDesk) -> None:
    with desk.database.transaction() as session:
        today = desk.clock().date()
        enrolment.record_death(session, patient_id=patient.id, died_on=today, today=today, by=BY, now=desk.clock())


@pytest.mark.parametrize(
    ("end", "sentence"),
    [(refuse, "did not agree to take part"), (withdraw, "has left the registry"), (die, "or has died")],
)
@pytest.mark.parametrize("route", ["paper", "phone"])
def test_nothing_is_entered_for_who_does_not_take_part(alice: Desk, end: object, sentence: str, route: str) -> None:
    patient = alice.patient()
    end(alice, patient)  # type: ignore[operator]

    shown = alice.page(f"{patient.form_path}/{route}")
    response = alice.send(f"{patient.form_path}/{route}", **(paper() if route == "paper" else call()))

    assert (sentence in shown, "<button>Save" in shown, response.status_code) == (True, False, 422)
    assert (sentence in response.get_data(as_text=True), patient.versions()) == (True, [])
    assert f"{patient.form_path}/paper" not in alice.page(patient.path)


def test_a_refusal_is_seen_on_the_page_of_the_patient(alice: Desk) -> None:
    patient = alice.patient()
    refuse(alice, patient)

    page = alice.page(patient.path)

    assert ("Did not agree to take part" in page, "Refused on 2026-11-19" in page) == (True, True)
    assert "2026-01-05: given" in page


def test_without_a_decision_staff_say_that_the_patient_agreed(alice: Desk) -> None:
    patient = alice.patient(has_consented=False)
    assert "Not asked yet" in alice.page(patient.path)

    refused = alice.send(f"{patient.form_path}/paper", **paper())
    taken = alice.send(f"{patient.form_path}/paper", **paper(has_agreed="y"))

    with alice.database.reading() as session:
        consent = session.exec(select(Consent)).one()
    assert "Tick this if the patient agreed" in at_field(refused.get_data(as_text=True), "has_agreed")
    assert (taken.status_code, consent.is_given, consent.route) == (303, True, ConsentRoute.HOSPITAL)
    assert "has_agreed" not in alice.page(f"{patient.form_path}/paper")


def test_consent_given_at_the_hospital_is_recorded_with_the_enrolment(alice: Desk) -> None:
    patient = alice.enrol(consent="hospital")

    assert re.search(r"Given on 2026-11-20 <span class=\"hint\">at the hospital, version v1", alice.page(patient))


def test_a_form_that_has_not_opened_takes_nothing(alice: Desk) -> None:
    patient = alice.patient()
    alice.clock.instant = datetime(2026, 11, 1, 3, tzinfo=UTC)
    alice.sign_in()

    shown = alice.page(f"{patient.form_path}/paper")

    assert ("opens on 2026-11-05" in shown, "<button>Save" in shown) == (True, False)


@pytest.mark.parametrize("page", ["paper", "phone", "tablet", "paper.pdf"])
def test_the_form_of_somebody_else_is_not_there(alice: Desk, page: str) -> None:
    patient, other = alice.patient(), alice.patient()
    with alice.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        theirs = make_patient(session, now=alice.clock(), site_code="OTHER").public_id

    addresses = [
        f"{patient.path}/follow-ups/{other.follow_up_id}",
        f"/patients/{theirs}/follow-ups/{patient.follow_up_id}",
    ]

    assert [alice.client.get(f"{address}/{page}").status_code for address in addresses] == [404, 404]


# The telephone


def test_answers_by_telephone_are_saved_and_sent(alice: Desk) -> None:
    patient = alice.patient()

    alice.send(f"{patient.form_path}/phone", **call("４０", respondent="proxy", number_neck="", skipped_neck="y"))

    answers, form = patient.answers(), patient.assessment()
    assert form is not None
    assert (answers["low_back"].score, answers["low_back"].mode, answers["neck"].is_skipped) == (40, Mode.PHONE, True)
    assert (form.submitted_at is not None, form.respondent) == (True, Respondent.PROXY)


def test_answers_from_0_to_10_are_stored_ten_fold_and_marked(alice: Desk) -> None:
    patient = alice.patient()

    alice.send(f"{patient.form_path}/phone", **call("7", scale="10"))

    assert {(a.score, a.mode) for a in patient.answers().values()} == {(70, Mode.NRS)}
    assert "by telephone, on 0 to 10" in alice.page(patient.path)


@pytest.mark.parametrize(
    ("said", "scale", "reason"),
    [("101", "100", "from 0 to 100"), ("11", "10", "from 0 to 10"), ("4.5", "100", "whole"), ("four", "10", "whole")],
)
def test_a_number_off_the_scale_is_refused_at_its_field(alice: Desk, said: str, scale: str, reason: str) -> None:
    patient = alice.patient()

    response = alice.send(f"{patient.form_path}/phone", **call("5", scale=scale, number_neck=said))

    assert (response.status_code, patient.versions()) == (422, [])
    assert reason in at_field(response.get_data(as_text=True), "number_neck")


def test_only_the_patient_or_somebody_in_the_patients_place_answers_a_call(alice: Desk) -> None:
    patient = alice.patient()

    response = alice.send(f"{patient.form_path}/phone", **call(respondent="helped"))

    assert response.status_code == 422


def test_the_questions_stand_in_the_language_of_the_patient(alice: Desk) -> None:
    page = alice.page(f"{alice.patient(language='ja').form_path}/phone")

    assert ("この1週間で、腰の痛みがいちばんひどかったとき" in page, "想像できるもっとも激しい痛み" in page) == (
        True,
        True,
    )
    assert 'value="2026-11-20"' in page


@pytest.mark.parametrize(("route", "mark"), [("phone", "40"), ("paper", "40")])
def test_entering_the_answers_closes_an_open_request(alice: Desk, route: str, mark: str) -> None:
    patient = alice.patient()
    request = {"follow_up_id": patient.follow_up_id, "patient_id": patient.id, "requested_at": alice.clock()}
    with alice.database.transaction() as session:
        session.add(PhoneRequest(call_time=CallTime.MORNING, **request))

    alice.send(f"{patient.form_path}/{route}", **(call(mark) if route == "phone" else paper(mark)))

    with alice.database.reading() as session:
        assert session.exec(select(PhoneRequest.outcome)).one() == CallOutcome.ANSWERED


def test_whoever_entered_the_answers_stands_in_the_trail_and_no_score_does(alice: Desk) -> None:
    patient = alice.patient()

    alice.send(f"{patient.form_path}/phone", **call("73"))

    with alice.database.reading() as session:
        events = session.exec(select(AuditEvent).where(AuditEvent.subject == "assessment")).all()
    assert [event.action for event in events] == ["answer_saved"] * len(ITEMS) + ["answers_sent"]
    assert {event.actor_kind for event in events} == {"staff"}
    assert not [event for event in events if 73 in event.details.values()]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_paper_form_is_there_in_both_languages(alice: Desk, language: str) -> None:
    response = alice.client.get(f"{alice.patient().form_path}/paper.pdf?language={language}")

    assert (response.status_code, response.mimetype in ("application/pdf", "text/html")) == (200, True)


def test_the_paper_form_in_no_such_language_is_not_there(alice: Desk) -> None:
    assert alice.client.get(f"{alice.patient().form_path}/paper.pdf?language=fr").status_code == 404


def test_a_paper_form_of_an_earlier_day_does_not_replace_what_the_patient_answered_since(alice: Desk) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/phone", **call("47"))
    with alice.database.transaction() as session:
        session.execute(text("UPDATE answer SET mode = 'touch'"))

    alice.send(f"{patient.form_path}/paper", **paper("90", answered_on="2026-11-10"))

    assert {answer.score for answer in patient.answers().values()} == {47}
    assert len(patient.versions()) == 12


def test_a_question_skipped_on_paper_on_an_earlier_day_does_not_replace_what_the_patient_answered_since(
    alice: Desk,
) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/phone", **call("47"))
    with alice.database.transaction() as session:
        session.execute(text("UPDATE answer SET mode = 'touch'"))
    skipped = {f"skipped_{item}": "y" for item in ITEMS}

    alice.send(f"{patient.form_path}/paper", answered_on="2026-11-10", respondent="self", **skipped)

    assert ({answer.score for answer in patient.answers().values()}, len(patient.versions())) == ({47}, 12)


def test_a_paper_form_of_an_earlier_day_does_not_replace_what_the_patient_skipped_since(alice: Desk) -> None:
    patient = alice.patient()
    skip_on_device(alice, patient)

    alice.send(f"{patient.form_path}/paper", **paper("90", answered_on="2026-11-10"))

    assert {answer.score for answer in patient.answers().values()} == {None}
    assert len(patient.versions()) == 12


@pytest.mark.parametrize(("route", "mode"), [("phone", Mode.PHONE), ("paper", Mode.PAPER)])
def test_a_question_skipped_by_way_of_staff_says_so_and_gives_way_to_an_earlier_day(
    alice: Desk, route: str, mode: Mode
) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/{route}", **ENTERED_BY_PHONE | {f"skipped_{item}": "y" for item in ITEMS})
    assert {answer.mode for answer in patient.answers().values()} == {mode}

    alice.send(f"{patient.form_path}/paper", **paper("90", answered_on="2026-11-10"))

    assert {answer.score for answer in patient.answers().values()} == {90}


# Answers that were in doubt


def skip_on_device(desk: Desk, patient: AtDesk) -> None:
    """What somebody does who skips every question of the form."""
    desk.send(f"{patient.form_path}/phone", **call("47"))
    with desk.database.transaction() as session:
        session.execute(text("UPDATE answer SET mode = NULL, score = NULL, is_skipped = true"))


def confirmed_at(patient: AtDesk) -> datetime | None:
    form = patient.assessment()
    assert form is not None
    return form.confirmed_at


def doubted(desk: Desk, items: tuple[str, ...] = ITEMS) -> AtDesk:
    """A patient whose answers on the device look like a program's."""
    patient = desk.patient()
    desk.send(f"{patient.form_path}/phone", **{f"number_{item}": "47" for item in items} | ENTERED_BY_PHONE)
    with desk.database.transaction() as session:
        session.execute(text("UPDATE answer SET mode = 'touch'"))
        session.execute(text("UPDATE assessment SET suspicion = 'too_fast'"))
    return patient


ENTERED_BY_PHONE = {"answered_on": "2026-11-20", "respondent": "self", "scale": "100"}


def n_confirmed(desk: Desk) -> int:
    with desk.database.reading() as session:
        events = session.exec(select(AuditEvent).where(AuditEvent.action == "answers_confirmed")).all()
    return len([event for event in events if event.actor_kind == "staff"])


def test_answers_that_staff_have_entered_themselves_are_nobodys_doubt(alice: Desk) -> None:
    patient = doubted(alice)

    alice.send(f"{patient.form_path}/phone", **call("40"))

    form = patient.assessment()
    assert form is not None
    assert (form.suspicion, form.confirmed_at is not None, n_confirmed(alice)) == ("too_fast", True, 1)
    assert "No answers wait for you" in alice.page("/answers-to-review")


def test_entering_them_once_more_confirms_nothing_twice(alice: Desk) -> None:
    patient = doubted(alice)

    for number in ("40", "41"):
        alice.send(f"{patient.form_path}/phone", **call(number))

    assert n_confirmed(alice) == 1


def test_the_doubt_stays_while_an_answer_of_the_device_stands(alice: Desk) -> None:
    patient = doubted(alice)
    told = {f"number_{item}": "40" for item in ITEMS[:-1]}

    alice.send(f"{patient.form_path}/phone", **told | ENTERED_BY_PHONE)

    form = patient.assessment()
    assert form is not None
    assert (form.confirmed_at, n_confirmed(alice)) == (None, 0)


def test_the_doubt_stays_while_a_question_that_a_program_skipped_stands(alice: Desk) -> None:
    patient = doubted(alice)
    with alice.database.transaction() as session:
        session.execute(text("UPDATE answer SET mode = NULL, score = NULL, is_skipped = true WHERE item = 'arm_numb'"))
    told = {f"number_{item}": "40" for item in ITEMS[:-1]}

    alice.send(f"{patient.form_path}/phone", **told | ENTERED_BY_PHONE)

    assert n_confirmed(alice) == 0


@pytest.mark.parametrize(("minutes", "is_confirmed"), [(0, False), (-60, True)])
def test_the_doubt_stays_while_the_regions_of_the_visit_stand(alice: Desk, minutes: int, is_confirmed: bool) -> None:
    patient = doubted(alice)
    form, at = patient.assessment(), alice.clock()
    assert form is not None
    ticked_at = at + timedelta(minutes=minutes)
    told = {"assessment_id": form.id, "version": 1, "regions": ["low_back"], "answered_on": at.date()}
    with alice.database.transaction() as session:
        audit.record(session, action="answers_suspected", subject="assessment", subject_id=form.id, by=BY, now=at)
        session.add(BodyMarking(recorded_at=ticked_at, **told))

    alice.send(f"{patient.form_path}/phone", **call("40"))

    assert (confirmed_at(patient) is not None) == is_confirmed


def test_the_doubt_stays_while_late_numbers_are_kept_beside_what_a_program_skipped(alice: Desk) -> None:
    patient = alice.patient()
    skip_on_device(alice, patient)
    with alice.database.transaction() as session:
        session.execute(text("UPDATE assessment SET suspicion = 'too_fast'"))
    alice.clock.instant = datetime(2027, 2, 1, 3, tzinfo=UTC)
    alice.sign_in()

    alice.send(f"{patient.form_path}/paper", **paper(answered_on="2027-01-04"))

    assert (len(patient.versions()), confirmed_at(patient)) == (12, None)
