"""The rows of an export: patients in the order of their codes, each operation as long rows and as a wide one."""

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from registry.domain.study import Study
from registry.domain.vocabularies import PROCEDURES, UNKNOWN_GROUP
from registry.services.exports.cells import Cell
from registry.services.exports.layout import Layout
from registry.services.exports.scores import Doubt, History, Reading, Score, scores_of
from registry.services.exports.value_words import AgeFrom
from registry.services.exports.variables import HIGHEST_AGE, column_of, day_column, score_column
from registry.storage.database import Session
from registry.storage.exported_rows import Batch, OperationFacts, PatientFacts, patients_with_operations, read_batch

CODES = "export codes"
"""The purpose of the key from which the codes are made."""

_BATCH = 200
_ROW_BITS = 32
_CODE_LETTERS = 12


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the rows are made from: whose, under which protocol, as of which day, with which columns and codes."""

    site_id: int | None
    study: Study
    today: date
    layout: Layout
    key: bytes

    @cached_property
    def of_score(self) -> Callable[[Score], tuple[Cell, ...]]:
        """Takes from a score the columns of the long table, in their order."""
        return itemgetter(*[Score._fields.index(variable.name) for variable in self.layout.scores])


class OperationRows(NamedTuple):
    """One operation: a row for each timepoint and item, and one row of all of them."""

    long: Iterable[Sequence[Cell]]
    wide: Sequence[Cell]


@dataclass
class Tally:
    """What is counted while rows are made."""

    n_patients: int = 0
    n_operations: int = 0
    n_free_procedures: int = 0
    instruments: Counter[str] = field(default_factory=Counter)


def exported_rows(session: Session, source: Source, tally: Tally) -> Iterator[OperationRows]:
    """Every operation of every patient, some hundred patients in memory at a time.

    In the order of the codes: the order of enrolment would tell whose rows they are to whoever knows the study IDs.
    """
    for ids in _in_batches(_by_code(session, source)):
        batch = read_batch(session, patient_ids=ids)
        histories = _histories(batch)
        for patient_id in ids:
            yield from _of_patient(histories[patient_id], source, tally)


def code_of(key: bytes, public_id: str) -> str:
    """What a patient is called in exports: 60 bits that only the holder of the key can work out.

    It begins with a letter, so that no spreadsheet takes it for a number.
    """
    number = _number_of(key, public_id)
    return "P" + base64.b32encode((number << 4).to_bytes(8)).decode()[:_CODE_LETTERS]


def _number_of(key: bytes, public_id: str) -> int:
    return int.from_bytes(hmac.digest(key, public_id.encode(), hashlib.sha256)[:8]) >> 4


def _by_code(session: Session, source: Source) -> Iterator[int]:
    # One whole number for each patient is all that is held of all of them at once.
    found = patients_with_operations(session, site_id=source.site_id)
    ordered = sorted(_number_of(source.key, public_id) << _ROW_BITS | patient_id for patient_id, public_id in found)
    return (number & (1 << _ROW_BITS) - 1 for number in ordered)


def _in_batches(ids: Iterator[int]) -> Iterator[list[int]]:
    while batch := list(islice(ids, _BATCH)):
        yield batch


def _histories(batch: Batch) -> dict[int, History]:
    found = {patient.id: History(patient) for patient in batch.patients}
    for operation in batch.operations:
        found[operation.patient_id].operations.append(operation)
    for form in batch.forms:
        found[form.patient_id].forms[form.id] = form
    for answer in batch.answers:
        found[answer.patient_id].take(answer)
    for group in batch.groups:
        found[group.patient_id].groups[group.grouping] = (group.group, group.evidence)
    return found


def _of_patient(history: History, source: Source, tally: Tally) -> Iterator[OperationRows]:
    numbers = {operation.id: number for number, operation in enumerate(history.operations, start=1)}
    reading = Reading(history, source.study, source.today, numbers)
    tally.n_patients += 1
    for operation in history.operations:
        scores = list(scores_of(reading, operation))
        tally.n_operations += 1
        tally.n_free_procedures += operation.procedure not in PROCEDURES
        tally.instruments.update(score.instrument for score in scores if score.instrument is not None)
        facts = _facts(reading, operation, source)
        yield _rows(facts, scores, source)


def _rows(facts: Mapping[str, Cell], scores: Sequence[Score], source: Source) -> OperationRows:
    about = tuple(facts[variable.name] for variable in source.layout.operation)
    moments = _moments(scores)
    return OperationRows(
        long=(about + source.of_score(score) for score in scores),
        wide=(*about, *[moments[variable.name] for variable in source.layout.moments]),
    )


def _facts(reading: Reading, operation: OperationFacts, source: Source) -> dict[str, Cell]:
    """Everything that a row can say of an operation and its patient, by column."""
    patient, first = reading.history.patient, reading.history.operations[0]
    number = reading.numbers[operation.id]
    return {
        "patient": code_of(source.key, patient.public_id),
        "study_id": patient.study_id,
        "site": patient.site,
        "operation": number,
        "is_index": int(number == 1),
        "operated_on": operation.operated_on.isoformat(),
        "operated_year": operation.operated_on.year,
        "days_since_first": (operation.operated_on - first.operated_on).days,
        "age": min(_age(patient, operation.operated_on), HIGHEST_AGE),
        "age_from": AgeFrom.BIRTH_DATE if patient.born_on else AgeFrom.BIRTH_YEAR,
        "sex": patient.sex,
        "region": operation.region,
        "procedure": operation.procedure if operation.procedure in PROCEDURES else "other",
        "procedure_text": operation.procedure,
        "consent": patient.consent_version,
        "answers_deleted": int(patient.answers_deleted_at is not None),
        **_end("withdrawn", patient.withdrawn_on, operation),
        **_end("died", patient.died_on, operation),
        **_groups(reading),
    }


def _age(patient: PatientFacts, day: date) -> int:
    """In whole years; from the year of birth alone it can be one too high."""
    if patient.born_on is None:
        return day.year - patient.birth_year
    had_no_birthday = (day.month, day.day) < (patient.born_on.month, patient.born_on.day)
    return day.year - patient.born_on.year - had_no_birthday


def _end(name: str, day: date | None, operation: OperationFacts) -> dict[str, Cell]:
    return {
        f"{name}_on": day.isoformat() if day else None,
        f"{name}_after_days": (day - operation.operated_on).days if day else None,
    }


def _groups(reading: Reading) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for grouping in reading.study.groupings:
        name = column_of(grouping.code)
        found[name], found[f"{name}_evidence"] = reading.history.groups.get(grouping.code, (UNKNOWN_GROUP, None))
    return found


def _moments(scores: Iterable[Score]) -> dict[str, Cell]:
    """The wide columns: for each timepoint the scores that count, and why the others are missing."""
    by_timepoint: dict[str, list[Score]] = {}
    found: dict[str, Cell] = {}
    for score in scores:
        by_timepoint.setdefault(score.timepoint, []).append(score)
        name = score_column(score.item, score.timepoint)
        found[name], found[f"{name}_missing"] = score.score, score.score_missing
    for code, at in by_timepoint.items():
        counted = [score for score in at if score.score is not None]
        last = max(counted, key=lambda score: score.days or 0) if counted else None
        found[f"{code}_status"] = at[0].status
        found[f"{code}_days"] = last.days if last else None
        found[day_column(code)] = last.answered_on if last else None
        found[f"{code}_doubt"] = _doubt(counted)
    return found


def _doubt(scores: Iterable[Score]) -> str | None:
    """The gravest that is said of any of these scores."""
    found = {score.doubt for score in scores}
    return next((doubt for doubt in Doubt if doubt in found), None)
