"""A table of patients comes in whole or not at all, and comes in once."""

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlmodel import col, select

from registry.config import Settings
from registry.domain.actors import Actor
from registry.domain.instruments import Mode
from registry.domain.vocabularies import Evidence, LumbarDisease, OperationState, Region, Sex
from registry.mail.transport import transport_of
from registry.security.keys import KeyRing
from registry.services.imports import ImportProblems, ImportResult, TableUnreadable, import_patients, open_table
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.cohorts import CohortQuery, PairCount, pair_counts
from registry.storage.database import Database
from registry.storage.enrolments import page_of_patients, site_id_of
from registry.storage.models import (
    Answer,
    Assessment,
    AuditEvent,
    Classification,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Reminder,
    Site,
)
from tests.factories import classify, make_operation, make_patient

HEADER = (
    "study_id,sex,birth_year,operated_on,procedure,lumbar_disease,"
    "before_on,low_back_before,neck_before,M12_on,low_back_M12,neck_M12"
)
GOOD = "K-001,female,1950,2024-05-10,laminoplasty,with,2024-05-01,60,40,2025-05-12,55,20"
TABLES = ("patient", "contact", "enrolment", "operation", "classification", "follow_up", "assessment", "answer")


class Importer:
    """Imports tables into the site of the test."""

    def __init__(self, database: Database, settings: Settings, now: datetime, today: date, by: Actor) -> None:
        self.database, self.settings, self.now, self.today, self.by = database, settings, now, today, by
        self.heard: list[tuple[int, int]] = []

    def __call__(self, *rows: str, header: str = HEADER) -> ImportResult:
        return self.lines(f"{line}\n" for line in (header, *rows))

    def lines(self, file: Iterable[str]) -> ImportResult:
        with self.database.transaction() as session:
            return import_patients(
                session,
                file=file,
                site_id=site_id_of(session, code="DEMO") or 0,
                settings=self.settings,
                today=self.today,
                now=self.now,
                by=self.by,
                progress=lambda *step: self.heard.append(step),
            )

    def problems(self, *rows: str, header: str = HEADER) -> list[tuple[int, str, str, str]]:
        with pytest.raises(ImportProblems) as caught:
            self(*rows, header=header)
        return [(problem.row, problem.column, problem.value, problem.reason) for problem in caught.value.problems]

    def counts(self) -> dict[str, int]:
        with self.database.reading() as session:
            return {
                table: session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                for table in (*TABLES, "reminder", "audit_event")
            }


@pytest.fixture
def importer(database: Database, settings: Settings, now: datetime, today: date, by: Actor) -> Importer:
    return Importer(database, settings, now, today, by)


# What is written


def test_a_row_becomes_a_patient_with_everything_around(importer: Importer) -> None:
    result = importer(GOOD)

    with importer.database.reading() as session:
        patient, contact = session.exec(select(Patient)).one(), session.exec(select(Contact)).one()
        enrolment = session.exec(select(Enrolment)).one()
        operation = session.exec(select(Operation)).one()
        group = session.exec(select(Classification)).one()
        answers = {(answer.item, answer.answered_on): answer.score for answer in session.exec(select(Answer))}
        forms = session.exec(select(FollowUp.timepoint).order_by(col(FollowUp.due_on))).all()
        modes = set(session.exec(select(Answer.mode)))
    assert (result.n_added, result.n_answers, result.n_already_there) == (1, 4, 0)
    assert (patient.study_id, patient.sex, patient.birth_year) == ("K-001", Sex.FEMALE, 1950)
    assert (patient.language, contact.family_name, contact.email) == ("ja", "", None)
    assert (enrolment.enrolled_on, enrolment.is_imported) == (date(2024, 5, 1), True)
    assert (operation.state, operation.operated_on) == (OperationState.PERFORMED, date(2024, 5, 10))
    assert (operation.procedure, operation.region) == ("laminoplasty", Region.CERVICAL)
    assert (group.group_code, group.assessed_on) == (LumbarDisease.WITH, None)
    assert group.evidence == Evidence.NOT_STATED
    assert answers == {
        ("low_back", date(2024, 5, 1)): 60,
        ("neck", date(2024, 5, 1)): 40,
        ("low_back", date(2025, 5, 12)): 55,
        ("neck", date(2025, 5, 12)): 20,
    }
    assert list(forms) == ["before", "M3", "M6", "M12", "M24"]
    assert modes == {Mode.IMPORT}


def test_the_report_counts_an_imported_patient(importer: Importer) -> None:
    importer(GOOD)

    with importer.database.reading() as session:
        query = CohortQuery("low_back", "lumbar_disease", importer.today)
        counts = pair_counts(session, query, timepoint="M12")
    assert counts == [PairCount("with", 60, 55, 1)]


def test_an_answer_is_dated_by_its_noon_at_the_site_and_recorded_now(importer: Importer) -> None:
    importer(GOOD, "K-002,,1950,2026-11-01,,,,,,,,", "K-003,,1950,2025-11-20,,,,,,2026-11-20,5,")

    with importer.database.reading() as session:
        sent = session.exec(select(Assessment.submitted_at).order_by(col(Assessment.submitted_at))).all()
        recorded = set(session.exec(select(Answer.recorded_at)))
    noons = [datetime.fromisoformat(f"{day}T12:00+09:00") for day in ("2024-05-01", "2025-05-12", "2026-11-20")]
    assert list(sent) == noons
    assert recorded == {importer.now}


def test_empty_cells_stay_missing(importer: Importer) -> None:
    importer("K-001,,1950,2024-05-10,,,2024-05-01,0,,,,")

    with importer.database.reading() as session:
        answers = session.exec(select(Answer)).all()
        patient, operation = session.exec(select(Patient)).one(), session.exec(select(Operation)).one()
        groups = session.exec(select(Classification)).all()
    assert [(answer.item, answer.score, answer.is_skipped) for answer in answers] == [("low_back", 0, False)]
    assert (patient.sex, operation.procedure, operation.region) == (Sex.UNKNOWN, "other", Region.OTHER)
    assert not groups


def test_a_patient_needs_no_more_than_a_study_id_and_a_year_of_birth(importer: Importer) -> None:
    result = importer("K-001,1950", header="study_id,birth_year")

    with importer.database.reading() as session:
        site_id = site_id_of(session, code="DEMO") or 0
        row = page_of_patients(session, site_id=site_id, page=1)[0]
    assert result.n_added == 1
    assert (row.enrolment.enrolled_on, list(row.operations)) == (importer.today, [])


@pytest.mark.parametrize(
    ("written", "stored", "region"),
    [
        ("laminoplasty", "laminoplasty", Region.CERVICAL),
        ("CERVICAL Laminoplasty", "laminoplasty", Region.CERVICAL),
        ("lumbar fusion", "lumbar_fusion", Region.LUMBAR),
        ("椎弓形成術 C3-6", "椎弓形成術 C3-6", Region.OTHER),
    ],
)
def test_a_procedure_is_known_by_code_or_label_or_kept_as_written(
    importer: Importer, written: str, stored: str, region: Region
) -> None:
    importer(f"K-001,,1950,2024-05-10,{written},,,,,,,")

    with importer.database.reading() as session:
        operation = session.exec(select(Operation)).one()
    assert (operation.procedure, operation.region) == (stored, region)


def test_full_width_digits_are_taken_as_digits(importer: Importer) -> None:
    importer("K-001,,１９５０,２０２４-０５-１０,,,2024-05-01, ６０ ,１００,,,")

    with importer.database.reading() as session:
        scores = session.exec(select(Answer.score).order_by(col(Answer.item))).all()
    assert list(scores) == [60, 100]


def test_an_answer_outside_its_window_is_kept(importer: Importer) -> None:
    importer("K-001,,1950,2020-05-10,,,2019-01-01,60,,2023-05-12,55,")

    with importer.database.reading() as session:
        n_answers = len(session.exec(select(Answer)).all())
        query = CohortQuery("low_back", "lumbar_disease", importer.today)
        counts = pair_counts(session, query, timepoint="M12")
    assert n_answers == 2
    assert counts == [PairCount("unknown", None, None, 1)]


def test_a_day_without_scores_is_counted_and_records_nothing(importer: Importer) -> None:
    result = importer("K-001,,1950,2024-05-10,,,2024-05-01,,,,,")

    assert result.n_dates_without_scores == 1
    assert importer.counts()["assessment"] == 0


def test_each_patient_has_one_audit_row_without_scores(importer: Importer) -> None:
    importer(GOOD, "K-002,,1950,,,,,,,,,")

    with importer.database.reading() as session:
        events = session.exec(select(AuditEvent).order_by(col(AuditEvent.id))).all()
    assert [event.action for event in events] == ["patient_imported", "patient_imported"]
    assert events[0].details == {"row": 2, "operation": True, "classification": True, "timepoints": "before M12"}


# What is sent


def test_past_timepoints_send_nothing_and_coming_ones_are_planned(
    importer: Importer, keys: KeyRing, settings: Settings
) -> None:
    importer("K-001,,1950,2026-06-15,,,2026-06-01,60,,,,")
    with importer.database.transaction() as session:
        session.execute(text("UPDATE contact SET email = 'imported@example.org'"))

    with transport_of(settings.mail) as transport:
        sent = send_due_reminders(Dispatch(importer.database, settings, keys, transport, lambda: importer.now))

    with importer.database.reading() as session:
        planned = session.exec(
            select(col(FollowUp.timepoint), col(Reminder.due_on))
            .join(Reminder, col(Reminder.follow_up_id) == FollowUp.id)
            .order_by(col(Reminder.due_on))
        ).all()
    assert sent == {}
    assert [timepoint for timepoint, _ in planned] == ["M6"] * 3 + ["M12"] * 3 + ["M24"] * 3
    assert min(due_on for _, due_on in planned) == date(2026, 12, 15)


def test_a_timepoint_due_today_is_still_asked_for_and_one_due_yesterday_is_not(importer: Importer) -> None:
    importer("K-001,,1950,2026-05-20,,,,,,,,", "K-002,,1950,2026-05-19,,,,,,,,")

    with importer.database.reading() as session:
        rows = session.exec(
            select(col(Patient.study_id), col(Reminder.due_on))
            .join(Reminder, col(Reminder.patient_id) == Patient.id)
            .order_by(col(Reminder.due_on))
        ).all()
    assert rows[0] == ("K-001", importer.today)
    assert min(day for study_id, day in rows if study_id == "K-002") == date(2027, 5, 19)


# Run again


def test_the_same_file_again_changes_nothing(importer: Importer) -> None:
    importer(GOOD, "K-002,,1950,,,,,,,,,")
    before = importer.counts()

    again = importer(GOOD, "K-002,,1950,,,,,,,,,")

    assert (again.n_added, again.n_updated, again.n_already_there) == (0, 0, 2)
    assert importer.counts() == before


def test_scores_of_a_timepoint_that_was_missing_are_added(importer: Importer) -> None:
    importer("K-001,female,1950,2024-05-10,laminoplasty,with,2024-05-01,60,40,,,")

    result = importer(GOOD)

    with importer.database.reading() as session:
        events = [event.action for event in session.exec(select(AuditEvent).order_by(col(AuditEvent.id)))]
    assert (result.n_added, result.n_updated, result.n_answers) == (0, 1, 2)
    assert events == ["patient_imported", "patient_completed_by_import"]
    assert importer(GOOD).n_already_there == 1


def test_an_operation_a_group_and_an_item_that_were_missing_are_added(importer: Importer) -> None:
    importer("K-001,,1950,,,,,,,,,", "K-002,,1950,2024-05-10,,,2024-05-01,60,,,,")

    result = importer(
        "K-001,,1950,2024-05-10,laminoplasty,without,,,,,,", "K-002,,1950,2024-05-10,,,2024-05-01,60,40,,,"
    )

    counts = importer.counts()
    assert (result.n_updated, result.n_answers) == (2, 1)
    assert (counts["operation"], counts["classification"], counts["follow_up"]) == (2, 1, 10)
    assert (counts["assessment"], counts["answer"]) == (1, 2)


@pytest.mark.parametrize(
    ("row", "column", "old", "new"),
    [
        (GOOD.replace("1950", "1951"), "birth_year", "1950", "1951"),
        (GOOD.replace("female", "male"), "sex", "female", "male"),
        (GOOD.replace("2024-05-10", "2024-05-11"), "operated_on", "2024-05-10", "2024-05-11"),
        (GOOD.replace("laminoplasty", "acdf"), "procedure", "laminoplasty", "acdf"),
        (GOOD.replace(",with,", ",without,"), "lumbar_disease", "with", "without"),
        (GOOD.replace("2025-05-12", "2025-05-13"), "M12_on", "2025-05-12", "2025-05-13"),
        (GOOD.replace(",55,", ",56,"), "low_back_M12", "55", "56"),
    ],
)
def test_a_recorded_value_that_differs_is_named_with_old_and_new_and_nothing_is_written(
    importer: Importer, row: str, column: str, old: str, new: str
) -> None:
    importer(GOOD)
    before = importer.counts()

    problems = importer.problems("K-009,,1950,,,,,,,,,", row)

    assert [(number, name, value) for number, name, value, _ in problems] == [(3, column, new)]
    assert f"the registry has {old}, the file says {new}" in problems[0][3]
    assert importer.counts() == before


def test_a_patient_enrolled_by_hand_is_completed(
    importer: Importer, settings: Settings, now: datetime, today: date
) -> None:
    with importer.database.transaction() as session:
        patient = make_patient(session, now=now, study_id="K-001")
        make_operation(session, patient, settings, now=now, today=today, operated_on=date(2024, 5, 10))
        classify(session, patient, "with", now=now, today=today)

    result = importer("K-001,female,1952,2024-05-10,laminoplasty,with,2024-05-01,60,40,2025-05-12,55,20")

    assert (result.n_updated, result.n_answers) == (1, 4)
    assert importer.counts()["follow_up"] == 5


def test_a_form_that_the_patient_is_filling_in_is_left_alone(
    importer: Importer, settings: Settings, now: datetime, today: date
) -> None:
    with importer.database.transaction() as session:
        patient = make_patient(session, now=now, study_id="K-001")
        make_operation(session, patient, settings, now=now, today=today, operated_on=date(2026, 8, 19))
        session.execute(
            text(
                "INSERT INTO assessment (follow_up_id, patient_id, reference, language, started_at)"
                " SELECT id, patient_id, 'abc', 'en', '2026-11-19 00:00:00' FROM follow_up"
                " WHERE timepoint = 'M3'"
            )
        )

    header = "study_id,birth_year,operated_on,M3_on,low_back_M3"
    problems = importer.problems("K-001,1952,2026-08-19,2026-11-19,50", header=header)

    assert [(row, column) for row, column, *_ in problems] == [(2, "M3_on")]
    assert "has begun this form" in problems[0][3]


def test_the_same_study_id_at_another_site_is_another_patient(importer: Importer, now: datetime) -> None:
    importer(GOOD)
    with importer.database.transaction() as session:
        other = Site(code="OTHER")
        session.add(other)
        session.flush()
        session.execute(text("UPDATE patient SET site_id = :id"), {"id": other.id})

    assert importer(GOOD).n_added == 1


# What is refused


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("4.5", "not a whole number"),
        ('"4,5"', "not a whole number"),
        ("101", "above 100"),
        ("9" * 5000, "above 100"),
        ("-1", "below 0"),
        ("\u22121", "below 0"),
        ("abc", "not a number"),
        ("1e1", "not a number"),
        ("٤٥", "not a number"),
        ("NULL", "not a number"),
    ],
)
def test_a_score_that_is_no_whole_number_to_100_is_refused_with_its_reason(
    importer: Importer, value: str, reason: str
) -> None:
    problems = importer.problems(f"K-001,,1950,2024-05-10,,,2024-05-01,{value},,,,")

    assert [(row, column, cell) for row, column, cell, _ in problems] == [(2, "low_back_before", value.strip('"'))]
    assert problems[0][3].startswith(reason)


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (",,1950,,,,,,,,,", "study_id", "must not be empty"),
        ("K-001,,,,,,,,,,,", "birth_year", "must not be empty"),
        ("K-001,,50,,,,,,,,,", "birth_year", "not a year of four digits"),
        ("K-001,,1850,,,,,,,,,", "birth_year", "Enter a year from"),
        ("K-001,,2027,,,,,,,,,", "birth_year", "Enter a year from"),
        (f"{'K' * 41},,1950,,,,,,,,,", "study_id", "at most 40"),
        ("K\x00,,1950,,,,,,,,,", "study_id", "without blanks"),
        ("K-001,woman,1950,,,,,,,,,", "sex", "not one of female, male, other, unknown"),
        ("K-001,,1950,2024-05-10,,yes,,,,,,", "lumbar_disease", "not one of without, with, unknown"),
        (f"K-001,,1950,2024-05-10,{'x' * 101},,,,,,,", "procedure", "longer than 100"),
        ("K-001,,1950,10/05/2024,,,,,,,,", "operated_on", "not a day written as YYYY-MM-DD"),
        ("K-001,,1950,20240510,,,,,,,,", "operated_on", "not a day written as YYYY-MM-DD"),
        ("K-001,,1950,2025-02-29,,,,,,,,", "operated_on", "no such day"),
        ("K-001,,1950,1949-12-31,,,,,,,,", "operated_on", "before the patient was born"),
        ("K-001,,1950,2026-11-21,,,,,,,,", "operated_on", "in the future"),
        ("K-001,,1950,2024-05-10,,,2024-05-11,60,,,,", "before_on", "after the operation"),
        ("K-001,,1950,2024-05-10,,,,,,2024-05-09,60,", "M12_on", "not after the operation"),
        ("K-001,,1950,2024-05-10,,,,,,2024-05-10,60,", "M12_on", "not after the operation"),
        ("K-001,,1950,2024-05-10,,,,,,2026-11-21,60,", "M12_on", "in the future"),
        ("K-001,,1950,2024-05-10,,,1949-05-10,60,,,,", "before_on", "before the patient was born"),
        ("K-001,,1950,2024-05-10,,,,60,,,,", "before_on", "enter the day of the scores"),
        ("K-001,,1950,2024-05-10,,,,,,,,20", "M12_on", "enter the day of the scores"),
        ("K-001,,1950,,,,2024-05-01,60,,,,", "operated_on", "enter the day of the operation"),
        ("K-001,,1950,2024-05-10", "", "this row has 4 values"),
        ("K-001,,1950,2024-05-10,,,,,,,,,7", "", "this row has 13 values"),
    ],
)
def test_an_impossible_value_is_refused_at_its_column(importer: Importer, row: str, column: str, reason: str) -> None:
    problems = importer.problems("K-009,,1950,,,,,,,,,", row)

    assert [(number, name) for number, name, *_ in problems] == [(3, column)]
    assert reason in problems[0][3]


@pytest.mark.parametrize(
    ("header", "column", "reason"),
    [
        ("study_id,birth_year,low_back_m12", "low_back_m12", "did you mean low_back_M12?"),
        ("study_id,birth_year,shoe_size", "shoe_size", "not a column of the registry"),
        ("study_id,birth_year,sex,sex", "sex", "there twice"),
        ("study_id,birth_year,", "", "has no name"),
        ("study_id,sex", "birth_year", "this column is missing"),
        ("birth_year,sex", "study_id", "this column is missing"),
    ],
)
def test_a_wrong_header_is_a_problem_of_row_1(importer: Importer, header: str, column: str, reason: str) -> None:
    problems = importer.problems(header=header)

    assert [(row, name) for row, name, *_ in problems] == [(1, column)]
    assert reason in problems[0][3]


def test_semicolons_are_recognised(importer: Importer) -> None:
    problems = importer.problems(header="study_id;birth_year")

    assert "comma-separated" in problems[0][3]


def test_an_empty_file_says_so(importer: Importer) -> None:
    with pytest.raises(ImportProblems, match="the file is empty"):
        importer.lines([])


def test_a_study_id_that_comes_twice_names_the_first_row(importer: Importer) -> None:
    problems = importer.problems("K-001,,1950,,,,,,,,,", "", "Ｋ-００１,,1950,,,,,,,,,")

    assert problems == [(4, "study_id", "Ｋ-００１", "this study ID is in row 2 already")]


def test_every_problem_of_every_row_is_listed_and_nothing_is_written(importer: Importer) -> None:
    before = importer.counts()

    problems = importer.problems(
        GOOD,
        "K-002,,1850,2024-05-10,,,2024-05-01,101,4.5,,,",
        "K-003,,1950,,,,,,,,,",
        ",woman,1950,,,,,,,,,",
    )

    assert [(row, column) for row, column, *_ in problems] == [
        (3, "birth_year"),
        (3, "low_back_before"),
        (3, "neck_before"),
        (5, "study_id"),
        (5, "sex"),
    ]
    assert importer.counts() == before


def test_the_good_rows_alone_would_have_been_written(importer: Importer) -> None:
    """The control of the test above: without the bad rows the same table comes in."""
    assert importer(GOOD, "K-003,,1950,,,,,,,,,").n_added == 2


# The file


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_utf_8_file_opens_with_or_without_its_mark(importer: Importer, tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "patients.csv"
    path.write_bytes(mark + f"{HEADER}\r\n{GOOD.replace('laminoplasty', '手術')}\r\n".encode())

    with open_table(path) as file:
        result = importer.lines(file)

    with importer.database.reading() as session:
        procedure = session.exec(select(Operation.procedure)).one()
    assert (result.n_added, procedure) == (1, "手術")


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-16"])
def test_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "patients.csv"
    path.write_bytes(f"{HEADER}\n手術\n".encode(encoding))

    with pytest.raises(TableUnreadable, match="is not UTF-8"):
        open_table(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableUnreadable, match="No such file"):
        open_table(tmp_path / "nowhere.csv")


# The size


def test_a_thousand_patients_cost_few_statements(importer: Importer) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    rows = [GOOD.replace("K-001", f"K-{number:04}") for number in range(1000)]
    event.listen(importer.database.engine, "before_cursor_execute", note)
    added = importer(*rows)
    n_for_adding = len(statements)
    importer(*rows)

    # 26,000 rows: by insert statements of about a thousand rows, and read again by a query for each table.
    assert added.n_added == 1000
    assert n_for_adding < 60
    assert len(statements) - n_for_adding < 20


def test_progress_goes_up_to_its_end(importer: Importer) -> None:
    importer(*(GOOD.replace("K-001", f"K-{number:04}") for number in range(450)))

    assert importer.heard == [(200, 900), (400, 900), (900, 900)]
