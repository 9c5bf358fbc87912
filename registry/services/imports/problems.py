"""What can be wrong with a table of patients."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.domain.errors import RegistryError


@dataclass(frozen=True)
class RowProblem:
    """One cell that cannot be taken: rows count as in the file, whose header is row 1."""

    row: int
    column: str
    value: str
    reason: str


class ImportProblems(RegistryError):
    """Everything that is wrong with a table; nothing of it was written."""

    def __init__(self, problems: Sequence[RowProblem]) -> None:
        n, first = len(problems), problems[0]
        what = "1 problem" if n == 1 else f"{n} problems"
        super().__init__(f"nothing was imported: {what}, the first in row {first.row}, {first.column}: {first.reason}")
        self.problems = tuple(problems)


class ImportOvertaken(RegistryError):
    """Somebody else changed the same patients during the import; nothing of it was written."""


class TableUnreadable(RegistryError):
    """The file cannot be read as text."""
