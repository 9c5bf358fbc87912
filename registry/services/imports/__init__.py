"""Import of patients with their scores from a table: every row is checked first, all of it is written or nothing."""

from registry.services.imports.patients import ImportResult, import_patients
from registry.services.imports.problems import ImportOvertaken, ImportProblems, RowProblem, TableUnreadable
from registry.services.imports.table import open_table

__all__ = [
    "ImportOvertaken",
    "ImportProblems",
    "ImportResult",
    "RowProblem",
    "TableUnreadable",
    "import_patients",
    "open_table",
]
