"""Rows out: what an export holds and what it never holds, against a registry made by hand."""

import csv
import json
import os
import re
import shutil
import stat
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlmodel import Session, col, select

from registry.cli import registry
from registry.config import Settings
from registry.domain.instruments import Mode
from registry.domain.vocabularies import Respondent, Suspicion
from registry.security.keys import load_keys
from registry.services import enrolment
from registry.services.exports import Asked, ExportChoices, ExportRefused, Format, Made, Shape, export_folder
from registry.services.exports import rows as rows_module
from registry.services.exports import writing as writing_module
from registry.services.exports.variables import HIGHEST_AGE
from registry.storage.cohorts import CohortQuery, pair_counts
from registry.storage.database import Database
from registry.storage.enrolments import site_id_of
from registry.storage.exported_rows import n_performed
from registry.storage.models import Answer, Assessment, Contact, FollowUp, Operation, Patient, Site
from tests.desk import PASSWORD, Desk, at_desk
from tests.factories import BY, classify, make_operation, make_patient
from tests.integration.test_cohorts import random_rows
from tests.parts import R_MISSING, missing

NOW = datetime.fromisoformat("2026-11-20T03:00:00+00:00")
TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)
OPERATED_ON = date(2025, 8, 1)
"""Windows: before from 2 June, M3 18 October to 16 December, M6 18 January to 2 April, M12 18 July to 30 October."""
ALL = ExportChoices(formats=frozenset(Format), with_dates=True, with_study_ids=True, with_texts=True)
IDS = ExportChoices(with_study_ids=True)
TOLD = re.compile(r"mihon|hanako|みほん|06-1111|example\.org|1952-03|dr mihon", re.IGNORECASE)
"""Whatever of a planted patient would name or reach somebody."""


@dataclass
class Hospital:
    """A registry to which patients are added by hand, and its exports."""

    database: Database
    settings: Settings
    folder: Path

    def operated(self, study_id: str, operated_on: date = OPERATED_ON, **values: Any) -> int:
        """A patient after an operation; gives the patient's row."""
        with self.database.transaction() as session:
            patient = make_patient(session, now=NOW, study_id=study_id, **values)
            self._operate(session, patient, operated_on)
            return patient.id

    def operate_again(self, patient_id: int, operated_on: date) -> None:
        with self.database.transaction() as session:
            self._operate(session, session.get_one(Patient, patient_id), operated_on)

    def _operate(self, session: Session, patient: Patient, operated_on: date) -> None:
        make_operation(session, patient, self.settings, now=NOW, today=TODAY, operated_on=operated_on)

    def answer(
        self,
        patient_id: int,
        timepoint: str,
        score: int | None,
        day: date,
        *,
        item: str = "low_back",
        operation: int = 1,
        is_sent: bool = True,
        versions: tuple[int, ...] = (),
        stands: bool = True,
        **of_form: Any,
    ) -> None:
        """An answer on the form of an operation, after earlier versions that no longer stand."""
        with self.database.transaction() as session:
            operations = select(Operation.id).where(Operation.patient_id == patient_id).order_by(col(Operation.id))
            operation_id = session.exec(operations).all()[operation - 1]
            of_operation = (FollowUp.operation_id == operation_id, FollowUp.timepoint == timepoint)
            form = session.exec(select(FollowUp).where(*of_operation)).one()
            found = session.exec(select(Assessment).where(Assessment.follow_up_id == form.id)).first()
            sent = {"submitted_at": NOW if is_sent else None, "respondent": Respondent.SELF}
            found = found or Assessment(
                follow_up_id=form.id,
                patient_id=patient_id,
                reference=f"r{form.id}",
                language="ja",
                started_at=NOW,
                **(sent | of_form),
            )
            session.add(found)
            session.flush()
            for version, value in enumerate((*versions, score), start=1):
                is_last = version == len(versions) + 1
                session.add(
                    Answer(
                        assessment_id=found.id,
                        item=item,
                        version=version,
                        score=value,
                        is_skipped=value is None,
                        mode=None if value is None else Mode.PEN,
                        instrument_version=self.settings.protocol.instrument.version,
                        language="ja",
                        answered_on=day,
                        recorded_at=NOW,
                        superseded_at=None if is_last and stands else NOW,
                    )
                )

    def export(
        self, choices: ExportChoices = IDS, *, name: str = "", now: datetime = NOW, site: str | None = None
    ) -> tuple[Path, Made]:
        folder = self.folder / (name or f"export-{len(list(self.folder.iterdir()))}")
        made = export_folder(self.database, asked=self.asked(choices, now, site), folder=folder, by=BY)
        return folder, made

    def asked(self, choices: ExportChoices = IDS, now: datetime = NOW, site: str | None = None) -> Asked:
        with self.database.reading() as session:
            site_id = site_id_of(session, code=site) if site else None
        keys = load_keys(self.settings.security.key_file)
        return Asked(
            settings=self.settings, keys=keys, choices=choices, site=site, site_id=site_id, today=TODAY, now=now
        )

    def long(self, choices: ExportChoices = IDS) -> dict[tuple[str, str, str, str], dict[str, str]]:
        """The long rows by study ID, operation, timepoint and item."""
        rows = table(self.export(choices)[0] / "long.csv")
        found = {(row["study_id"], row["operation"], row["timepoint"], row["item"]): row for row in rows}
        assert len(found) == len(rows)
        return found

    def score(self, study_id: str, timepoint: str, operation: int = 1, item: str = "low_back") -> dict[str, str]:
        return self.long()[study_id, str(operation), timepoint, item]

    def wide(self, choices: ExportChoices = IDS) -> dict[tuple[str, str], dict[str, str]]:
        return {(row["study_id"], row["operation"]): row for row in table(self.export(choices)[0] / "wide.csv")}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def texts(folder: Path) -> dict[str, str]:
    """Every file of an export as text, the parts of a workbook too."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in [name for name in found if name.endswith(".xlsx")]:
        with ZipFile(BytesIO(found.pop(name))) as book:
            found |= {f"{name}/{part}": book.read(part) for part in book.namelist()}
    return {name: content.decode() for name, content in found.items()}


@pytest.fixture
def hospital(database: Database, settings: Settings, tmp_path: Path) -> Hospital:
    folder = tmp_path / "exports"
    folder.mkdir()
    return Hospital(database, settings, folder)


@pytest.fixture
def peopled(hospital: Hospital) -> Hospital:
    """A few patients with planted names and dates, a free procedure, and scores."""
    first = hospital.operated("S-1", birth_year=1952, born_on=date(1952, 3, 4))
    hospital.answer(first, "before", 60, date(2025, 7, 20))
    hospital.answer(first, "M3", 0, date(2025, 11, 1))
    hospital.answer(first, "M12", 35, date(2026, 11, 5))
    second = hospital.operated("S-2")
    hospital.answer(second, "before", None, date(2025, 7, 20))
    hospital.operate_again(second, date(2026, 3, 1))
    with hospital.database.transaction() as session:
        session.get_one(Contact, first).kana = "みほん はなこ"
        classify(session, session.get_one(Patient, first), "with", now=NOW, today=TODAY)
        session.execute(text("UPDATE operation SET procedure = '=1+1 of Mihon' WHERE patient_id = :id"), {"id": second})
    return hospital


# What counts, and why something does not


def test_a_score_in_its_window_counts_with_all_that_is_known_of_it(hospital: Hospital) -> None:
    hospital.answer(hospital.operated("S-1"), "before", 60, date(2025, 7, 20), versions=(70,))

    row = hospital.score("S-1", "before")

    shown = ("score", "score_missing", "score_outside_window", "window", "days", "skipped", "mode", "respondent")
    assert [row[name] for name in shown] == ["60", "", "", "in_window", "-12", "0", "pen", "self"]
    shown = ("status", "answer_language", "instrument", "version", "n_versions", "doubt", "form")
    instrument = hospital.settings.protocol.instrument.version
    assert [row[name] for name in shown] == ["completed", "ja", instrument, "2", "2", "", "operation 1, before"]


def test_zero_is_a_score_and_a_skipped_question_is_none(hospital: Hospital) -> None:
    patient = hospital.operated("S-1")
    hospital.answer(patient, "M3", 0, date(2025, 11, 1))
    hospital.answer(patient, "M3", None, date(2025, 11, 1), item="neck")

    scored, skipped = hospital.score("S-1", "M3"), hospital.score("S-1", "M3", item="neck")

    shown = ("score", "score_missing", "skipped", "mode")
    assert [scored[name] for name in shown] == ["0", "", "0", "pen"]
    assert [skipped[name] for name in shown] == ["", "skipped", "1", ""]


@pytest.mark.parametrize(
    ("day", "score", "why", "outside", "window"),
    [
        (date(2025, 10, 17), "", "early", "35", "early"),
        (date(2025, 10, 18), "35", "", "", "in_window"),
        (date(2025, 12, 16), "35", "", "", "in_window"),
        (date(2025, 12, 17), "", "late", "35", "late"),
    ],
)
def test_a_score_outside_its_window_is_kept_apart_from_those_that_count(
    hospital: Hospital, day: date, score: str, why: str, outside: str, window: str
) -> None:
    hospital.answer(hospital.operated("S-1"), "M3", 35, day)

    row = hospital.score("S-1", "M3")

    shown = ("score", "score_missing", "score_outside_window", "window", "days")
    assert [row[name] for name in shown] == [score, why, outside, window, str((day - OPERATED_ON).days)]
    assert hospital.wide()["S-1", "1"]["low_back_M3"] == score
    assert hospital.wide()["S-1", "1"]["low_back_M3_missing"] == why


def test_an_answer_that_was_not_sent_is_none_while_its_form_is_open(hospital: Hospital) -> None:
    still_open = hospital.operated("OPEN", date(2026, 8, 19))
    closed = hospital.operated("CLOSED")
    hospital.answer(still_open, "M3", 77, TODAY, is_sent=False)
    hospital.answer(closed, "M3", 66, date(2025, 11, 1), is_sent=False)

    row = hospital.score("OPEN", "M3")

    assert (row["score"], row["score_outside_window"], row["score_missing"]) == ("", "", "partial")
    assert "77" not in [row[name] for name in row if name != "age"]
    assert hospital.score("CLOSED", "M3")["score"] == "66"


def test_what_staff_have_set_aside_counts_nowhere_and_is_said(hospital: Hospital) -> None:
    hospital.answer(hospital.operated("S-1"), "M3", 93, date(2025, 11, 1), stands=False, submitted_at=None)

    row = hospital.score("S-1", "M3")

    assert (row["score"], row["score_missing"], row["n_versions"]) == ("", "set_aside", "1")
    assert "93" not in row.values()


def test_a_score_belongs_to_operations_by_its_day(hospital: Hospital) -> None:
    patient = hospital.operated("S-1", date(2025, 1, 10))
    hospital.operate_again(patient, date(2026, 3, 1))
    hospital.answer(patient, "M12", 45, date(2026, 2, 20), operation=1)

    first, second = hospital.score("S-1", "M12"), hospital.score("S-1", "before", operation=2)

    shown = ("is_index", "days_since_first", "score", "days", "form")
    assert [first[name] for name in shown] == ["1", "0", "45", "406", "operation 1, M12"]
    assert [second[name] for name in shown] == ["0", "415", "45", "-9", "operation 1, M12"]


@pytest.mark.parametrize(
    ("suspicion", "confirmed_at", "said"),
    [(None, None, ""), (Suspicion.TOO_FAST, None, "too_fast"), (Suspicion.TOO_FAST, NOW, "confirmed")],
)
def test_a_doubt_stands_beside_the_score(
    hospital: Hospital, suspicion: Suspicion | None, confirmed_at: datetime | None, said: str
) -> None:
    patient = hospital.operated("S-1")
    hospital.answer(patient, "M3", 35, date(2025, 11, 1), suspicion=suspicion, confirmed_at=confirmed_at)

    assert hospital.score("S-1", "M3")["doubt"] == said
    assert hospital.wide()["S-1", "1"]["M3_doubt"] == said


def test_every_form_has_a_row_with_the_reason_why_it_has_no_score(hospital: Hospital) -> None:
    declined, died, left = hospital.operated("DECLINED"), hospital.operated("DIED"), hospital.operated("LEFT")
    one_item = hospital.operated("ONE-ITEM")
    hospital.answer(one_item, "M3", 35, date(2025, 11, 1))
    with hospital.database.transaction() as session:
        values = {"at": date(2026, 7, 20), "id": declined}
        declining = "UPDATE follow_up SET declined_on = :at WHERE patient_id = :id AND timepoint = 'M12'"
        session.execute(text(declining), values)
        session.execute(text("DELETE FROM follow_up WHERE patient_id = :id AND timepoint = 'M6'"), {"id": left})
        enrolment.record_death(session, patient_id=died, died_on=date(2026, 1, 1), today=TODAY, by=BY, now=NOW)
        session.get_one(Patient, died)
        enrolment.withdraw(session, patient_id=left, withdrawn_on=date(2026, 8, 1), today=TODAY, by=BY, now=NOW)

    found = hospital.long()

    def why(study_id: str, timepoint: str, item: str = "low_back") -> str:
        return found[study_id, "1", timepoint, item]["score_missing"]

    assert [why("DECLINED", code) for code in ("M3", "M12", "M24")] == ["missed", "declined", "upcoming"]
    assert [why("DIED", code) for code in ("M3", "M6", "M12")] == ["missed", "died", "died"]
    assert [why("LEFT", code) for code in ("M3", "M6", "M12")] == ["missed", "not_planned", "withdrawn"]
    assert [why("ONE-ITEM", "M3", item) for item in ("low_back", "neck")] == ["", "no_answer"]
    assert found["DIED", "1", "M6", "low_back"]["died_after_days"] == "153"
    assert found["LEFT", "1", "M12", "low_back"]["withdrawn_after_days"] == "365"
    assert len(found) == 4 * 5 * 6


def test_of_a_patient_who_had_the_answers_deleted_no_score_is_left(hospital: Hospital) -> None:
    patient = hospital.operated("S-1")
    hospital.answer(patient, "M3", 91, date(2025, 11, 1))
    with hospital.database.transaction() as session:
        enrolment.leave_study(session, patient_id=patient, delete_answers=True, today=TODAY, by=BY, now=NOW)

    folder, _ = hospital.export(ALL)

    rows = {row["timepoint"]: row for row in table(folder / "long.csv")}
    assert {row["score"] for row in rows.values()} == {""}
    assert [rows[code]["score_missing"] for code in ("before", "M3", "M24")] == [
        "answers_deleted",
        "answers_deleted",
        "withdrawn",
    ]
    assert rows["M3"]["answers_deleted"] == "1"


def test_who_said_no_and_who_was_not_operated_on_is_left_out_and_counted(hospital: Hospital) -> None:
    refuses = hospital.operated("NO")
    hospital.operated("YES")
    with hospital.database.transaction() as session:
        session.execute(
            text("UPDATE enrolment SET refused_on = :on WHERE patient_id = :id"), {"on": TODAY, "id": refuses}
        )
        waiting = make_patient(session, now=NOW, study_id="WAITS")
        planned = date(2026, 12, 1)
        make_operation(session, waiting, hospital.settings, now=NOW, today=TODAY, planned_on=planned)

    folder, _ = hospital.export()

    assert {row["study_id"] for row in table(folder / "wide.csv")} == {"YES"}
    said = {(entry["what"], entry["why"]): entry.get("n") for entry in manifest(folder)["left_out"]}
    assert said["patients", "they do not agree to take part"] == 1
    assert said["patients", "no operation of theirs was performed"] == 1
    assert said["operations", "they are planned: there is no day 0"] == 1


@pytest.mark.parametrize("seed", range(2))
def test_the_scores_that_count_are_those_of_the_reports(hospital: Hospital, seed: int) -> None:
    with hospital.database.transaction() as session:
        random_rows(seed).store(session)

    for site_id, site in ((None, None), (2, "OTHER")):
        rows = [row for row in table(hospital.export(site=site)[0] / "wide.csv") if row["is_index"] == "1"]
        for item in ("low_back", "neck"):
            for timepoint in ("M3", "M12"):
                query = CohortQuery(item, "lumbar_disease", TODAY, site_id)
                with hospital.database.reading() as session:
                    pairs = pair_counts(session, query, timepoint=timepoint)
                counted = Counter({(pair.group, _cell(pair.before), _cell(pair.after)): pair.n for pair in pairs})
                columns = ("lumbar_disease", f"{item}_before", f"{item}_{timepoint}")
                assert Counter(tuple(row[name] for name in columns) for row in rows) == counted


def _cell(score: int | None) -> str:
    return "" if score is None else str(score)


def test_long_and_wide_say_the_same(peopled: Hospital) -> None:
    folder, _ = peopled.export(ALL)

    long = {
        (row["patient"], row["operation"], f"{row['item']}_{row['timepoint']}"): (row["score"], row["score_missing"])
        for row in table(folder / "long.csv")
    }
    wide = {
        (row["patient"], row["operation"], name): (row[name], row[f"{name}_missing"])
        for row in table(folder / "wide.csv")
        for name in row
        if f"{name}_missing" in row
    }
    assert long == wide
    assert all((score == "") != (why == "") for score, why in long.values())


# Who it is about


def test_nothing_that_names_or_reaches_a_patient_is_in_any_file(peopled: Hospital) -> None:
    folder, _ = peopled.export(ExportChoices(formats=frozenset(Format)))
    with peopled.database.reading() as session:
        ids = [row.public_id for row in session.exec(select(Patient))]

    for name, content in texts(folder).items():
        assert not TOLD.search(content), name
        assert not re.search(r"S-[12]\b", content), name
        assert not re.search(r"2025-0[78]-|2026-11-05|2026-03-01", content), name
        assert not any(public_id in content for public_id in ids), name


def test_what_is_asked_for_is_found_by_the_same_search(peopled: Hospital) -> None:
    folder, _ = peopled.export(ALL)

    found = texts(folder)

    for name in ("long.csv", "wide.csv", "registry.xlsx/xl/worksheets/sheet1.xml"):
        assert re.search(r"S-[12]\b", found[name]), name
        assert "2025-08-01" in found[name], name
        assert TOLD.search(found[name]), name


def test_a_patient_has_one_code_which_is_another_under_another_key(peopled: Hospital) -> None:
    first, again = (peopled.wide(), peopled.wide())
    peopled.settings.security.key_file.unlink()
    other = peopled.wide()

    codes = [{key[0]: row["patient"] for key, row in rows.items()} for rows in (first, again, other)]
    assert codes[0] == codes[1]
    assert not set(codes[0].values()) & set(codes[2].values())
    assert len(set(codes[0].values())) == 2


def test_the_order_of_the_rows_is_that_of_the_codes(hospital: Hospital) -> None:
    for number in range(8):
        hospital.operated(f"S-{number}")

    codes = [row["patient"] for row in table(hospital.export()[0] / "wide.csv")]

    assert codes == sorted(codes, key=lambda code: code.translate(_BASE32))
    assert [row["study_id"] for row in table(hospital.export()[0] / "wide.csv")] != [f"S-{n}" for n in range(8)]


_BASE32 = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv")


@pytest.mark.parametrize(
    ("birth_year", "born_on", "age", "age_from"),
    [
        (1952, date(1952, 8, 1), "73", "birth_date"),
        (1952, date(1952, 8, 2), "72", "birth_date"),
        (1952, None, "73", "birth_year"),
        (1936, None, "89", "birth_year"),
        (1935, None, "90", "birth_year"),
        (1920, date(1920, 1, 1), "90", "birth_date"),
    ],
)
def test_the_age_is_in_whole_years_and_ends_at_ninety(
    hospital: Hospital, birth_year: int, born_on: date | None, age: str, age_from: str
) -> None:
    hospital.operated("S-1", birth_year=birth_year, born_on=born_on)

    row = hospital.wide()["S-1", "1"]

    assert (row["age"], row["age_from"], row["operated_year"]) == (age, age_from, "2025")
    assert HIGHEST_AGE == 90


def test_free_words_are_left_out_unless_asked_for_and_are_never_computed(peopled: Hospital) -> None:
    plain, asked = peopled.wide(), peopled.wide(replace(IDS, with_texts=True))

    assert (plain["S-2", "1"]["procedure"], "procedure_text" in plain["S-2", "1"]) == ("other", False)
    assert asked["S-2", "1"]["procedure_text"] == "'=1+1 of Mihon"
    assert (asked["S-1", "1"]["procedure"], asked["S-1", "1"]["procedure_text"]) == ("laminoplasty", "laminoplasty")


def test_days_before_the_operation_stay_negative_numbers(peopled: Hospital) -> None:
    folder, _ = peopled.export(ALL)

    before = next(row for row in table(folder / "long.csv") if row["item"] == "low_back" and row["score"] == "60")
    assert (before["days"], before["answered_on"], before["operated_on"]) == ("-12", "2025-07-20", "2025-08-01")
    assert "<c><v>-12</v></c>" in texts(folder)["registry.xlsx/xl/worksheets/sheet1.xml"]


def test_patients_of_another_hospital_are_never_there(peopled: Hospital) -> None:
    with peopled.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        theirs = make_patient(session, now=NOW, study_id="THEIRS", site_code="OTHER")
        make_operation(session, theirs, peopled.settings, now=NOW, today=TODAY, operated_on=OPERATED_ON)

    ours, everybody = (
        {row["study_id"] for row in table(peopled.export(site=site)[0] / "wide.csv")} for site in ("DEMO", None)
    )

    assert (ours, everybody) == ({"S-1", "S-2"}, {"S-1", "S-2", "THEIRS"})
    folder, _ = peopled.export(ALL, site="DEMO")
    assert not any("THEIRS" in content for content in texts(folder).values())


# Files


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def test_the_manifest_tells_what_the_files_are(peopled: Hospital) -> None:
    folder, made = peopled.export(ALL)

    told = manifest(folder)

    for name, facts in told["files"].items():
        run = subprocess.run(["sha256sum", name], cwd=folder, capture_output=True, text=True, check=True)
        assert facts["sha256"] == run.stdout.split()[0], name
        assert facts["n_bytes"] == (folder / name).stat().st_size
    assert {*told["files"], "manifest.json"} == {path.name for path in folder.iterdir()}
    assert {name: facts["n_rows"] for name, facts in told["files"].items() if facts["n_rows"]} == {
        "long.csv": 90,
        "wide.csv": 3,
        "dictionary.csv": len(table(folder / "dictionary.csv")),
    }
    assert (told["is_demo"], told["cut_off"], told["n_patients"], told["n_operations"]) == (True, NOW.isoformat(), 2, 3)
    assert told["n_rows"] == {"long": 90, "wide": 3}
    assert told["protocol"]["instrument"] in told["instruments"]
    assert told["filters"]["with_study_ids"] is True
    assert told["files_sha256"] == made.files_sha256
    assert (folder / "DEMO.txt").read_text().startswith("DEMO")


def test_the_same_rows_give_the_same_bytes(peopled: Hospital) -> None:
    first, again = (peopled.export(ALL)[0] for _ in range(2))
    later, made = peopled.export(ALL, now=NOW + timedelta(hours=1))

    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (first, again, later)]
    assert contents[0] == contents[1]
    assert {name for name in contents[0] if contents[0][name] != contents[2][name]} == {"manifest.json"}
    assert manifest(first)["files_sha256"] == made.files_sha256


def test_another_score_gives_another_hash(peopled: Hospital) -> None:
    _, before = peopled.export()
    with peopled.database.transaction() as session:
        session.execute(text("UPDATE answer SET score = 61 WHERE score = 60"))

    assert peopled.export()[1].files_sha256 != before.files_sha256


def test_how_many_patients_are_read_at_once_changes_no_byte(peopled: Hospital) -> None:
    _, usual = peopled.export(ALL)
    with patch.object(rows_module, "_BATCH", 1):
        _, one_by_one = peopled.export(ALL)

    assert one_by_one.files_sha256 == usual.files_sha256


@pytest.mark.parametrize("shape", [Shape.LONG, Shape.WIDE])
def test_only_the_tables_and_programs_that_were_asked_for_are_there(peopled: Hospital, shape: Shape) -> None:
    csv_only, _ = peopled.export(ExportChoices(shape=shape))
    book_only, book = peopled.export(ExportChoices(shape=shape, formats=frozenset({Format.XLSX})))
    scripts, _ = peopled.export(ExportChoices(shape=shape, formats=frozenset({Format.STATA})))

    usual = {"dictionary.csv", "manifest.json", "DEMO.txt"}
    assert {path.name for path in csv_only.iterdir()} == usual | {f"{shape}.csv"}
    assert {path.name for path in book_only.iterdir()} == usual | {"registry.xlsx"}
    assert {path.name for path in scripts.iterdir()} == usual | {f"{shape}.csv", f"{shape}.do"}
    assert book.n_rows == {shape: {Shape.LONG: 90, Shape.WIDE: 3}[shape]}
    assert {row["table"] for row in table(csv_only / "dictionary.csv")} == {shape}


def test_the_dictionary_names_every_column_in_both_languages(peopled: Hospital) -> None:
    folder, _ = peopled.export(ALL)

    described = table(folder / "dictionary.csv")

    for name in ("long", "wide"):
        rows = table(folder / f"{name}.csv")
        columns = {row["column"]: row for row in described if row["table"] == name}
        assert list(columns) == list(rows[0])
        for column, about in columns.items():
            values = {row[column] for row in rows}
            codes = {value.partition(" = ")[0] for value in about["values_en"].split("; ") if value}
            assert about["label_en"], column
            assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", about["label_ja"]), column
            assert about["type"] != "code" or values - {""} <= codes, column
            assert about["empty_means"] != "never empty" or "" not in values, column
            assert not about["reason_in"] or about["reason_in"] in columns, column


def test_the_workbook_has_the_same_tables(peopled: Hospital) -> None:
    folder, _ = peopled.export(ALL)

    found = texts(folder)

    assert re.findall(r'<sheet name="(\w+)"', found["registry.xlsx/xl/workbook.xml"]) == [
        "long",
        "wide",
        "dictionary",
        "about",
    ]
    for number, name in enumerate(("long", "wide", "dictionary"), start=1):
        rows = re.findall(r"<row>(.*?)</row>", found[f"registry.xlsx/xl/worksheets/sheet{number}.xml"])
        cells = [["".join(re.findall(r"<(?:t|v)[^>]*>([^<]*)<", cell)) for cell in _cells(row)] for row in rows]
        with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            assert [[_plain(cell) for cell in row] for row in cells] == [
                [cell.removeprefix("'") for cell in row] for row in csv.reader(file)
            ]


def _cells(row: str) -> list[str]:
    return re.findall(r"<c/>|<c[ >].*?</c>", row)


def _plain(cell: str) -> str:
    return cell.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_r_reads_what_was_written(peopled: Hospital) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        missing(R_MISSING)
    folder, _ = peopled.export(ALL)
    again = 'write.csv(lapply({0}, as.character), "{0}-again.csv", row.names = FALSE, na = "", fileEncoding = "UTF-8")'
    checks = (
        'source("long.R"); source("wide.R")',
        *(again.format(name) for name in ("long", "wide")),
        'stopifnot(is.integer(long$score), inherits(long$answered_on, "Date"), is.factor(long$timepoint))',
        'stopifnot(min(long$days, na.rm = TRUE) == -12, attr(long$score, "label") == "Score that counts in reports")',
        "stopifnot(sum(long$score == 0, na.rm = TRUE) == 1, all(is.na(long$score) == !is.na(long$score_missing)))",
    )
    checks += ("stopifnot(any(is.na(long$instrument)), all(is.na(long$instrument) == is.na(long$days)))",)
    (folder / "check.R").write_text("\n".join(checks))

    for locale in ("C", "C.UTF-8"):
        environment = os.environ | {"LC_ALL": locale}
        run = [rscript, "--vanilla", "check.R"]
        subprocess.run(run, cwd=folder, check=True, timeout=120, env=environment)
        for name in ("long", "wide"):
            with (folder / f"{name}-again.csv").open(encoding="utf-8", newline="") as file:
                assert list(csv.DictReader(file)) == table(folder / f"{name}.csv"), (locale, name)


def test_scripts_name_every_column_and_every_reason(peopled: Hospital) -> None:
    folder, _ = peopled.export(ALL)

    for name in ("long", "wide"):
        columns = list(table(folder / f"{name}.csv")[0])
        spss, stata = (folder / f"{name}.sps").read_text(), (folder / f"{name}.do").read_text()
        assert re.findall(r"^    (\w+) (?:A\d+|F8\.0|SDATE10)\.?$", spss, re.MULTILINE) == columns
        assert re.findall(r"^rename v\d+ (\w+)$", stata, re.MULTILINE) == columns
        for number, reason in enumerate(writing_reasons()):
            assert f"IF (of_reason = '{reason}') of_score = {-81 - number}." in spss
            assert f"= .{chr(ord('a') + number)} if " in stata
            assert f'_missing == "{reason}"' in stata


def writing_reasons() -> list[str]:
    return [
        "skipped", "early", "late", "partial", "set_aside", "answers_deleted", "no_answer", "missed", "declined",
        "withdrawn", "died", "upcoming", "open", "not_planned",
    ]  # fmt: skip


def test_files_are_for_their_owner_alone(peopled: Hospital) -> None:
    old = os.umask(0)
    try:
        folder, _ = peopled.export(ALL)
    finally:
        os.umask(old)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_folder_that_holds_something_is_refused_and_stays_as_it_is(peopled: Hospital) -> None:
    folder = peopled.folder / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")

    with pytest.raises(ExportRefused, match="mine is not empty"):
        peopled.export(name="mine")

    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
    assert events(peopled.database) == []


@pytest.mark.parametrize(("name", "why"), [("no/where", "there is no folder"), ("file", "is not a folder")])
def test_a_place_that_cannot_be_taken_is_refused(peopled: Hospital, name: str, why: str) -> None:
    (peopled.folder / "file").write_text("")

    with pytest.raises(ExportRefused, match=why):
        peopled.export(name=name)


def test_an_empty_folder_is_taken(peopled: Hospital) -> None:
    (peopled.folder / "empty").mkdir()

    assert (peopled.export(name="empty")[0] / "manifest.json").is_file()


def test_a_file_that_came_meanwhile_is_not_lost(peopled: Hospital) -> None:
    def somebody_else(*_: object) -> None:
        (peopled.folder / "taken").mkdir()
        (peopled.folder / "taken" / "theirs").write_text("theirs")

    with patch("registry.services.exports._record", somebody_else), pytest.raises(ExportRefused, match="not empty"):
        peopled.export(name="taken")

    assert [path.name for path in (peopled.folder / "taken").iterdir()] == ["theirs"]
    assert [path.name for path in peopled.folder.iterdir()] == ["taken"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("of ours")])
def test_an_export_that_fails_half_way_leaves_nothing(peopled: Hospital, failure: Exception) -> None:
    made = rows_module.exported_rows

    def breaks(*values: Any) -> Iterator[rows_module.OperationRows]:
        yield next(made(*values))
        assert [path.name for path in peopled.folder.iterdir() if not path.name.startswith(".")] == []
        raise failure

    with patch.object(writing_module, "exported_rows", breaks), pytest.raises((ExportRefused, RuntimeError)):
        peopled.export(name="half")

    assert list(peopled.folder.iterdir()) == []
    assert events(peopled.database) == []


def test_a_table_that_no_sheet_holds_is_refused_before_any_work(peopled: Hospital) -> None:
    with patch.object(writing_module, "MOST_ROWS", 90), pytest.raises(ExportRefused, match="would have 90"):
        peopled.export(ALL)
    with patch.object(writing_module, "MOST_ROWS", 91):
        peopled.export(ALL)


def test_an_export_sees_one_state_of_the_registry(peopled: Hospital) -> None:
    with peopled.database.snapshot() as session:
        before = n_performed(session, site_id=None)
        peopled.operated("LATER")
        during = n_performed(session, site_id=None)

    with peopled.database.snapshot() as session:
        assert (before, during, n_performed(session, site_id=None)) == (3, 3, 4)


def test_an_empty_registry_has_tables_without_rows(hospital: Hospital) -> None:
    folder, _ = hospital.export(ALL)

    assert (table(folder / "long.csv"), manifest(folder)["n_patients"]) == ([], 0)


# The trail, the command and the page


def events(database: Database) -> list[dict[str, Any]]:
    with database.reading() as session:
        found = text("SELECT actor_kind, actor, subject_id, details FROM audit_event WHERE action = 'rows_exported'")
        rows = [dict(row._mapping) for row in session.execute(found)]
    for row in rows:
        row["details"] = json.loads(row["details"]) if isinstance(row["details"], str) else row["details"]
    return rows


def test_the_trail_tells_who_took_what(peopled: Hospital) -> None:
    _, made = peopled.export(IDS, site="DEMO")

    (event,) = events(peopled.database)

    assert (event["actor_kind"], event["actor"]) == ("command", "test")
    assert event["subject_id"] == peopled.asked(site="DEMO").site_id
    assert event["details"] == {
        "shape": "both",
        "formats": "csv",
        "with_dates": False,
        "with_study_ids": True,
        "with_texts": False,
        "n_patients": 2,
        "n_operations": 3,
        "n_rows": 93,
        "files_sha256": made.files_sha256,
    }


@pytest.fixture
def invoke(peopled: Hospital, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("REGISTRY_DEMO_NOW", NOW.isoformat())
    return lambda *arguments: CliRunner().invoke(registry, ["export", *arguments])


def test_the_command_writes_the_folder_and_says_what_is_in_it(peopled: Hospital, invoke: Callable[..., Any]) -> None:
    folder = peopled.folder / "by-command"

    result = invoke("--to", str(folder), "--site", "DEMO", "--shape", "wide", "--format", "r", "--format", "xlsx")

    told = manifest(folder)
    assert result.exit_code == 0, result.output
    assert f"2 patients, 3 operations, 3 rows in 6 files; SHA-256 {told['files_sha256']}" in result.output
    assert (told["filters"]["site"], told["filters"]["formats"]) == ("DEMO", ["r", "xlsx"])
    assert [event["actor"] for event in events(peopled.database)] == ["export"]


@pytest.mark.parametrize("arguments", [["--site", "NOWHERE"], []])
def test_the_command_says_in_one_line_why_it_cannot(
    peopled: Hospital, invoke: Callable[..., Any], arguments: list[str]
) -> None:
    (peopled.folder / "full").write_text("")

    result = invoke("--to", str(peopled.folder / "full"), *arguments)

    assert result.exit_code == 1
    assert str(result.exception)


@pytest.fixture
def alice(peopled: Hospital, settings: Settings) -> Iterator[Desk]:
    with at_desk(peopled.database, settings, NOW) as desk:
        desk.sign_in(PASSWORD)
        yield desk


def test_the_page_gives_the_bytes_of_the_command(peopled: Hospital, alice: Desk, invoke: Callable[..., Any]) -> None:
    invoke("--to", str(peopled.folder / "same"), "--site", "DEMO", "--format", "csv", "--format", "spss")

    contents, headers = archive_of(alice, shape="both", formats=["csv", "spss"])

    assert contents == {path.name: path.read_bytes() for path in (peopled.folder / "same").iterdir()}
    assert headers["Content-Disposition"].endswith("registry-export-DEMO-DEMO-2026-11-20.zip")
    assert headers["Cache-Control"] == "no-store"
    assert [event["actor_kind"] for event in events(peopled.database)] == ["command", "staff"]


def archive_of(desk: Desk, **fields: Any) -> tuple[dict[str, bytes], Any]:
    """What the page gives: the files in the archive, and the headers it came with."""
    response = desk.client.post("/export", data={"csrf_token": token(desk), **fields})
    content = response.data
    response.close()
    with ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}, response.headers


def token(desk: Desk) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', desk.page("/export"))
    assert found is not None
    return found.group(1)


def test_the_page_says_what_is_in_it_before(alice: Desk) -> None:
    page = alice.page("/export")

    assert "names, addresses, telephone numbers, dates of birth" in page
    assert page.count("checked") == 2
    assert events(alice.database) == []


def test_the_page_gives_the_patients_of_its_own_hospital_alone(peopled: Hospital, alice: Desk) -> None:
    with peopled.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        theirs = make_patient(session, now=NOW, study_id="THEIRS", site_code="OTHER")
        make_operation(session, theirs, peopled.settings, now=NOW, today=TODAY, operated_on=OPERATED_ON)

    contents, _ = archive_of(alice, shape="both", formats=["csv"], with_study_ids="y", site="OTHER")

    rows = list(csv.DictReader(contents["wide.csv"].decode("utf-8-sig").splitlines()))
    assert {row["study_id"] for row in rows} == {"S-1", "S-2"}


@pytest.mark.parametrize("fields", [{"shape": "round", "formats": ["csv"]}, {"shape": "both"}, {"formats": ["word"]}])
def test_what_the_page_cannot_make_is_said_and_nothing_is_taken(alice: Desk, fields: dict[str, Any]) -> None:
    response = alice.client.post("/export", data={"csrf_token": token(alice), **fields})

    assert (response.status_code, "There is a problem" in response.get_data(as_text=True)) == (422, True)
    assert events(alice.database) == []


def test_an_export_asked_for_from_elsewhere_is_refused(alice: Desk) -> None:
    assert alice.client.post("/export", data={"shape": "both", "formats": ["csv"]}).status_code == 400
    assert events(alice.database) == []
