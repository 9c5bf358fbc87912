"""Answers that may come from a program: counted until somebody has looked, then confirmed or set aside."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from registry.config import Settings
from registry.domain.actors import patient_link, staff_member
from registry.domain.instruments import Mode
from registry.domain.vocabularies import BodyRegion, Respondent, Suspicion
from registry.services import assessment, audit, marking
from registry.services.assessment import GivenAnswer
from registry.services.reports.cohort import check_definition, cohort_report
from registry.services.reports.cohort_data import as_data
from registry.storage.database import Database
from registry.storage.models import Assessment, AuditEvent, BodyMarking, Reminder, ReminderState
from tests.desk import ITEMS, AtDesk, Desk, at_desk, call, paper


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


def suspected(desk: Desk, reason: Suspicion = Suspicion.TOO_FAST) -> AtDesk:
    """A patient whose answers look like a program's."""
    patient = desk.patient(study_id="K-013")
    desk.send(f"{patient.form_path}/phone", **call("40"))
    with desk.database.transaction() as session:
        form = session.exec(select(Assessment)).one()
        form.suspicion = reason
        session.execute(text("UPDATE answer SET mode = 'touch'"))
        session.add(form)
    return patient


def judge(desk: Desk, patient: AtDesk, verdict: str) -> None:
    form = patient.assessment()
    assert form is not None
    judge_form(desk, form.id, verdict)


def judge_form(desk: Desk, assessment_id: int, verdict: str) -> None:
    """Press a button of the list, as the page that was just opened shows it; 0 stands for one that it does not."""
    address = f"/answers-to-review/{assessment_id}/{verdict}"
    shown = re.search(rf'action="{address}.*?name="seen" value="(\d+)"', desk.page("/answers-to-review"))
    assert desk.send(address, seen=shown[1] if shown else "0").status_code == 303


def actions(desk: Desk) -> list[str]:
    with desk.database.reading() as session:
        return list(session.exec(select(AuditEvent.action).order_by(col(AuditEvent.id))))


def n_unreviewed(desk: Desk) -> object:
    study = desk.settings.protocol
    definition = check_definition(study, item="low_back", timepoint="M3", grouping="lumbar_disease", entry="none")
    now = desk.clock()
    with desk.database.reading() as session:
        report = cohort_report(session, definition=definition, study=study, today=now.date(), now=now, is_demo=False)
    return as_data(report)["n_unreviewed"]


def answer_again(desk: Desk, patient: AtDesk, score: int = 70) -> None:
    """What the patient does on the form after it was asked for once more."""
    public_id, now, study = patient.link(desk.settings, desk.clock()), desk.clock(), desk.settings.protocol
    by = patient_link(public_id)
    with desk.database.transaction() as session:
        form = assessment.lock_and_open_form(session, public_id=public_id)
        given = GivenAnswer(item="neck", score=score, mode=Mode.TOUCH)
        told = {"study": study, "language": "en", "today": now.date(), "by": by, "now": now}
        assessment.record_answer(session, form=form, answer=given, **told)  # type: ignore[arg-type]
    with desk.database.transaction() as session:
        form = assessment.lock_and_open_form(session, public_id=public_id)
        marking.record_marking(session, form=form, regions=[BodyRegion.HEAD_NECK], **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "words"),
    [(Suspicion.TOO_FAST, "everal answers came within seconds"), (Suspicion.RIGHT_AFTER_MAIL, "right after the mail")],
)
def test_doubtful_answers_are_listed_with_the_reason_in_words(alice: Desk, reason: Suspicion, words: str) -> None:
    patient = suspected(alice, reason)

    pages = [alice.page("/answers-to-review"), alice.page(patient.path)]

    assert ["K-013" in page and words in page and "ask again" in page for page in pages] == [True, True]
    assert "Answers to review" in alice.page("/patients")


def test_without_doubtful_answers_nothing_is_listed(alice: Desk) -> None:
    alice.send(f"{alice.patient().form_path}/phone", **call())

    assert "No answers wait for you" in alice.page("/answers-to-review")
    assert "Answers to review" not in alice.page("/patients")


def test_confirmed_answers_stay_and_are_not_asked_about_again(alice: Desk) -> None:
    patient = suspected(alice)

    for _ in range(2):
        judge(alice, patient, "confirm")

    form = patient.assessment()
    assert form is not None
    assert (form.confirmed_at is not None, len(patient.answers())) == (True, 6)
    assert actions(alice).count("answers_confirmed") == 1
    assert "No answers wait for you" in alice.page("/answers-to-review")


def test_answers_set_aside_are_kept_as_versions_and_count_no_more(alice: Desk) -> None:
    patient = suspected(alice)

    for _ in range(2):
        judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at, form.suspicion, patient.answers(), len(patient.versions())) == (None, None, {}, 6)
    assert actions(alice).count("answers_set_aside") == 1


@pytest.mark.parametrize("verdict", ["confirm", "set-aside"])
def test_who_comes_second_is_told_that_somebody_else_has_looked(alice: Desk, verdict: str) -> None:
    patient = suspected(alice)
    said = "Somebody else has already looked at these answers."

    judge(alice, patient, "confirm")
    first = alice.page("/answers-to-review")
    judge(alice, patient, verdict)

    assert (said in first, said in alice.page("/answers-to-review")) == (False, True)


def test_why_answers_were_set_aside_stays_in_the_trail(alice: Desk) -> None:
    judge(alice, suspected(alice), "set-aside")

    with alice.database.reading() as session:
        event = session.exec(select(AuditEvent).where(AuditEvent.action == "answers_set_aside")).one()
    assert event.details == {"reason": "too_fast"}


def test_confirmed_answers_are_not_set_aside_by_a_page_left_open(alice: Desk) -> None:
    patient = suspected(alice)
    judge(alice, patient, "confirm")

    judge(alice, patient, "set-aside")

    assert len(patient.answers()) == 6


def test_the_patient_answers_again_after_each_setting_aside(alice: Desk) -> None:
    patient = suspected(alice)
    for score in (70, 80):
        with alice.database.transaction() as session:
            form = session.exec(select(Assessment)).one()
            form.suspicion = Suspicion.TOO_FAST
            session.add(form)
        judge(alice, patient, "set-aside")
        answer_again(alice, patient, score)

    kept = sorted(answer.score for answer in patient.versions() if answer.item == "neck" and answer.score)
    with alice.database.reading() as session:
        n_markings = len(session.exec(select(BodyMarking)).all())
    assert (patient.answers()["neck"].score, kept, n_markings) == (80, [40, 70, 80], 2)


def test_reminders_go_on_after_a_setting_aside(alice: Desk) -> None:
    patient = suspected(alice)
    with alice.database.transaction() as session:
        for row in session.exec(select(Reminder).where(Reminder.follow_up_id == patient.follow_up_id)):
            row.state, row.skip_reason = "skipped", "answered"
            session.add(row)

    judge(alice, patient, "set-aside")

    with alice.database.reading() as session:
        states = set(session.exec(select(Reminder.state).where(Reminder.follow_up_id == patient.follow_up_id)))
    assert states == {"planned"}


def test_a_report_counts_the_forms_that_nobody_has_looked_at(alice: Desk) -> None:
    patient = suspected(alice)
    note = "1 form of these patients may have been filled in by a program"
    before = (n_unreviewed(alice), note in alice.page("/reports/cohort?timepoint=M3&entry=none"))

    judge(alice, patient, "confirm")

    after = (n_unreviewed(alice), note in alice.page("/reports/cohort?timepoint=M3&entry=none"))
    assert (before, after) == ((1, True), (0, False))


# What came in another visit


def on_device(
    desk: Desk,
    patient: AtDesk,
    items: tuple[str, ...] = ITEMS,
    *,
    score: int = 40,
    seconds: float = 0.5,
    sends: str = "",
) -> None:
    """What somebody at the patient's form does, so many seconds for each question; sent by whom, if at all."""
    public_id, study = patient.link(desk.settings, desk.clock()), desk.settings.protocol
    by = patient_link(public_id)
    for item in items:
        desk.clock.instant += timedelta(seconds=seconds)
        now = desk.clock()
        given = GivenAnswer(item=item, score=score, mode=Mode.TOUCH)
        with desk.database.transaction() as session:
            form = assessment.lock_and_open_form(session, public_id=public_id)
            assessment.record_answer(
                session, form=form, answer=given, study=study, language="en", today=now.date(), by=by, now=now
            )
    if sends:
        now = desk.clock()
        with desk.database.transaction() as session:
            form = assessment.lock_and_open_form(session, public_id=public_id)
            assessment.submit(
                session, form=form, respondent=Respondent(sends), study=study, today=now.date(), by=by, now=now
            )


def tick(desk: Desk, patient: AtDesk, region: BodyRegion) -> None:
    """Tick one region of the body."""
    public_id, now = patient.link(desk.settings, desk.clock()), desk.clock()
    told = {"language": "en", "today": now.date(), "by": patient_link(public_id), "now": now}
    with desk.database.transaction() as session:
        form = assessment.lock_and_open_form(session, public_id=public_id)
        marking.record_marking(session, form=form, regions=[region], study=desk.settings.protocol, **told)  # type: ignore[arg-type]


def days_later(desk: Desk, n: int = 1) -> None:
    desk.clock.instant += timedelta(days=n)
    desk.sign_in()


def standing(patient: AtDesk) -> dict[str, int | None]:
    return {item: answer.score for item, answer in patient.answers().items()}


def details_of(desk: Desk, action: str) -> list[Mapping[Any, Any]]:
    with desk.database.reading() as session:
        return list(session.exec(select(AuditEvent.details).where(AuditEvent.action == action)))


def test_what_the_patient_answered_in_another_visit_stays(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, ITEMS[:3], seconds=20)
    days_later(alice)
    on_device(alice, patient, ITEMS[3:], score=90)
    page = alice.page("/answers-to-review")

    judge(alice, patient, "set-aside")

    assert "takes out 3 answers; what the patient had answered before counts again" in " ".join(page.split())
    assert (standing(patient), len(patient.versions())) == (dict.fromkeys(ITEMS[:3], 40), 6)
    assert "answers_reinstated" not in actions(alice)


def test_a_program_that_comes_after_staff_have_looked_is_noticed_and_taken_out_alone(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, sends="self")
    alice.clock.instant += timedelta(minutes=1)
    judge(alice, patient, "confirm")
    days_later(alice)
    on_device(alice, patient, score=0, seconds=0.2, sends="self")

    form = patient.assessment()
    assert form is not None
    assert (form.suspicion, form.confirmed_at) == (Suspicion.TOO_FAST, None)
    judge(alice, patient, "set-aside")

    assert standing(patient) == dict.fromkeys(ITEMS, 40)
    assert actions(alice).count("answers_suspected") == 2


def test_a_form_that_was_sent_before_the_visit_is_as_it_was(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, seconds=20)
    tick(alice, patient, BodyRegion.LOW_BACK)
    on_device(alice, patient, (), sends="self")
    before = patient.assessment()
    days_later(alice)
    on_device(alice, patient, score=90, sends="proxy")
    tick(alice, patient, BodyRegion.HEAD_NECK)

    judge(alice, patient, "set-aside")

    after = patient.assessment()
    with alice.database.reading() as session:
        regions = session.exec(select(BodyMarking.regions).where(col(BodyMarking.superseded_at).is_(None))).all()
    assert after is not None
    assert after == before
    assert (after.submitted_at is not None, after.respondent, regions) == (True, "self", [["low_back"]])
    assert standing(patient) == dict.fromkeys(ITEMS, 40)
    assert details_of(alice, "answers_reinstated") == [{"n_answers": 6, "n_markings": 1}]


def test_what_only_the_visit_has_sent_is_to_be_sent_again(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, seconds=20)
    days_later(alice)
    on_device(alice, patient, score=90, sends="self")

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at, form.respondent, standing(patient)) == (None, None, dict.fromkeys(ITEMS, 40))


def test_a_form_with_a_question_open_again_is_not_sent(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, score=90, sends="self")
    days_later(alice)
    told = {f"number_{item}": "30" for item in ITEMS[1:]}
    alice.send(f"{patient.form_path}/phone", answered_on="2026-11-21", respondent="self", scale="100", **told)

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at, form.respondent, standing(patient)) == (None, None, dict.fromkeys(ITEMS[1:], 30))


@pytest.mark.parametrize(("first", "wanted"), [(("low_back",), {"low_back": 40}), ((), {})])
def test_what_was_set_aside_once_never_comes_back(
    alice: Desk, first: tuple[str, ...], wanted: dict[str, int | None]
) -> None:
    patient = alice.patient()
    on_device(alice, patient, first, seconds=20)
    for score in (70, 80):
        days_later(alice)
        on_device(alice, patient, ITEMS[:3], score=score + 1, seconds=5)
        on_device(alice, patient, ITEMS[:3], score=score, seconds=5)
        suspect(alice, patient)
        judge(alice, patient, "set-aside")

    assert standing(patient) == wanted


def suspect(desk: Desk, patient: AtDesk) -> None:
    """Write down that the answers of this moment came right after a mail."""
    form = patient.assessment()
    assert form is not None
    told = {"action": "answers_suspected", "subject": "assessment", "subject_id": form.id}
    with desk.database.transaction() as session:
        session.execute(text("UPDATE assessment SET suspicion = 'right_after_mail'"))
        audit.record(session, by=patient_link("x"), now=desk.clock(), **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(("in_time", "wanted"), [(ITEMS, 40), ((), 20)])
def test_a_late_answer_stands_only_where_none_was_given_in_time(
    alice: Desk, in_time: tuple[str, ...], wanted: int
) -> None:
    patient = alice.patient()
    on_device(alice, patient, in_time, seconds=20)
    days_later(alice)
    on_device(alice, patient, score=90)
    days_later(alice, 50)
    on_device(alice, patient, score=20, seconds=20)

    judge(alice, patient, "set-aside")

    assert (standing(patient), len(patient.versions())) == (dict.fromkeys(ITEMS, wanted), 12 + len(in_time))


def kept_from_paper(desk: Desk) -> AtDesk:
    """A patient whose paper form of an earlier day was kept beside what a program had sent."""
    patient = desk.patient()
    on_device(desk, patient, score=90, sends="self")
    days_later(desk)
    desk.send(f"{patient.form_path}/paper", **paper("30", answered_on="2026-11-18"))
    assert standing(patient) == dict.fromkeys(ITEMS, 90)
    return patient


def test_a_complete_form_that_staff_have_entered_stays_sent(alice: Desk) -> None:
    patient = kept_from_paper(alice)

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at is not None, form.respondent) == (True, None)
    assert standing(patient) == dict.fromkeys(ITEMS, 30)


def test_what_staff_entered_at_the_very_moment_of_the_visit_stays(alice: Desk) -> None:
    patient = suspected(alice)
    blank = dict.fromkeys((f"number_{item}" for item in ITEMS), "")
    alice.send(f"{patient.form_path}/phone", **call() | blank | {"number_neck": "55"})

    judge(alice, patient, "set-aside")

    assert standing(patient) == {"neck": 55}


def test_who_filled_in_what_staff_have_completed_is_what_they_say(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, ITEMS[:1], seconds=20)
    days_later(alice)
    on_device(alice, patient, ITEMS[1:], score=90, sends="self")
    told = {f"number_{item}": "30" for item in ITEMS[1:]}
    days_later(alice)
    alice.send(f"{patient.form_path}/phone", answered_on="2026-11-22", respondent="proxy", scale="100", **told)

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at is not None, form.respondent, form.suspicion) == (True, "proxy", None)
    assert sorted(score for score in standing(patient).values() if score is not None) == [30, 30, 30, 30, 30, 40]


def test_what_the_trail_tells_of_a_deleted_form_with_the_same_number_says_nothing(alice: Desk) -> None:
    patient = kept_from_paper(alice)
    form = patient.assessment()
    assert form is not None
    at, told = form.started_at - timedelta(days=1), {"respondent": Respondent.PROXY}
    with alice.database.transaction() as session:
        audit.record(
            session, action="answers_sent", subject="assessment", subject_id=form.id, by=staff_member(1), now=at, **told
        )

    judge(alice, patient, "set-aside")

    after = patient.assessment()
    assert after is not None
    assert after.respondent is None


def test_answers_of_nobody_are_not_there(alice: Desk) -> None:
    assert alice.send("/answers-to-review/4711/set-aside").status_code == 404


# What was sent


@pytest.mark.parametrize("respondent", ["self", "helped"])
def test_what_the_patient_sent_after_the_program_stays_sent(alice: Desk, respondent: str) -> None:
    patient = alice.patient()
    on_device(alice, patient, score=90, sends="self")
    days_later(alice)
    on_device(alice, patient, seconds=20, sends=respondent)
    sent_at = alice.clock()
    days_later(alice)

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at, form.respondent, form.suspicion) == (sent_at, respondent, None)
    assert standing(patient) == dict.fromkeys(ITEMS, 40)


def test_the_time_of_the_first_sending_stays_and_who_sent_last_is_told(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, seconds=20, sends="self")
    sent_at = alice.clock()
    days_later(alice)
    on_device(alice, patient, score=90, sends="proxy")
    days_later(alice)
    on_device(alice, patient, score=50, seconds=20, sends="helped")
    days_later(alice)

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at, form.respondent) == (sent_at, "helped")


def test_a_sending_shortly_before_the_program_came_is_the_patients(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, seconds=20)
    alice.clock.instant += timedelta(seconds=40)
    on_device(alice, patient, (), sends="helped")
    alice.clock.instant += timedelta(seconds=30)
    on_device(alice, patient, score=90, sends="proxy")

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at is not None, form.respondent, standing(patient)["neck"]) == (True, "helped", 40)


def test_a_form_of_which_no_sending_is_told_stays_sent_if_it_was_before_the_visit(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, seconds=20, sends="helped")
    sent_at = alice.clock()
    with alice.database.transaction() as session:
        session.execute(text("DELETE FROM audit_event WHERE action = 'answers_sent'"))
    days_later(alice)
    on_device(alice, patient, score=90)

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at, form.respondent) == (sent_at, "helped")


@pytest.mark.parametrize(("sends", "is_sent"), [("", False), ("self", True)])
def test_a_form_that_was_sent_with_the_programs_answers_in_it_is_to_be_sent_again(
    alice: Desk, sends: str, is_sent: bool
) -> None:
    patient = alice.patient()
    on_device(alice, patient, ITEMS[:3], seconds=20)
    days_later(alice)
    on_device(alice, patient, ITEMS[3:], score=90)
    days_later(alice)
    on_device(alice, patient, (), sends="self")
    days_later(alice)
    on_device(alice, patient, ITEMS[3:], seconds=20, sends=sends)

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at is not None, standing(patient)) == (is_sent, dict.fromkeys(ITEMS, 40))


def test_what_was_set_aside_once_makes_no_sending_complete(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, score=90, seconds=5, sends="self")
    suspect(alice, patient)
    days_later(alice)
    on_device(alice, patient, (), sends="helped")
    judge(alice, patient, "set-aside")
    days_later(alice)
    on_device(alice, patient, seconds=20)
    days_later(alice)
    on_device(alice, patient, score=80, sends="proxy")

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at, form.respondent, standing(patient)) == (None, None, dict.fromkeys(ITEMS, 40))


def test_every_sending_of_other_answers_is_told_and_the_receipt_keeps_its_time(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, seconds=20, sends="self")
    sent_at = alice.clock()
    for _ in range(2):
        on_device(alice, patient, (), sends="self")
    days_later(alice)
    on_device(alice, patient, ITEMS[:1], score=50, sends="self")

    form = patient.assessment()
    assert form is not None
    assert form.submitted_at == sent_at
    told = [action for action in actions(alice) if action.startswith("answers_sent")]
    assert told == ["answers_sent", "answers_sent_again"]


def test_a_form_that_staff_completed_with_a_skipped_question_stays_sent(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, ITEMS[:-1], seconds=20)
    days_later(alice)
    on_device(alice, patient, ITEMS[:3], score=90)
    days_later(alice)
    told = {"answered_on": "2026-11-22", "respondent": "proxy", "scale": "100", f"skipped_{ITEMS[-1]}": "y"}
    alice.send(f"{patient.form_path}/phone", **told)

    judge(alice, patient, "set-aside")

    form = patient.assessment()
    assert form is not None
    assert (form.submitted_at is not None, form.respondent) == (True, "proxy")
    assert standing(patient) == dict.fromkeys(ITEMS[:-1], 40) | {ITEMS[-1]: None}


@pytest.mark.parametrize(("state", "left"), [("accepted", ()), ("unknown", ()), ("rejected", ITEMS[1:2])])
def test_a_visit_right_after_another_mail_is_taken_out_as_well(alice: Desk, state: str, left: tuple[str, ...]) -> None:
    patient = alice.patient()
    for rung, items in enumerate((ITEMS[:1], ITEMS[1:2])):
        days_later(alice, 7 * rung)
        mailed(alice, patient, rung, state if rung else "accepted")
        on_device(alice, patient, items, seconds=10)

    judge(alice, patient, "set-aside")

    assert standing(patient) == dict.fromkeys(left, 40)


def mailed(desk: Desk, patient: AtDesk, rung: int, state: str) -> None:
    """Write down what became of a mail with the link of the form at this moment."""
    of_rung = (Reminder.follow_up_id == patient.follow_up_id, Reminder.rung == rung)
    with desk.database.transaction() as session:
        found = session.exec(select(Reminder).where(*of_rung)).one()
        found.state, found.claimed_at = ReminderState(state), desk.clock()
        found.sent_at = desk.clock() if state == "accepted" else None
        session.add(found)
