"""The dictionary of an export: what each column is, in English and Japanese, and what an empty cell of it means."""

from collections.abc import Iterator, Sequence

from registry.services.exports.cells import Cell
from registry.services.exports.layout import Layout
from registry.services.exports.variables import Variable

COLUMNS = (
    "table",
    "column",
    "label_en",
    "label_ja",
    "type",
    "unit",
    "lowest",
    "highest",
    "values_en",
    "values_ja",
    "empty_means",
    "reason_in",
    "source",
)


def dictionary_rows(layout: Layout) -> Iterator[Sequence[Cell]]:
    """A row for each column of each table."""
    for table in layout.choices.shape.tables:
        for variable in layout.of(table):
            yield _row(table, variable)


def _row(table: str, variable: Variable) -> Sequence[Cell]:
    return (
        table,
        variable.name,
        variable.en,
        variable.ja,
        variable.kind,
        variable.unit or None,
        variable.lowest,
        variable.highest,
        "; ".join(f"{value.code} = {value.en}" for value in variable.values) or None,
        "; ".join(f"{value.code} = {value.ja}" for value in variable.values) or None,
        variable.empty or "never empty",
        variable.reason_in or None,
        variable.source,
    )
