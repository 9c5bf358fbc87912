"""Which columns an export has: by the protocol, and by what was asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from registry.config import SiteSettings
from registry.domain.errors import RegistryError
from registry.domain.study import Study
from registry.services.exports.choices import ExportChoices, Shape
from registry.services.exports.operation_columns import (
    grouping_columns,
    operation_columns,
    patient_columns,
    taking_part_columns,
)
from registry.services.exports.score_columns import long_columns, wide_columns
from registry.services.exports.variables import Variable, day_column


@dataclass(frozen=True)
class Layout:
    """The columns of the tables that were asked for."""

    operation: Sequence[Variable]
    scores: Sequence[Variable]
    moments: Sequence[Variable]
    choices: ExportChoices = field(default_factory=ExportChoices)

    def of(self, table: Shape) -> Sequence[Variable]:
        """The columns of one table."""
        return [*self.operation, *(self.scores if table == Shape.LONG else self.moments)]


def layout_of(study: Study, sites: Sequence[SiteSettings], choices: ExportChoices) -> Layout:
    """The columns for a protocol and what was asked for."""
    wanted = {
        "study_id": choices.with_study_ids,
        "procedure_text": choices.with_texts,
        **dict.fromkeys(("operated_on", "withdrawn_on", "died_on", "answered_on"), choices.with_dates),
        **{day_column(one.code): choices.with_dates for one in study.timepoints},
    }
    layout = Layout(
        operation=_wanted(
            [*patient_columns(sites), *operation_columns(), *grouping_columns(study), *taking_part_columns()], wanted
        ),
        scores=_wanted(long_columns(study), wanted),
        moments=_wanted(wide_columns(study), wanted),
        choices=choices,
    )
    for table in (Shape.LONG, Shape.WIDE):
        _refuse_twins(layout.of(table))
    return layout


def _refuse_twins(variables: Sequence[Variable]) -> None:
    """SPSS does not tell capital letters from small ones."""
    names = [variable.name.casefold() for variable in variables]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise RegistryError(f"the protocol gives two columns of an export the name {twins[0]}; rename the grouping")


def _wanted(variables: Sequence[Variable], wanted: Mapping[str, bool]) -> list[Variable]:
    return [variable for variable in variables if wanted.get(variable.name, True)]
