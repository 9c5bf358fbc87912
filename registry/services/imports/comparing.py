"""A row beside what the registry has: what it adds, and where the two contradict each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from registry.services.imports.checking import ImportedForm, ImportedPatient
from registry.services.imports.problems import RowProblem
from registry.services.imports.standing import Standing, StandingForm, StandingOperation
from registry.services.imports.table import date_column, score_column


@dataclass
class Addition:
    """What is to be written of one patient; ids that are not known yet are filled in on the way."""

    facts: ImportedPatient
    forms: tuple[ImportedForm, ...]
    adds_group: bool
    adds_operation: bool
    patient_id: int = 0
    operation_id: int = 0
    follow_ups: dict[str, int] = field(default_factory=dict)
    assessments: dict[str, int] = field(default_factory=dict)
    is_new: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether the registry has all of it already."""
        return not (self.is_new or self.forms or self.adds_group or self.adds_operation)


def new_patient(facts: ImportedPatient) -> Addition:
    """Everything of a patient whom the registry does not know."""
    return Addition(
        facts,
        facts.forms,
        adds_group=facts.group is not None,
        adds_operation=facts.operated_on is not None,
    )


def compared(facts: ImportedPatient, standing: Standing) -> tuple[Addition, list[RowProblem]]:
    """What a row adds to a patient of the registry, and every recorded value that it contradicts."""
    problems = list(_contradictions(facts, standing))
    operation = _operation(facts, standing)
    forms = operation.forms if operation else {}
    addition = Addition(
        facts,
        tuple(_new_forms(facts, forms)),
        adds_group=facts.group is not None and standing.group is None,
        adds_operation=facts.operated_on is not None and operation is None,
        patient_id=standing.patient_id,
        operation_id=operation.id if operation else 0,
        follow_ups={code: form.follow_up_id for code, form in forms.items()},
        assessments={code: form.assessment_id for code, form in forms.items() if form.assessment_id},
        is_new=False,
    )
    return addition, problems


def _operation(facts: ImportedPatient, standing: Standing) -> StandingOperation | None:
    """The recorded operation of that day."""
    day = facts.operated_on
    return next((one for one in standing.operations if day is not None and one.operated_on == day), None)


def _contradictions(facts: ImportedPatient, standing: Standing) -> Iterator[RowProblem]:
    row = facts.row
    if facts.birth_year != standing.birth_year:
        yield _differs(row, "birth_year", standing.birth_year, facts.birth_year)
    if facts.sex is not None and facts.sex != standing.sex:
        yield _differs(row, "sex", standing.sex, facts.sex)
    if facts.group is not None and standing.group is not None and facts.group != standing.group:
        yield _differs(row, "lumbar_disease", standing.group, facts.group)
    operation = _operation(facts, standing)
    if operation is not None:
        yield from _contradictions_of_operation(facts, operation)
    elif facts.operated_on is not None and standing.operations:
        days = [str(one.operated_on or "one not yet performed") for one in standing.operations]
        yield _differs(row, "operated_on", " and ".join(days), facts.operated_on)


def _contradictions_of_operation(facts: ImportedPatient, operation: StandingOperation) -> Iterator[RowProblem]:
    if facts.procedure is not None and facts.procedure != operation.procedure:
        yield _differs(facts.row, "procedure", operation.procedure, facts.procedure)
    for form in facts.forms:
        standing = operation.forms.get(form.timepoint.code)
        if standing is not None and standing.assessment_id is not None:
            yield from _contradictions_of_form(facts.row, form, standing)


def _contradictions_of_form(row: int, form: ImportedForm, standing: StandingForm) -> Iterator[RowProblem]:
    code = form.timepoint.code
    days = sorted({one.answered_on for one in standing.scores.values()})
    if days and form.answered_on not in days:
        yield _differs(row, date_column(code), " and ".join(map(str, days)), form.answered_on)
    elif not standing.is_submitted and set(form.scores) - set(standing.scores):
        reason = "the patient has begun this form and not sent it; wait until the form has closed"
        yield RowProblem(row, date_column(code), str(form.answered_on), reason)
    for item, score in form.scores.items():
        recorded = standing.scores.get(item)
        if recorded is not None and recorded.score != score:
            old = "skipped by the patient" if recorded.score is None else recorded.score
            yield _differs(row, score_column(item, code), old, score)


def _new_forms(facts: ImportedPatient, standing: Mapping[str, StandingForm]) -> Iterator[ImportedForm]:
    """The scores of which nothing is recorded."""
    for form in facts.forms:
        recorded = standing[form.timepoint.code].scores if form.timepoint.code in standing else {}
        scores = {item: score for item, score in form.scores.items() if item not in recorded}
        if scores:
            yield ImportedForm(form.timepoint, form.answered_on, scores)


def _differs(row: int, column: str, old: str | int | date, new: str | int | date) -> RowProblem:
    reason = f"the registry has {old}, the file says {new}; correct whichever is wrong"
    return RowProblem(row, column, str(new), reason)
