"""The import itself: check every row, compare with what stands, and write all of it or nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from registry.config import Settings
from registry.domain.actors import Actor
from registry.domain.study import Study
from registry.services.imports.checking import ImportedPatient, check_rows
from registry.services.imports.comparing import Addition, compared, new_patient
from registry.services.imports.problems import ImportOvertaken, ImportProblems, RowProblem
from registry.services.imports.standing import standing_patients
from registry.services.imports.table import read_table
from registry.services.imports.writing import Writing, write_patients
from registry.storage.models import Site

Progress = Callable[[int, int], None]

# Rows between two words to a progress bar.
_NOTE_EVERY = 200


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """How many patients came in, and what else a person should know of the table."""

    n_added: int
    n_updated: int
    """Patients who were there, and of whom something is recorded now that was missing."""
    n_already_there: int
    n_answers: int
    n_dates_without_scores: int
    """Days of a form without any score in its columns: nothing is recorded for these."""


def import_patients(
    session: Session,
    *,
    file: Iterable[str],
    site_id: int,
    settings: Settings,
    today: date,
    now: datetime,
    by: Actor,
    progress: Progress | None = None,
) -> ImportResult:
    """Take in a table of patients of one site; with any problem in any row nothing is written."""
    patients = _checked(file, settings.protocol, today, progress)
    additions = _compared(session, site_id, patients)
    site = settings.site(session.get_one(Site, site_id).code)
    writing = Writing(session, site, site_id, settings.protocol, today, by, now)
    try:
        write_patients(writing, [one for one in additions if not one.is_empty])
    except IntegrityError:
        # Between reading and writing somebody enrolled one of these patients or sent one of these forms.
        raise ImportOvertaken("nothing was imported: the registry changed meanwhile; try again") from None
    if progress is not None:
        progress(2 * len(patients), 2 * len(patients))
    return _result(additions)


def _checked(file: Iterable[str], study: Study, today: date, progress: Progress | None) -> list[ImportedPatient]:
    """Every row checked; half of the work that a progress bar shows."""
    table = read_table(file, study)

    def note(n_done: int) -> None:
        if progress is not None and n_done % _NOTE_EVERY == 0:
            progress(n_done, 2 * len(table.rows))

    patients, problems = check_rows(table, study, today=today, note=note)
    _refuse([*table.problems, *problems])
    return patients


def _compared(session: Session, site_id: int, patients: Sequence[ImportedPatient]) -> list[Addition]:
    ids = [patient.study_id for patient in patients]
    standing = standing_patients(session, site_id=site_id, study_ids=ids)
    additions: list[Addition] = []
    problems: list[RowProblem] = []
    for patient in patients:
        known = standing.get(patient.study_id)
        addition, found = (new_patient(patient), []) if known is None else compared(patient, known)
        additions.append(addition)
        problems += found
    _refuse(problems)
    return additions


def _refuse(problems: Sequence[RowProblem]) -> None:
    if problems:
        raise ImportProblems(sorted(problems, key=lambda problem: problem.row))


def _result(additions: Sequence[Addition]) -> ImportResult:
    return ImportResult(
        n_added=sum(one.is_new for one in additions),
        n_updated=sum(not one.is_new and not one.is_empty for one in additions),
        n_already_there=sum(one.is_empty for one in additions),
        n_answers=sum(len(form.scores) for one in additions for form in one.forms),
        n_dates_without_scores=sum(one.facts.n_dates_without_scores for one in additions),
    )
