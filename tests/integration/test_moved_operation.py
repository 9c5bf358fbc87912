"""An operation that is put off or corrected: what was sent stays history, and nothing is lost or asked for in vain."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from registry.config import Settings
from registry.domain.actors import patient_link
from registry.domain.errors import FormNotOpenYet, InvalidInput
from registry.domain.vocabularies import OperationState, Region, Respondent, Suspicion
from registry.mail.transport import FolderTransport
from registry.security.keys import KeyRing
from registry.services import assessment, enrolment
from registry.services.assessment import GivenAnswer
from registry.services.enrolment import ContactDetails
from registry.services.links import Issuing, form_link
from registry.services.operations import OperationFacts, change_operation, record_operation
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.cohorts import CohortQuery, pair_counts
from registry.storage.database import Database
from registry.storage.models import (
    AccessLink,
    Assessment,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Reminder,
    ReminderState,
)
from tests.factories import BY, make_operation, make_patient

ITEMS = ("low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb")


@dataclass
class Ward:
    """One patient with one operation, on a day that tests choose."""

    database: Database
    settings: Settings
    keys: KeyRing
    patient_id: int = 0

    def enrol(
        self, day: date, *, planned_on: date | None = None, operated_on: date | None = None, **person: str
    ) -> None:
        def begin(session: Session) -> None:
            patient = make_patient(session, now=noon(day), enrolled_on=day, **person)
            make_operation(
                session,
                patient,
                self.settings,
                now=noon(day),
                today=day,
                planned_on=planned_on,
                operated_on=operated_on,
            )
            self.patient_id = patient.id

        self.write(begin)

    def write(self, change: Callable[[Session], object]) -> None:
        with self.database.transaction() as session:
            change(session)

    def move(self, day: date, state: OperationState, **days: date) -> None:
        def change(session: Session) -> None:
            facts = OperationFacts(state=state, procedure="laminoplasty", region=Region.CERVICAL, **days)
            operation = session.exec(select(Operation)).one()
            change_operation(
                session,
                operation=operation,
                facts=facts,
                study=self.settings.protocol,
                today=day,
                by=BY,
                now=noon(day),
            )

        self.write(change)

    def send(self, day: date) -> dict[str, int]:
        transport = FolderTransport(self.settings.mail.folder)
        dispatch = Dispatch(self.database, self.settings, self.keys, transport, lambda: noon(day))
        return dict(send_due_reminders(dispatch))

    def subjects(self) -> list[str]:
        paths = sorted(self.settings.mail.folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_text().splitlines()[0] for path in paths]

    def public_id(self, timepoint: str, day: date) -> str:
        with self.database.transaction() as session:
            follow_up = session.exec(select(FollowUp).where(FollowUp.timepoint == timepoint)).one()
            issuing = Issuing(session, self.keys, BY, noon(day))
            link = form_link(issuing, patient_id=self.patient_id, follow_up_id=follow_up.id)
            return session.get_one(AccessLink, link.id).public_id

    def answer(self, timepoint: str, day: date, score: int, *, items: tuple[str, ...] = ITEMS) -> None:
        public_id = self.public_id(timepoint, day)
        by = patient_link(public_id)
        told = {"study": self.settings.protocol, "today": day, "by": by, "now": noon(day)}
        for item in items:
            with self.database.transaction() as session:
                form = assessment.lock_and_open_form(session, public_id=public_id)
                given = GivenAnswer(item=item, score=score)
                assessment.record_answer(session, form=form, answer=given, language="en", **told)
        if items != ITEMS:
            return
        with self.database.transaction() as session:
            form = assessment.lock_and_open_form(session, public_id=public_id)
            assessment.submit(session, form=form, respondent=Respondent.SELF, **told)

    def scores(self, day: date) -> list[tuple[int | None, int | None]]:
        with self.database.reading() as session:
            query = CohortQuery("low_back", "lumbar_disease", day)
            return [(row.before, row.after) for row in pair_counts(session, query, timepoint="M3")]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=UTC)


@pytest.fixture
def ward(database: Database, settings: Settings, keys: KeyRing) -> Ward:
    return Ward(database, settings, keys)


def test_a_corrected_day_brings_the_whole_ladder_once_more(ward: Ward) -> None:
    ward.enrol(date(2025, 8, 10), operated_on=date(2025, 8, 10))
    for day in (date(2026, 8, 10), date(2026, 8, 17), date(2026, 8, 24)):
        ward.send(day)
    ward.move(date(2026, 9, 1), OperationState.PERFORMED, operated_on=date(2026, 8, 10))

    sent = [ward.send(day) for day in (date(2027, 8, 9), date(2027, 8, 10), date(2027, 8, 17), date(2027, 8, 24))]

    assert [outcome.get("accepted", 0) for outcome in sent] == [0, 1, 1, 1]
    assert "how are you doing" in ward.subjects()[-3]


def test_what_was_sent_for_the_earlier_day_stays_as_it_was(ward: Ward) -> None:
    ward.enrol(date(2025, 8, 10), operated_on=date(2025, 8, 10))
    ward.send(date(2026, 8, 10))
    ward.move(date(2026, 8, 11), OperationState.PERFORMED, operated_on=date(2026, 8, 10))

    with ward.database.reading() as session:
        statement = select(Reminder.due_on).where(col(Reminder.state) == ReminderState.ACCEPTED)
        assert list(session.exec(statement)) == [date(2026, 8, 10)]


def test_a_small_correction_repeats_no_mail(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))
    ward.send(date(2026, 8, 10))
    ward.move(date(2026, 8, 11), OperationState.PERFORMED, operated_on=date(2026, 5, 12))

    assert ward.send(date(2026, 8, 12)) == {}
    assert ward.send(date(2026, 8, 19)) == {"accepted": 1}


@pytest.mark.parametrize(("operated_on", "n_accepted"), [(date(2026, 5, 10), 1), (date(2026, 5, 9), 0)])
def test_a_mail_that_has_come_due_leaves_after_a_correction_of_something_else(
    ward: Ward, operated_on: date, n_accepted: int
) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))
    ward.send(date(2026, 8, 10))
    ward.move(date(2026, 8, 17), OperationState.PERFORMED, operated_on=operated_on)

    assert ward.send(date(2026, 8, 17)).get("accepted", 0) == n_accepted


def test_a_mail_before_an_operation_that_has_come_due_leaves_after_a_correction(ward: Ward) -> None:
    ward.enrol(date(2026, 9, 1), planned_on=date(2026, 9, 20))
    ward.send(date(2026, 9, 1))
    ward.move(date(2026, 9, 4), OperationState.PLANNED, planned_on=date(2026, 9, 21))

    assert [ward.send(day) for day in (date(2026, 9, 4), date(2026, 9, 7))] == [{"accepted": 1}, {"accepted": 1}]


def test_the_form_before_an_operation_that_is_put_off_is_asked_for_again_and_counts(ward: Ward) -> None:
    ward.enrol(date(2026, 9, 1), planned_on=date(2026, 9, 20))
    ward.send(date(2026, 9, 1))
    ward.answer("before", date(2026, 9, 2), score=60)
    ward.move(date(2026, 9, 10), OperationState.POSTPONED)
    ward.move(date(2026, 10, 1), OperationState.PLANNED, planned_on=date(2027, 1, 20))

    assert ward.send(date(2026, 11, 21)) == {"accepted": 1}
    ward.answer("before", date(2026, 11, 22), score=60)
    ward.move(date(2027, 1, 21), OperationState.PERFORMED, operated_on=date(2027, 1, 20))

    assert ward.scores(date(2027, 1, 21)) == [(60, None)]
    assert ward.send(date(2027, 1, 18)) == {}


def test_a_form_that_has_not_opened_takes_no_answer_that_would_count_for_nothing(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))

    with pytest.raises(FormNotOpenYet):
        ward.answer("M3", date(2026, 7, 26), score=50)
    ward.answer("M3", date(2026, 7, 27), score=50)


def test_a_deferred_mail_goes_out_on_the_new_day_and_not_before(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))
    with ward.database.transaction() as session:
        row = session.exec(select(Reminder).where(Reminder.due_on == date(2026, 8, 10))).one()
        row.state, row.next_attempt_at = ReminderState.DEFERRED, noon(date(2026, 8, 11))
    ward.move(date(2026, 8, 10), OperationState.PERFORMED, operated_on=date(2026, 7, 10))

    assert [ward.send(day) for day in (date(2026, 8, 11), date(2026, 10, 10))] == [{}, {"accepted": 1}]


def test_mails_passed_over_for_want_of_an_address_come_back_with_it(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10), email="")
    assert ward.send(date(2026, 8, 10)) == {"skipped": 1}

    give_address(ward, date(2026, 8, 11))

    assert ward.send(date(2026, 8, 11)) == {"accepted": 1}


def test_mails_come_back_when_a_stop_was_a_mistake(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))
    day = noon(date(2026, 8, 11))
    ward.write(lambda session: enrolment.stop_emails(session, patient_id=ward.patient_id, by=BY, now=day))
    assert ward.send(date(2026, 8, 10)) == {"skipped": 1}

    ward.write(
        lambda session: enrolment.resume_emails(
            session,
            patient_id=ward.patient_id,
            study=ward.settings.protocol,
            today=date(2026, 8, 11),
            by=BY,
            now=day,
        )
    )

    assert ward.send(date(2026, 8, 11)) == {"accepted": 1}


def test_a_button_pressed_twice_records_one_operation(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))

    def again(session: Session) -> None:
        facts = OperationFacts(
            state=OperationState.PERFORMED,
            procedure="laminoplasty",
            region=Region.CERVICAL,
            operated_on=date(2026, 5, 10),
        )
        patient = session.get_one(Patient, ward.patient_id)
        record_operation(
            session,
            patient_id=patient.id,
            facts=facts,
            study=ward.settings.protocol,
            today=date(2026, 5, 10),
            by=BY,
            now=noon(date(2026, 5, 10)) + timedelta(seconds=1),
        )

    with pytest.raises(InvalidInput, match="recorded already"):
        ward.write(again)


def test_an_address_added_to_an_imported_patient_asks_for_the_form_that_is_open(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10), email="")
    ward.write(lambda session: setattr(session.get_one(Enrolment, ward.patient_id), "is_imported", True))
    assert ward.send(date(2026, 8, 10)) == {"skipped": 1}

    give_address(ward, date(2026, 8, 11))

    assert [ward.send(day) for day in (date(2026, 8, 11), date(2026, 8, 17))] == [{"accepted": 1}, {"accepted": 1}]


def test_a_corrected_address_is_tried_where_the_old_one_was_refused(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))
    with ward.database.transaction() as session:
        for row in session.exec(select(Reminder).where(Reminder.due_on <= date(2026, 8, 24))):
            row.state, row.failed_at, row.failure = ReminderState.REJECTED, noon(row.due_on), "550 no such user"

    give_address(ward, date(2026, 8, 25))

    assert ward.send(date(2026, 8, 25))["accepted"] == 1


def test_tries_for_an_earlier_day_say_nothing_about_the_new_one(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))
    with ward.database.transaction() as session:
        row = session.exec(select(Reminder).where(Reminder.due_on == date(2026, 8, 10))).one()
        row.state, row.n_attempts, row.first_tried_at = ReminderState.DEFERRED, 7, noon(date(2026, 8, 10))
    ward.move(date(2026, 8, 10), OperationState.PERFORMED, operated_on=date(2026, 7, 10))

    with ward.database.reading() as session:
        row = session.exec(select(Reminder).where(Reminder.due_on == date(2026, 10, 10))).one()
        assert (row.n_attempts, row.first_tried_at) == (0, None)


def test_a_day_corrected_backwards_sends_no_mail_on_the_next_day(ward: Ward) -> None:
    ward.enrol(date(2026, 5, 10), operated_on=date(2026, 5, 10))
    ward.send(date(2026, 8, 10))
    ward.move(date(2026, 8, 11), OperationState.PERFORMED, operated_on=date(2026, 5, 1))

    assert [ward.send(day) for day in (date(2026, 8, 11), date(2026, 8, 15))] == [{}, {"accepted": 1}]


def test_answers_given_again_are_sent_again_on_their_own_day(ward: Ward) -> None:
    ward.enrol(date(2026, 9, 1), planned_on=date(2026, 9, 20))
    ward.answer("before", date(2026, 9, 2), score=60)
    ward.move(date(2026, 9, 10), OperationState.PLANNED, planned_on=date(2027, 1, 20))

    ward.answer("before", date(2026, 11, 22), score=70)

    with ward.database.reading() as session:
        assert session.exec(select(Assessment.submitted_at)).one() == noon(date(2026, 11, 22))


def test_answers_given_again_do_not_count_before_they_are_sent(ward: Ward) -> None:
    ward.enrol(date(2026, 9, 1), planned_on=date(2026, 9, 20))
    ward.answer("before", date(2026, 9, 2), score=60)
    ward.move(date(2026, 9, 10), OperationState.PLANNED, planned_on=date(2027, 1, 20))

    ward.answer("before", date(2026, 11, 22), score=70, items=ITEMS[:1])
    ward.move(date(2026, 11, 23), OperationState.PERFORMED, operated_on=date(2026, 11, 22))

    assert ward.scores(date(2026, 11, 22)) == [(None, None)]


def give_address(ward: Ward, day: date) -> None:
    details = ContactDetails(
        family_name="Mihon", given_name="", kana="", email="new@example.org", phone="", language="en"
    )
    ward.write(
        lambda session: enrolment.change_contact(
            session,
            patient_id=ward.patient_id,
            details=details,
            study=ward.settings.protocol,
            today=day,
            by=BY,
            now=noon(day),
        )
    )


def test_a_first_answer_right_after_the_mail_for_the_new_day_is_noticed(ward: Ward) -> None:
    ward.enrol(date(2026, 9, 1), planned_on=date(2026, 9, 20))
    ward.answer("before", date(2026, 9, 2), score=60)
    ward.move(date(2026, 9, 10), OperationState.PLANNED, planned_on=date(2027, 1, 20))
    day = date(2026, 11, 23)
    assert ward.send(day)["accepted"] == 1

    public_id = ward.public_id("before", day)
    told = {"study": ward.settings.protocol, "today": day, "by": patient_link(public_id)}
    given = GivenAnswer(item="low_back", score=50)
    with ward.database.transaction() as session:
        form = assessment.lock_and_open_form(session, public_id=public_id)
        soon = noon(day) + timedelta(seconds=5)
        assessment.record_answer(session, form=form, answer=given, language="en", now=soon, **told)

    with ward.database.reading() as session:
        assert session.exec(select(Assessment.suspicion)).one() == Suspicion.RIGHT_AFTER_MAIL
