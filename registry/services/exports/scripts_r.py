"""A script that reads a table into base R, with types, levels and labels."""

import json
from collections.abc import Iterator, Sequence

from registry.services.exports.variables import Kind, Variable


def r_script(table: str, variables: Sequence[Variable]) -> str:
    """The script for one table; it is run in the folder of the table, and makes a data frame of its name."""
    names = ",\n  ".join(_quoted(variable.name) for variable in variables)
    classes = ",\n  ".join(_quoted(_class(variable)) for variable in variables)
    lines = [
        f"# Reads {table}.csv; set the folder first, with setwd(). A missing score is NA, and why is beside it.",
        f"columns <- c(\n  {names}\n)",
        f"classes <- c(\n  {classes}\n)",
        # Named here and not by the file, whose first line begins with a mark.
        f'{table} <- read.csv("{table}.csv", col.names = columns, colClasses = classes, na.strings = "",',
        '  encoding = "UTF-8", check.names = FALSE)',
    ]
    for variable in variables:
        lines += _typed(f"{table}[[{_quoted(variable.name)}]]", variable)
    return "\n".join([*lines, "rm(columns, classes)", ""])


def _class(variable: Variable) -> str:
    return "integer" if variable.kind == Kind.NUMBER else "character"


def _typed(column: str, variable: Variable) -> Iterator[str]:
    if variable.kind == Kind.DAY:
        yield f"{column} <- as.Date({column})"
    elif variable.kind == Kind.CODE:
        levels = ", ".join(_quoted(str(value.code)) for value in variable.values)
        yield f"{column} <- factor({column}, levels = c({levels}))"
    if variable.values:
        labels = ", ".join(f"{_quoted(value.en)} = {_code(value.code)}" for value in variable.values)
        yield f'attr({column}, "labels") <- c({labels})'
    yield f'attr({column}, "label") <- {_quoted(variable.en)}'


def _code(code: str | int) -> str:
    return _quoted(code) if isinstance(code, str) else f"{code}L"


def _quoted(text: str) -> str:
    """In plain ASCII, so that the script means the same in every locale."""
    return json.dumps(text)
