"""What an export can hold: its shapes, its formats, and what is only in it when somebody asks for it."""

from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """How the scores are laid out."""

    LONG = "long"
    WIDE = "wide"
    BOTH = "both"

    @property
    def tables(self) -> tuple["Shape", ...]:
        """The tables of this shape."""
        return (Shape.LONG, Shape.WIDE) if self is Shape.BOTH else (self,)


class Format(StrEnum):
    """For which program files are made."""

    CSV = "csv"
    XLSX = "xlsx"
    SPSS = "spss"
    STATA = "stata"
    R = "r"


@dataclass(frozen=True, kw_only=True)
class ExportChoices:
    """Which tables, for which programs, and what goes beyond the pseudonymous default."""

    shape: Shape = Shape.BOTH
    formats: frozenset[Format] = frozenset({Format.CSV})
    with_dates: bool = False
    with_study_ids: bool = False
    with_texts: bool = False

    @property
    def has_csv(self) -> bool:
        """Whether there are tables as CSV: the scripts for SPSS, Stata and R read them."""
        return self.formats != {Format.XLSX}
