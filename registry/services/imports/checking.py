"""One row of a table as the facts of one patient, with every problem of the row at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from registry.domain.quality import earliest_birth, problems_of_birth, problems_of_operation
from registry.domain.study import Study, Timepoint
from registry.domain.vocabularies import LumbarDisease, OperationState, Sex
from registry.services.imports import values
from registry.services.imports.problems import RowProblem
from registry.services.imports.table import REQUIRED, Table, date_column, plain, score_column
from registry.services.imports.values import NotTaken

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class ImportedForm:
    """The scores of one timepoint, and the day on which they were given."""

    timepoint: Timepoint
    answered_on: date
    scores: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ImportedPatient:
    """What a row says of a patient; None where it says nothing."""

    row: int
    study_id: str
    birth_year: int
    sex: Sex | None
    operated_on: date | None
    procedure: str | None
    group: LumbarDisease | None
    forms: tuple[ImportedForm, ...]
    earliest_on: date | None
    n_dates_without_scores: int


@dataclass
class RowCheck:
    """A row being checked."""

    number: int
    cells: Mapping[str, str]
    columns: frozenset[str]
    study: Study
    today: date
    problems: list[RowProblem] = field(default_factory=list)

    def take(self, column: str, parse: Callable[[str], _Value]) -> _Value | None:
        """The value of a cell; None when it is empty or cannot be taken."""
        text = self.cells.get(column, "")
        if not text or not (text := plain(text)):
            return None
        try:
            return parse(text)
        except NotTaken as reason:
            self.refuse(column, str(reason))
            return None

    def refuse(self, column: str, reason: str) -> None:
        """Note that a cell cannot be taken."""
        self.problems.append(RowProblem(self.number, column, self.cells.get(column, "").strip(), reason))

    def is_empty(self, column: str) -> bool:
        """Whether a cell holds nothing, rather than something that was refused."""
        return not self.cells.get(column, "").strip()


def check_rows(
    table: Table, study: Study, *, today: date, note: Callable[[int], None]
) -> tuple[list[ImportedPatient], list[RowProblem]]:
    """Every row as a patient, and every problem of every row; `note` hears how many rows are done."""
    patients: list[ImportedPatient] = []
    problems: list[RowProblem] = []
    first_rows: dict[str, int] = {}
    for n_done, (number, cells) in enumerate(table.rows, start=1):
        check = RowCheck(number, cells, table.columns, study, today)
        patient = _patient(check)
        _refuse_repetition(check, first_rows)
        problems += check.problems
        if patient is not None and not check.problems:
            patients.append(patient)
        note(n_done)
    return patients, problems


def _refuse_repetition(check: RowCheck, first_rows: dict[str, int]) -> None:
    study_id = plain(check.cells.get("study_id", ""))
    if not study_id:
        return
    first = first_rows.setdefault(study_id, check.number)
    if first != check.number:
        check.refuse("study_id", f"this study ID is in row {first} already")


def _patient(check: RowCheck) -> ImportedPatient | None:
    for column in REQUIRED:
        if column in check.columns and check.is_empty(column):
            check.refuse(column, "this must not be empty")
    study_id = check.take("study_id", values.study_id)
    birth_year = check.take("birth_year", values.year)
    operated_on = check.take("operated_on", values.day)
    _check_calendar(check, birth_year, operated_on)
    days = {
        timepoint.code: _day_of_form(check, timepoint, birth_year, operated_on) for timepoint in check.study.timepoints
    }
    forms = list(_forms(check, days))
    known = [day for day in (operated_on, *days.values()) if day is not None]
    patient = ImportedPatient(
        row=check.number,
        study_id=study_id or "",
        birth_year=birth_year or 0,
        sex=check.take("sex", lambda text: values.one_of(Sex, text)),
        operated_on=operated_on,
        procedure=check.take("procedure", values.procedure),
        group=check.take("lumbar_disease", lambda text: values.one_of(LumbarDisease, text)),
        forms=tuple(form for form in forms if form.scores),
        earliest_on=min(known, default=None),
        n_dates_without_scores=sum(not form.scores for form in forms),
    )
    return patient if study_id and birth_year else None


def _check_calendar(check: RowCheck, birth_year: int | None, operated_on: date | None) -> None:
    for column, reason in problems_of_birth(birth_year, None, today=check.today):
        check.refuse(column, reason)
    if operated_on is None:
        return
    for column, reason in problems_of_operation(
        state=OperationState.PERFORMED,
        planned_on=None,
        operated_on=operated_on,
        born_on=earliest_birth(birth_year or operated_on.year, None),
        today=check.today,
    ):
        check.refuse(column, reason)


def _day_of_form(
    check: RowCheck, timepoint: Timepoint, birth_year: int | None, operated_on: date | None
) -> date | None:
    column = date_column(timepoint.code)
    day = check.take(column, values.day)
    if day is None:
        return None
    if day > check.today:
        check.refuse(column, "this day is in the future")
    elif birth_year is not None and day.year < birth_year:
        check.refuse(column, f"this day is before the patient was born ({birth_year})")
    elif operated_on is not None and timepoint.is_before and day > operated_on:
        check.refuse(column, f"this day is after the operation ({operated_on})")
    elif operated_on is not None and not timepoint.is_before and day <= operated_on:
        # On the day itself the score would count as the one before the operation.
        check.refuse(column, f"this day is not after the operation ({operated_on})")
    return day


def _forms(check: RowCheck, days: Mapping[str, date | None]) -> Iterator[ImportedForm]:
    has_scores = False
    for timepoint in check.study.timepoints:
        scores = _scores(check, timepoint.code)
        has_scores = has_scores or bool(scores)
        day, column = days[timepoint.code], date_column(timepoint.code)
        if day is not None:
            yield ImportedForm(timepoint, day, scores)
        elif scores and check.is_empty(column):
            check.refuse(column, f"enter the day of the scores at {timepoint.code}")
    if has_scores and check.is_empty("operated_on"):
        check.refuse("operated_on", "enter the day of the operation: scores belong to one")


def _scores(check: RowCheck, timepoint: str) -> dict[str, int]:
    found = {}
    for item in check.study.items:
        score = check.take(score_column(item.code, timepoint), values.score)
        if score is not None:
            found[item.code] = score
    return found
