"""An answer is saved once, corrected by a version beside it, and never lost or saved half."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from registry.config import Settings
from registry.domain.actors import Actor, patient_link
from registry.domain.errors import LinkClosed, Unknown
from registry.domain.instruments import Mode
from registry.domain.vocabularies import Respondent
from registry.security.keys import KeyRing
from registry.services import assessment, enrolment, links
from registry.services.assessment import AnswersMissing, GivenAnswer
from registry.storage.database import Database
from registry.storage.models import AccessLink, Answer, Assessment, AuditEvent, FollowUp, Patient
from tests.factories import make_operation, make_patient

OPERATED_ON = date(2025, 11, 20)
ITEMS = ("low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb")


class OpenForm:
    """One patient's open M12 form, and the shortest way to write into it."""

    def __init__(self, database: Database, settings: Settings, keys: KeyRing, by: Actor, now: datetime) -> None:
        self.database, self.study, self.now = database, settings.protocol, now
        with database.transaction() as session:
            patient = make_patient(session, now=now, enrolled_on=date(2025, 10, 1))
            make_operation(session, patient, settings, now=now, today=now.date(), operated_on=OPERATED_ON)
            follow_up = session.exec(select(FollowUp).where(FollowUp.timepoint == "M12")).one()
            link = links.form_link(
                links.Issuing(session, keys, by, now), patient_id=patient.id, follow_up_id=follow_up.id
            )
            self.public_id = session.get_one(AccessLink, link.id).public_id
            self.patient_id, self.closes_on = patient.id, follow_up.closes_on

    def answer(self, item: str = "low_back", score: int | None = 40, *, today: date | None = None) -> None:
        with self.database.transaction() as session:
            assessment.record_answer(
                session,
                form=assessment.lock_and_open_form(session, public_id=self.public_id),
                answer=GivenAnswer(item=item, score=score, mode=None if score is None else Mode.TOUCH),
                study=self.study,
                language="en",
                today=today or self.now.date(),
                by=patient_link(self.public_id),
                now=self.now,
            )

    def send(self, *, today: date | None = None, now: datetime | None = None) -> None:
        with self.database.transaction() as session:
            assessment.submit(
                session,
                form=assessment.lock_and_open_form(session, public_id=self.public_id),
                respondent=Respondent.SELF,
                study=self.study,
                today=today or self.now.date(),
                by=patient_link(self.public_id),
                now=now or self.now,
            )

    def answers(self, item: str = "low_back") -> list[tuple[int, int | None, bool]]:
        """Every version of an answer: its number, its score, and whether it stands."""
        with self.database.reading() as session:
            rows = session.exec(select(Answer).where(Answer.item == item).order_by(col(Answer.version)))
            return [(row.version, row.score, row.superseded_at is None) for row in rows]


@pytest.fixture
def form(database: Database, settings: Settings, keys: KeyRing, by: Actor, now: datetime) -> OpenForm:
    return OpenForm(database, settings, keys, by, now)


def count(database: Database, table: type[Answer] | type[Assessment] | type[AuditEvent]) -> int:
    with database.reading() as session:
        return len(session.exec(select(table)).all())


def at_once(*tasks: Callable[[], object]) -> list[Exception]:
    """Run every task in a thread of its own from one starting line; what they raised."""
    line, raised = Barrier(len(tasks)), []

    def run(task: Callable[[], object]) -> None:
        line.wait()
        try:
            task()
        except Exception as error:
            raised.append(error)

    threads = [Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


# Saving


@pytest.mark.parametrize("score", [0, 1, 99, 100])
def test_a_score_is_stored_as_given(form: OpenForm, score: int) -> None:
    form.answer(score=score)

    assert form.answers() == [(1, score, True)]


def test_the_same_answer_twice_is_one_row(form: OpenForm) -> None:
    form.answer(score=40)
    form.answer(score=40)

    assert form.answers() == [(1, 40, True)]


def test_another_answer_is_a_new_version_and_the_earlier_stays(form: OpenForm) -> None:
    for score in (40, 55, 40):
        form.answer(score=score)

    assert form.answers() == [(1, 40, False), (2, 55, False), (3, 40, True)]


def test_a_skipped_question_has_no_score(form: OpenForm) -> None:
    form.answer(score=None)

    assert form.answers() == [(1, None, True)]


def test_zero_after_a_skip_is_another_answer(form: OpenForm) -> None:
    form.answer(score=None)
    form.answer(score=0)

    assert form.answers() == [(1, None, False), (2, 0, True)]


def test_an_answer_keeps_its_mode_and_its_wording(form: OpenForm, database: Database, settings: Settings) -> None:
    form.answer()

    with database.reading() as session:
        row = session.exec(select(Answer)).one()
    assert (row.mode, row.instrument_version) == (Mode.TOUCH, settings.protocol.instrument.version)


def test_an_answer_belongs_to_the_day_at_the_site(form: OpenForm, database: Database) -> None:
    form.answer(today=date(2026, 11, 21))

    with database.reading() as session:
        assert session.exec(select(Answer.answered_on)).one() == date(2026, 11, 21)


def test_the_form_shows_what_was_saved(form: OpenForm, database: Database) -> None:
    form.answer(score=40)
    form.answer(score=41)

    with database.reading() as session:
        shown = assessment.open_form(session, public_id=form.public_id)
    assert {item: answer.score for item, answer in shown.answers.items()} == {"low_back": 41}


# Sending


def test_nothing_is_sent_while_a_question_is_open(form: OpenForm) -> None:
    for item in ITEMS[:-1]:
        form.answer(item)

    with pytest.raises(AnswersMissing) as caught:
        form.send()

    assert caught.value.item == ITEMS[-1]


def test_a_form_without_answers_cannot_be_sent(form: OpenForm) -> None:
    with pytest.raises(AnswersMissing):
        form.send()


def test_skipped_questions_count_as_answered_when_sending(form: OpenForm, database: Database) -> None:
    for item in ITEMS:
        form.answer(item, None)

    form.send()

    with database.reading() as session:
        assert session.exec(select(Assessment.submitted_at)).one() == form.now


def test_sending_again_keeps_the_first_moment(form: OpenForm, database: Database) -> None:
    for item in ITEMS:
        form.answer(item)
    form.send()

    form.send(now=form.now + timedelta(hours=1))

    with database.reading() as session:
        assert session.exec(select(Assessment.submitted_at)).one() == form.now


def test_an_answer_can_be_corrected_after_sending(form: OpenForm) -> None:
    for item in ITEMS:
        form.answer(item)
    form.send()

    form.answer(score=70)

    assert form.answers() == [(1, 40, False), (2, 70, True)]


# Closed, unknown, gone


def test_the_last_day_still_saves(form: OpenForm) -> None:
    form.answer(today=form.closes_on)

    assert form.answers() == [(1, 40, True)]


def test_a_form_long_closed_refuses_an_answer(form: OpenForm) -> None:
    with pytest.raises(LinkClosed) as caught:
        form.answer(today=form.closes_on + timedelta(days=31))

    assert caught.value.closed_on == form.closes_on


def test_a_form_closed_for_thirty_days_keeps_a_late_answer(form: OpenForm) -> None:
    form.answer(today=form.closes_on + timedelta(days=30))

    assert form.answers() == [(1, 40, True)]


def test_a_form_long_closed_refuses_sending(form: OpenForm) -> None:
    for item in ITEMS:
        form.answer(item)

    with pytest.raises(LinkClosed):
        form.send(today=form.closes_on + timedelta(days=31))


def test_the_form_is_unknown_once_the_patient_withdrew(form: OpenForm, by: Actor, today: date) -> None:
    with form.database.transaction() as session:
        enrolment.withdraw(session, patient_id=form.patient_id, withdrawn_on=today, today=today, by=by, now=form.now)

    with pytest.raises(Unknown):
        form.answer()


def test_the_form_is_unknown_once_the_patient_died(form: OpenForm) -> None:
    with form.database.transaction() as session:
        session.get_one(Patient, form.patient_id).died_on = form.now.date()

    with pytest.raises(Unknown):
        form.answer()


def test_the_form_is_unknown_once_its_link_was_revoked(form: OpenForm, by: Actor) -> None:
    with form.database.transaction() as session:
        links.revoke_links(session, patient_id=form.patient_id, by=by, now=form.now)

    with pytest.raises(Unknown):
        form.answer()


def test_a_link_that_nobody_issued_is_unknown(form: OpenForm) -> None:
    form.public_id = "0000000000000000"

    with pytest.raises(Unknown):
        form.answer()


def test_looking_at_a_form_changes_no_row(form: OpenForm, database: Database) -> None:
    before = count(database, AuditEvent)

    with database.reading() as session:
        assessment.open_form(session, public_id=form.public_id)

    assert (count(database, AuditEvent), count(database, Assessment)) == (before, 0)


# The audit trail


def test_every_saved_answer_is_audited_once(form: OpenForm, database: Database) -> None:
    for score in (40, 40, 41):
        form.answer(score=score)

    with database.reading() as session:
        events = session.exec(select(AuditEvent).where(AuditEvent.action == "answer_saved")).all()
    assert [event.details for event in events] == [{"item": "low_back"}] * 2


def test_no_score_stands_in_the_audit_trail(form: OpenForm, database: Database) -> None:
    form.answer(score=73)

    with database.reading() as session:
        details = session.exec(select(AuditEvent.details)).all()
    assert not [found for found in details if 73 in found.values()]


def test_without_its_audit_row_an_answer_is_not_saved(form: OpenForm, database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("ALTER TABLE audit_event RENAME TO elsewhere"))
    with pytest.raises(DBAPIError, match="audit_event"):
        form.answer()

    assert (count(database, Answer), count(database, Assessment)) == (0, 0)


# At once


def test_two_first_answers_at_once_are_both_saved(form: OpenForm, database: Database) -> None:
    raised = at_once(lambda: form.answer("low_back"), lambda: form.answer("neck"))

    assert raised == []
    assert (count(database, Assessment), count(database, Answer)) == (1, 2)


def test_different_answers_at_once_leave_one_that_stands(form: OpenForm) -> None:
    raised = at_once(*[lambda score=score: form.answer(score=score) for score in range(8)])

    assert raised == []
    assert [standing for _, _, standing in form.answers()] == [False] * 7 + [True]


def test_the_same_answer_at_once_is_one_row(form: OpenForm) -> None:
    raised = at_once(*[form.answer] * 8)

    assert raised == []
    assert form.answers() == [(1, 40, True)]


def test_sending_at_once_is_audited_once(form: OpenForm, database: Database) -> None:
    for item in ITEMS:
        form.answer(item)

    raised = at_once(*[form.send] * 4)

    assert raised == []
    with database.reading() as session:
        assert len(_events(session, "answers_sent")) == 1


def _events(session: Session, action: str) -> list[AuditEvent]:
    return list(session.exec(select(AuditEvent).where(AuditEvent.action == action)))
