"""Syntax that reads a table into SPSS, with labels, and a code for each reason of a missing score."""

from collections.abc import Iterator, Sequence

from registry.services.exports.value_words import MISSING, Value
from registry.services.exports.variables import Kind, Variable

# Far from every score, so that nobody takes one for a value.
_FIRST_CODE = -81
_LONGEST_LABEL = 120


def spss_script(table: str, variables: Sequence[Variable]) -> str:
    """The syntax for one table; it is run in the folder of the table."""
    commands = [_reading(table, variables), _variable_labels(variables)]
    commands += [_value_labels([variable], variable.values) for variable in variables if variable.values]
    scores = [variable for variable in variables if variable.reason_in]
    commands += [*_missing(scores), "EXECUTE."]
    return "\n".join(["* Encoding: UTF-8.", f"* Reads {table}.csv; set the folder first, with CD.", "", *commands, ""])


def missing_codes() -> Sequence[tuple[int, Value]]:
    """The number that stands for each reason."""
    return [(_FIRST_CODE - place, reason) for place, reason in enumerate(MISSING)]


def _reading(table: str, variables: Sequence[Variable]) -> str:
    head = (
        "GET DATA",
        "  /TYPE=TXT",
        f"  /FILE='{table}.csv'",
        "  /ENCODING='UTF8'",
        "  /ARRANGEMENT=DELIMITED",
        "  /DELCASE=LINE",
        "  /DELIMITERS=','",
        "  /QUALIFIER='\"'",
        "  /FIRSTCASE=2",
        "  /VARIABLES=",
    )
    return "\n".join((*head, *(f"    {variable.name} {_format(variable)}" for variable in variables))) + "."


def _format(variable: Variable) -> str:
    return {Kind.NUMBER: "F8.0", Kind.DAY: "SDATE10"}.get(variable.kind, f"A{variable.width}")


def _variable_labels(variables: Sequence[Variable]) -> str:
    labels = "\n".join(f"  {variable.name} {_quoted(variable.en)}" for variable in variables)
    return f"VARIABLE LABELS\n{labels}."


def _value_labels(variables: Sequence[Variable], values: Sequence[Value]) -> str:
    names = "\n".join(f"  {variable.name}" for variable in variables)
    lines = "\n".join(f"    {_code(value.code)} {_quoted(value.en)}" for value in values)
    return f"VALUE LABELS\n{names}\n{lines}."


def _missing(scores: Sequence[Variable]) -> Iterator[str]:
    if not scores:
        return
    codes = missing_codes()
    yield "DO REPEAT\n  of_score =" + "".join(f"\n    {score.name}" for score in scores)
    yield "  /of_reason =" + "".join(f"\n    {score.reason_in}" for score in scores) + "."
    yield from (f"IF (of_reason = {_quoted(str(reason.code))}) of_score = {code}." for code, reason in codes)
    yield "END REPEAT."
    yield _value_labels(scores, [Value(code, reason.en, reason.ja) for code, reason in codes])
    names = "".join(f"\n  {score.name}" for score in scores)
    yield f"MISSING VALUES{names}\n  ({codes[-1][0]} THRU {codes[0][0]})."


def _code(code: str | int) -> str:
    return _quoted(code) if isinstance(code, str) else str(code)


def _quoted(text: str) -> str:
    return "'" + text[:_LONGEST_LABEL].replace("'", "''") + "'"
