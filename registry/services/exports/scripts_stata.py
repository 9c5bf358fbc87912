"""A do-file that reads a table into Stata, with labels, and an extended missing value for each reason."""

from collections.abc import Iterator, Sequence
from string import ascii_lowercase

from registry.services.exports.value_words import MISSING
from registry.services.exports.variables import Kind, Variable

_LONGEST_LABEL = 80


def stata_script(table: str, variables: Sequence[Variable]) -> str:
    """The do-file for one table; it is run in the folder of the table."""
    lines = [
        f"* Reads {table}.csv; change to its folder first, with cd.",
        "version 14",
        "clear",
        f'import delimited using "{table}.csv", delimiters(",") varnames(nonames) rowrange(2) ///',
        '    bindquotes(strict) stringcols(_all) encoding("utf-8")',
    ]
    # Named here and not by the file: its first line begins with a mark that Stata would take into the first name.
    lines += [f"rename v{place} {variable.name}" for place, variable in enumerate(variables, start=1)]
    lines += [f"destring {variable.name}, replace" for variable in variables if variable.kind == Kind.NUMBER]
    lines += _missing([variable for variable in variables if variable.reason_in])
    for place, variable in enumerate(variables, start=1):
        lines += _typed(variable, f"of_column_{place}")
        lines.append(f"label variable {variable.name} {_quoted(variable.en)}")
    lines.append("order ///\n    " + " ///\n    ".join(variable.name for variable in variables))
    return "\n".join([*lines, ""])


def missing_values() -> Sequence[tuple[str, str, str]]:
    """The extended missing value of each reason, its code and its words."""
    letters = zip(ascii_lowercase, MISSING, strict=False)
    return [(f".{letter}", str(reason.code), reason.en) for letter, reason in letters]


def _missing(scores: Sequence[Variable]) -> Iterator[str]:
    if not scores:
        return
    for value, _, label in missing_values():
        yield f"label define of_missing {value} {_quoted(label)}, add"
    for score in scores:
        for value, code, _ in missing_values():
            yield f'replace {score.name} = {value} if {score.reason_in} == "{code}"'
        yield f"label values {score.name} of_missing"


def _typed(variable: Variable, label: str) -> Iterator[str]:
    """Days as days, codes as numbers with labels: Stata labels no text."""
    name = variable.name
    if variable.kind == Kind.DAY:
        yield f'generate new_column = daily({name}, "YMD")'
        yield from (f"drop {name}", f"rename new_column {name}", f"format {name} %tdCCYY-NN-DD")
    elif variable.kind == Kind.CODE:
        yield "generate byte new_column = ."
        for number, value in enumerate(variable.values, start=1):
            yield f"replace new_column = {number} if {name} == {_quoted(str(value.code))}"
            yield f"label define {label} {number} {_quoted(value.en)}, add"
        yield from (f"drop {name}", f"rename new_column {name}", f"label values {name} {label}")
    elif variable.values:
        for value in variable.values:
            yield f"label define {label} {value.code} {_quoted(value.en)}, add"
        yield f"label values {name} {label}"


def _quoted(text: str) -> str:
    """In Stata's compound quotes, which hold plain ones; what would end them, or name a macro, is taken out."""
    return '`"' + text.replace("`", "'").replace("$", "")[:_LONGEST_LABEL] + "\"'"
