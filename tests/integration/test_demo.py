"""The demo registry tells the truth that was planted in it, and looks like a registry in use."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from statistics import correlation, fmean, stdev

import pytest
import sqlalchemy
from sqlalchemy import text
from sqlmodel import Session, col, select

from registry.config import Settings
from registry.domain.actors import Actor
from registry.domain.schedule import FollowUpFacts, FollowUpStatus, status_of
from registry.domain.study import BEFORE, VisitWindow
from registry.mail.transport import transport_of
from registry.security.keys import KeyRing
from registry.services import accounts
from registry.services.demo import DemoRefused, load_demo
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.cohorts import CohortQuery, PairCount, pair_counts
from registry.storage.database import Database
from registry.storage.enrolments import page_of_patients, site_id_of
from registry.storage.models import (
    Answer,
    Assessment,
    Classification,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Reminder,
    ReminderState,
)
from tests.factories import make_patient

# Everything that a report or a page shows, without ids that are drawn anew and rows that tell of the loading.
CLINICAL_VALUES = {
    "patient": "SELECT study_id, sex, birth_year, language, died_on, created_at FROM patient",
    "contact": "SELECT family_name, given_name, kana, email, phone, emails_stopped_at FROM contact",
    "enrolment": "SELECT enrolled_on, withdrawn_on, is_imported FROM enrolment",
    "operation": "SELECT state, planned_on, operated_on, region, procedure FROM operation",
    "classification": "SELECT patient_id, group_code, evidence, assessed_on FROM classification",
    "follow_up": "SELECT operation_id, timepoint, opens_on, due_on, closes_on, declined_on FROM follow_up",
    "assessment": "SELECT follow_up_id, language, started_at, submitted_at FROM assessment",
    "answer": "SELECT assessment_id, item, score, is_skipped, mode, answered_on, line_px FROM answer",
    "reminder": "SELECT follow_up_id, rung, due_on, state, skip_reason, sent_at FROM reminder",
}


def loaded(database: Database, settings: Settings, now: datetime, by: Actor) -> None:
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)


def entrants(session: Session, today: date) -> Mapping[str, list[tuple[int, int]]]:
    """The pairs of the report under the entry rule, by group; a missing score after fails here."""
    query = CohortQuery("low_back", "lumbar_disease", today)
    found: dict[str, list[tuple[int, int]]] = {}
    for count in pair_counts(session, query, timepoint="M12"):
        if count.before is not None and count.before >= 30:
            assert count.after is not None
            found.setdefault(count.group, []).extend([(count.before, count.after)] * count.n)
    return found


def operated_again(session: Session) -> list[tuple[Operation, Operation]]:
    """The first and the second operation of everybody who had two."""
    by_patient: dict[int, list[Operation]] = {}
    for operation in session.exec(select(Operation).order_by(col(Operation.operated_on))):
        by_patient.setdefault(operation.patient_id, []).append(operation)
    return [(rows[0], rows[1]) for rows in by_patient.values() if len(rows) == 2]


def group_of(session: Session, patient_id: int) -> str:
    return session.exec(select(Classification).where(Classification.patient_id == patient_id)).one().group_code


def scores_of(session: Session, patient_id: int) -> list[tuple[date, int, int]]:
    rows = session.exec(
        select(Answer)
        .join(Assessment, col(Assessment.id) == Answer.assessment_id)
        .where(Assessment.patient_id == patient_id, Answer.item == "low_back", col(Answer.score).is_not(None))
    )
    return [(row.answered_on, row.id, row.score or 0) for row in rows]


def last_score(scores: list[tuple[date, int, int]], window: VisitWindow) -> int:
    return max(score for score in scores if window.contains(score[0]))[2]


@pytest.mark.parametrize("day", ["2026-11-20", "2028-08-31"])
def test_the_report_recovers_the_planted_means_and_spreads(
    database: Database, settings: Settings, by: Actor, day: str
) -> None:
    now = datetime.fromisoformat(f"{day}T03:00:00+00:00")

    loaded(database, settings, now, by)

    with database.reading() as session:
        pairs = entrants(session, date.fromisoformat(day))
    assert {group: len(rows) for group, rows in pairs.items()} == {"without": 30, "with": 26}
    for group, before, after in (("without", 50.7, 27.7), ("with", 59.8, 54.5)):
        assert fmean(pair[0] for pair in pairs[group]) == pytest.approx(before, abs=0.05)
        assert fmean(pair[1] for pair in pairs[group]) == pytest.approx(after, abs=0.05)
    for rows in pairs.values():
        scores_before, scores_after = zip(*rows, strict=True)
        assert 13 <= stdev(scores_before) <= 17
        assert 20 <= stdev(scores_after) <= 25
        assert 0.2 <= correlation(scores_before, scores_after) <= 0.7


def test_nine_have_a_lumbar_operation_with_scores_of_its_own(
    database: Database, settings: Settings, now: datetime, by: Actor
) -> None:
    loaded(database, settings, now, by)

    study = settings.protocol
    ahead, year = study.timepoint(BEFORE), study.timepoint("M12")
    assert ahead is not None
    assert year is not None
    before, after, months, groups, shared = [], [], [], [], 0
    with database.reading() as session:
        for index, lumbar in operated_again(session):
            assert (index.region, lumbar.region) == ("cervical", "lumbar")
            assert index.operated_on is not None
            assert lumbar.operated_on is not None
            scores = scores_of(session, lumbar.patient_id)
            before.append(last_score(scores, ahead.window(lumbar.operated_on)))
            after.append(last_score(scores, year.window(lumbar.operated_on)))
            months.append((lumbar.operated_on - index.operated_on).days / 30.4375)
            yearly = {day for day, *_ in scores if year.window(index.operated_on).contains(day)}
            shared += any(ahead.window(lumbar.operated_on).contains(day) for day in yearly)
            groups.append(group_of(session, lumbar.patient_id))
    assert groups == ["with"] * 9
    assert fmean(before) == pytest.approx(56.0, abs=0.05)
    assert fmean(after) == pytest.approx(38.3, abs=0.05)
    assert fmean(months) == pytest.approx(12.8, abs=0.1)
    assert shared == 2


def test_193_were_operated_on_and_the_plans_stand_beside_them(
    database: Database, settings: Settings, now: datetime, by: Actor
) -> None:
    loaded(database, settings, now, by)

    with database.reading() as session:
        states = dict(session.execute(text("SELECT state, count(DISTINCT patient_id) FROM operation GROUP BY 1")).all())
    assert states == {"performed": 193, "planned": 6, "postponed": 1, "cancelled": 1}


def test_at_least_twenty_mails_are_due_and_really_leave(
    database: Database, settings: Settings, keys: KeyRing, now: datetime, by: Actor
) -> None:
    loaded(database, settings, now, by)

    with transport_of(settings.mail) as transport:
        dispatch = Dispatch(database, settings, keys, transport, lambda: now)
        outcomes, again = send_due_reminders(dispatch), send_due_reminders(dispatch)

    assert 20 <= outcomes["accepted"] <= 60
    assert set(outcomes) <= {"accepted", "skipped"}
    assert again == {}
    texts = [path.read_text(errors="replace") for path in settings.mail.folder.glob("*.eml")]
    assert len(texts) == outcomes["accepted"]
    assert all("@example.org" in content for content in texts)


def test_some_mails_are_about_operations_to_come_and_some_are_caught_up_with(
    database: Database, settings: Settings, now: datetime, today: date, by: Actor
) -> None:
    loaded(database, settings, now, by)

    with database.reading() as session:
        rows = session.exec(
            select(Reminder, FollowUp)
            .join(FollowUp, col(FollowUp.id) == Reminder.follow_up_id)
            .where(Reminder.state == ReminderState.PLANNED, Reminder.due_on <= today)
        )
        due = [(reminder.due_on, follow_up.timepoint) for reminder, follow_up in rows]
    assert sum(timepoint == BEFORE for _, timepoint in due) >= 2
    assert 1 <= sum(day < today for day, _ in due) <= 6
    assert {timepoint for _, timepoint in due} == {BEFORE, "M3", "M6", "M12", "M24"}


def test_follow_ups_stand_in_every_state(
    database: Database, settings: Settings, now: datetime, today: date, by: Actor
) -> None:
    loaded(database, settings, now, by)

    with database.reading() as session:
        rows = session.execute(
            sqlalchemy.select(FollowUp, Operation, Enrolment, Patient, Assessment)
            .join(Operation, col(Operation.id) == FollowUp.operation_id)
            .join(Enrolment, col(Enrolment.patient_id) == FollowUp.patient_id)
            .join(Patient, col(Patient.id) == FollowUp.patient_id)
            .outerjoin(Assessment, col(Assessment.follow_up_id) == FollowUp.id)
        )
        states = [
            status_of(
                FollowUpFacts(
                    window=VisitWindow(follow_up.opens_on, follow_up.due_on, follow_up.closes_on),
                    operation_state=operation.state,
                    has_answers=assessment is not None,
                    is_submitted=assessment is not None and assessment.submitted_at is not None,
                    declined_on=follow_up.declined_on,
                    withdrawn_on=enrolment.withdrawn_on,
                    died_on=patient.died_on,
                ),
                today=today,
            )
            for follow_up, operation, enrolment, patient, assessment in rows
        ]
    assert set(states) == set(FollowUpStatus)
    assert states.count(FollowUpStatus.OVERDUE) >= 10


def test_answers_come_in_every_mode_and_both_languages_and_some_are_skipped(
    database: Database, settings: Settings, now: datetime, by: Actor
) -> None:
    loaded(database, settings, now, by)

    with database.reading() as session:
        modes = set(session.execute(text("SELECT DISTINCT mode FROM answer WHERE mode IS NOT NULL")).scalars())
        skipped = session.execute(text("SELECT count(*) FROM answer WHERE score IS NULL")).scalar_one()
        languages = dict(session.execute(text("SELECT language, count(*) FROM patient GROUP BY 1")).all())
        no_email = session.execute(text("SELECT count(*) FROM contact WHERE email IS NULL")).scalar_one()
        groups = session.execute(text("SELECT count(*) FROM classification WHERE group_code = 'unknown'")).scalar_one()
    assert modes >= {"touch", "mouse", "keyboard", "number", "paper", "phone"}
    assert 20 <= skipped <= 200
    assert min(languages["en"], languages["ja"]) >= 20
    assert no_email >= 10
    assert groups >= 1


def test_nothing_happened_before_its_time_or_after_now(
    database: Database, settings: Settings, now: datetime, today: date, by: Actor
) -> None:
    loaded(database, settings, now, by)

    with database.reading() as session:
        sent = session.exec(select(Reminder.sent_at).where(Reminder.state == ReminderState.ACCEPTED)).all()
        answers = session.exec(select(Answer)).all()
        assessments = session.exec(select(Assessment)).all()
        deaths = {row.id: row.died_on for row in session.exec(select(Patient)) if row.died_on}
        ends = deaths | {
            row.patient_id: row.withdrawn_on for row in session.exec(select(Enrolment)) if row.withdrawn_on
        }
        patient_of = {row.id: row.patient_id for row in assessments}
    assert len(sent) > 500
    assert max(at for at in sent if at is not None) < now
    assert max(answer.recorded_at for answer in answers) < now
    assert len(ends) == 8
    for answer in answers:
        end = ends.get(patient_of[answer.assessment_id])
        assert end is None or answer.answered_on < end


def test_the_same_moment_gives_the_same_clinical_values(
    database: Database, settings: Settings, now: datetime, by: Actor
) -> None:
    def values() -> dict[str, list[tuple[object, ...]]]:
        with database.engine.connect() as connection, connection.begin() as transaction:
            session = Session(connection)
            load_demo(session, settings=settings, now=now, by=by)
            session.flush()
            found = {
                table: [tuple(row) for row in session.execute(text(f"{query} ORDER BY {key(table)}"))]
                for table, query in CLINICAL_VALUES.items()
            }
            first_ids = {
                table: session.execute(text(f"SELECT min({key(table)}) FROM {table}")).scalar_one()
                for table in CLINICAL_VALUES
            }
            transaction.rollback()
        return {table: relative(table, rows, first_ids) for table, rows in found.items()}

    def key(table: str) -> str:
        return "patient_id" if table in ("contact", "enrolment") else "id"

    def relative(table: str, rows: list[tuple[object, ...]], first_ids: dict[str, int]) -> list[tuple[object, ...]]:
        """Rows with their reference counted from the first: a sequence goes on after a roll-back."""
        parents = {
            "classification": "patient",
            "follow_up": "operation",
            "assessment": "follow_up",
            "answer": "assessment",
            "reminder": "follow_up",
        }
        if table not in parents:
            return rows
        start = first_ids[parents[table]]
        return [(int(str(row[0])) - start, *row[1:]) for row in rows]

    first, second = values(), values()

    assert len(first["answer"]) > 3000
    assert first == second


def test_the_sign_ins_open_the_pages(database: Database, settings: Settings, now: datetime, by: Actor) -> None:
    with database.transaction() as session:
        sign_ins = load_demo(session, settings=settings, now=now, by=by).sign_ins

    with database.transaction() as session:
        secrets = [
            accounts.sign_in(
                session,
                staff_id=accounts.checked_staff(session, sign_in_name=name, password=password),
                now=now,
            )
            for name, password in sign_ins
        ]

    assert len(set(secrets)) == 2
    assert all(len(password) >= 12 for _, password in sign_ins)


def test_progress_counts_up_to_the_number_of_patients(
    database: Database, settings: Settings, now: datetime, by: Actor
) -> None:
    heard: list[tuple[int, int]] = []

    with database.transaction() as session:
        summary = load_demo(session, settings=settings, now=now, by=by, progress=lambda *step: heard.append(step))

    assert heard == [(n, summary.n_patients) for n in range(1, summary.n_patients + 1)]


def test_a_registry_with_a_patient_is_left_alone(
    database: Database, settings: Settings, now: datetime, by: Actor
) -> None:
    with database.transaction() as session:
        make_patient(session, now=now)

    with pytest.raises(DemoRefused, match="already has patients"):
        loaded(database, settings, now, by)

    with database.reading() as session:
        site_id = site_id_of(session, code="DEMO") or 0
        assert len(page_of_patients(session, site_id=site_id, page=1)) == 1


def test_a_registry_that_is_no_demonstration_is_left_alone(
    database: Database, settings: Settings, now: datetime, by: Actor
) -> None:
    real = settings.model_copy(update={"demo": settings.demo.model_copy(update={"enabled": False})})

    with pytest.raises(DemoRefused, match=r"demo\.enabled"):
        loaded(database, real, now, by)

    with database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM patient")).scalar_one() == 0


def test_a_planted_mean_would_be_missed_if_another_score_were_counted(
    database: Database, settings: Settings, now: datetime, today: date, by: Actor
) -> None:
    """A control: one score changed by 40 points moves the mean out of its bounds."""
    loaded(database, settings, now, by)
    with database.transaction() as session:
        session.execute(
            text(
                "UPDATE answer SET score = CASE WHEN score < 50 THEN score + 40 ELSE score - 40 END"
                " WHERE id = (SELECT min(answer.id) FROM answer"
                " JOIN assessment ON assessment.id = answer.assessment_id"
                " JOIN follow_up ON follow_up.id = assessment.follow_up_id"
                " JOIN classification ON classification.patient_id = follow_up.patient_id"
                " JOIN operation ON operation.id = follow_up.operation_id"
                " WHERE item = 'low_back' AND timepoint = 'M12' AND group_code = 'with'"
                " AND region = 'cervical' AND follow_up.patient_id IN"
                " (SELECT patient_id FROM operation GROUP BY 1 HAVING count(*) > 1))"
            )
        )

    with database.reading() as session:
        after = [pair[1] for pair in entrants(session, today)["with"]]

    assert abs(fmean(after) - 54.5) > 0.5


def test_the_clock_of_the_site_decides_the_day(database: Database, settings: Settings, by: Actor) -> None:
    """In the evening in UTC it is the next day in Tokyo: nothing of that day was answered yet."""
    loaded(database, settings, datetime(2026, 11, 19, 20, 0, tzinfo=UTC), by)

    with database.reading() as session:
        query = CohortQuery("low_back", "lumbar_disease", date(2026, 11, 20))
        counts: list[PairCount] = pair_counts(session, query, timepoint="M12")
        due = session.exec(select(Reminder).where(Reminder.due_on == date(2026, 11, 20))).all()
    assert sum(count.n for count in counts) == 193
    assert sum(mail.state == ReminderState.PLANNED for mail in due) >= 20
