"""The tables of the report: numbers as R gives them, the groups beside each other first, and a reason for every gap."""

import re
from collections.abc import Sequence

import pytest

from registry.domain.study import Study
from registry.services.reports.cells import _REASONS
from registry.services.reports.cohort import CohortResult
from registry.services.reports.cohort_tables import Table, tables_of
from registry.services.reports.cohort_words import words_of
from registry.statistics.results import Reason
from registry.statistics.score_table import ScoreTable
from tests.unit.services.test_result_sentence import ALIKE, BETTER, report, study

__all__ = ["study"]

MINUS = "\N{MINUS SIGN}"
LABELS = ["Without", "With"]


def row(found: CohortResult, name: str) -> Sequence[str]:
    return next(cells for table in tables_of(found, LABELS) for title, cells in table.rows if title.startswith(name))


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        # R: lm(after ~ before + group), t.test(), sd(), quantile(type = 7), prop.test(correct = FALSE)
        ("Score after, adjusted", [f"{MINUS}23.0 ({{}})", "t = {}, df = 17, P < .001"]),
        ("Change, mean (SD)", [f"{MINUS}26.0 (11.7)", f"{MINUS}3.0 (8.2)", f"{MINUS}14.5 (15.4)"]),
        ("Before, median", ["55.0 [50.0 to 60.0]"] * 2),
        ("30% less pain", ["8/10 (80%), 95% CI 49% to 94%", "0/10 (0%), 95% CI 0% to 28%"]),
    ],
)
def test_a_row_holds_the_numbers_of_r(name: str, cells: list[str]) -> None:
    found = row(report(BETTER, ALIKE), name)

    for pattern, cell in zip(cells, found, strict=False):
        assert re.fullmatch(re.escape(pattern).replace(r"\{\}", ".+"), cell), (pattern, cell)


def test_the_difference_between_the_groups_comes_before_any_test_within_one() -> None:
    captions = [table.caption.partition(" ")[0] for table in tables_of(report(BETTER, ALIKE), LABELS)]

    assert captions == ["Between", "Within", "Responders:", "Missing"]


def cells_of(tables: Sequence[Table]) -> list[str]:
    return [cell for table in tables for _, cells in table.rows for cell in (*cells, table.note)]


@pytest.mark.parametrize(
    "other",
    [
        ScoreTable.from_counts([]),
        ScoreTable.from_counts([(60, None, 4)]),
        ScoreTable.from_counts([(60, 20, 1)]),
        ScoreTable.from_counts([(0, 0, 9)]),
        ScoreTable.from_counts([(60, 60, 9)]),
        ScoreTable.from_counts([(50, 20, 1), (60, None, 4)]),
    ],
    ids=["nobody", "everyone missing", "a group of one", "before 0", "all the same", "one answer"],
)
def test_what_cannot_be_computed_is_told_in_words(other: ScoreTable) -> None:
    for found in (report(BETTER, other), report(other, BETTER), report(other, other)):
        written = cells_of(tables_of(found, LABELS))
        assert not [cell for cell in written if re.search(r"nan|inf\b|None|Absent|\{|= \.000", cell)]
        assert any("not computed" in cell or "not tested" in cell for cell in written)


def test_every_reason_has_its_words() -> None:
    assert set(_REASONS) == set(Reason)


def test_every_row_has_a_cell_for_each_column() -> None:
    for table in tables_of(report(BETTER, ALIKE), LABELS):
        assert {len(cells) for _, cells in table.rows} == {len(table.columns)}


def test_the_sentence_for_a_paper_stands_with_the_numbers(study: Study) -> None:
    words = words_of(report(BETTER, ALIKE), study)

    assert words.sentence.startswith("Low back pain fell by 26.0 points (95% CI, 17.6 to 34.4)")
