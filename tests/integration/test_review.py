"""Answers that may come from a program: counted until somebody has looked, then confirmed or set aside."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from registry.config import Settings
from registry.domain.actors import patient_link
from registry.domain.instruments import Mode
from registry.domain.vocabularies import BodyRegion, Suspicion
from registry.services import assessment, marking
from registry.services.assessment import GivenAnswer
from registry.services.reports.cohort import check_definition, cohort_report
from registry.services.reports.cohort_data import as_data
from registry.storage.database import Database
from registry.storage.models import Assessment, AuditEvent, BodyMarking, Reminder
from tests.desk import AtDesk, Desk, at_desk, call


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
    assert desk.send(f"/answers-to-review/{form.id}/{verdict}").status_code == 303


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


def test_answers_of_nobody_are_not_there(alice: Desk) -> None:
    assert alice.send("/answers-to-review/4711/set-aside").status_code == 404
