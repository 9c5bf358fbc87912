"""A table as it lies in the file: its text, its columns and its rows."""

import csv
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from registry.domain.study import Study
from registry.services.imports.problems import RowProblem, TableUnreadable

REQUIRED = ("study_id", "birth_year")
_ABOUT_THE_PATIENT = (*REQUIRED, "sex", "operated_on", "procedure", "lumbar_disease")
_N_HEADER_ROWS = 1


@dataclass(frozen=True)
class Table:
    """The rows by number, each by column, and what is wrong with the table as such."""

    columns: frozenset[str]
    rows: Sequence[tuple[int, Mapping[str, str]]]
    problems: Sequence[RowProblem]


def open_table(path: Path) -> StringIO:
    """The text of a file in UTF-8, with or without a byte order mark; refused in any other encoding."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableUnreadable(
            f"{path} is not UTF-8 (byte {error.start + 1}); save it as “CSV UTF-8” and try again"
        ) from None
    except OSError as error:
        raise TableUnreadable(f"{path} cannot be read: {error.strerror}") from None
    return StringIO(text, newline="")


def read_table(file: Iterable[str], study: Study) -> Table:
    """The rows of a table under their columns; blank rows are passed over but counted."""
    lines, problems = _lines(file)
    if not lines:
        return Table(frozenset(), (), problems or [RowProblem(1, "", "", "the file is empty")])
    header = [plain(name) for name in lines[0]]
    problems += _problems_of_header(header, study)
    rows = []
    for number, cells in enumerate(lines[_N_HEADER_ROWS:], start=_N_HEADER_ROWS + 1):
        if any(cell.strip() for cell in cells):
            problems += _problems_of_length(number, cells, header)
            rows.append((number, dict(zip(header, cells, strict=False))))
    return Table(frozenset(header), rows, problems)


def plain(text: str) -> str:
    """A cell without spaces around it, full-width letters and digits as plain ones."""
    return text.strip() if text.isascii() else unicodedata.normalize("NFKC", text).strip()


def date_column(timepoint: str) -> str:
    """The column with the day on which the answers of a timepoint were given."""
    return f"{timepoint}_on"


def score_column(item: str, timepoint: str) -> str:
    """The column with the score of an item at a timepoint."""
    return f"{item}_{timepoint}"


def _lines(file: Iterable[str]) -> tuple[list[list[str]], list[RowProblem]]:
    lines: list[list[str]] = []
    try:
        lines.extend(csv.reader(file, strict=True))
    except csv.Error as error:
        return lines, [RowProblem(len(lines) + 1, "", "", f"this row is not written as CSV: {error}")]
    return lines, []


def _known_columns(study: Study) -> list[str]:
    codes = [timepoint.code for timepoint in study.timepoints]
    dates = [date_column(code) for code in codes]
    scores = [score_column(item.code, code) for item in study.items for code in codes]
    return [*_ABOUT_THE_PATIENT, *dates, *scores]


def _problems_of_header(header: Sequence[str], study: Study) -> Iterator[RowProblem]:
    known = _known_columns(study)
    for place, name in enumerate(header):
        if name not in known:
            yield RowProblem(1, name, name, _why_unknown(name, known))
        elif name in header[:place]:
            yield RowProblem(1, name, name, "this column is there twice")
    for name in REQUIRED:
        if name not in header:
            yield RowProblem(1, name, "", "this column is missing")


def _why_unknown(name: str, known: Sequence[str]) -> str:
    if any(separator in name for separator in ";\t"):
        return "the columns are not separated by commas; save the table as comma-separated values"
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"this is not a column of the registry{hint}" if name else "this column has no name"


def _problems_of_length(number: int, cells: Sequence[str], header: Sequence[str]) -> Iterator[RowProblem]:
    if len(cells) != len(header):
        reason = f"this row has {len(cells)} values, the header has {len(header)}"
        yield RowProblem(number, "", "", reason)
