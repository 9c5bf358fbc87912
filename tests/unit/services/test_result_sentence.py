"""The result in one sentence: the numbers of the report, improvement first, in both languages and every style."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registry.config import load_settings
from registry.domain.study import Study
from registry.journal_styles import Style
from registry.services.reports.cohort import CohortDefinition, CohortResult, Manifest
from registry.services.reports.cohort_blocks import between, group_result
from registry.services.reports.result_sentence import result_sentence
from registry.statistics.score_table import ScoreTable
from tests.conftest import ROOT

MINUS = "\N{MINUS SIGN}"
BETTER = ScoreTable.from_counts([(60, 20, 3), (50, 30, 3), (40, 10, 2), (70, 60, 2)])
ALIKE = ScoreTable.from_counts([(60, 60, 3), (50, 40, 3), (40, 50, 2), (70, 60, 2)])
WORSE = ScoreTable.from_counts([(60, 80, 3), (50, 50, 3), (40, 50, 2), (70, 60, 2)])


@pytest.fixture(scope="module")
def study() -> Study:
    return load_settings(ROOT / "config.toml").protocol


def report(first: ScoreTable, second: ScoreTable) -> CohortResult:
    definition = CohortDefinition(item="low_back", timepoint="M12", grouping="lumbar_disease", entry=None)
    groups = [
        group_result(code, table, everyone=table, entry=None) for code, table in (("without", first), ("with", second))
    ]
    return CohortResult(
        definition=definition,
        groups=groups,
        everyone=group_result("all", ScoreTable.combined([first, second]), everyone=first, entry=None),
        between=between(first, second, (groups[0].responses, groups[1].responses)),
        all_comers=None,
        manifest=Manifest(
            cut_off=datetime(2026, 11, 20, tzinfo=UTC),
            data_sha256="0" * 64,
            version="0",
            instrument="1",
            definition=definition,
            compared=("without", "with"),
            is_demo=False,
        ),
        n_unreviewed=0,
    )


def test_both_changes_and_the_adjusted_difference_are_said_in_english(study: Study) -> None:
    said = result_sentence(report(BETTER, ALIKE), study, style=Style.AMA, language="en")

    # Witness: R t.test() and lm() on the same rows.
    assert said == (
        "Low back pain fell by 26.0 points (95% CI, 17.6 to 34.4) in the group “Without lumbar disease” (n = 10) and "
        f"fell by 3.0 points ({MINUS}2.9 to 8.9) in the group “With lumbar disease” (n = 10); adjusted for the score "
        "before, the group “Without lumbar disease” improved by 23.0 points more (13.2 to 32.8; P < .001)."
    )


def test_they_are_said_in_japanese(study: Study) -> None:
    said = result_sentence(report(BETTER, ALIKE), study, style=Style.AMA, language="ja")

    assert said == (
        "腰の痛みのVASは、腰椎疾患なし群（n＝10）で26.0（95％信頼区間 17.6〜34.4）低下し、"
        f"腰椎疾患あり群（n＝10）で3.0（{MINUS}2.9〜8.9）低下した。"
        "術前の値で調整した変化量の群間差は23.0（13.2〜32.8、P＜0.001）で、腰椎疾患なし群の改善が大きかった。"
    )


@pytest.mark.parametrize(
    ("language", "rose", "better"), [("en", "rose by", "“With"), ("ja", "上昇した", "腰椎疾患あり群で")]
)
def test_a_rise_is_called_one_and_the_group_that_did_better_is_named(
    study: Study, language: str, rose: str, better: str
) -> None:
    assert rose in result_sentence(report(BETTER, WORSE), study, style=Style.AMA, language=language)
    said = result_sentence(report(WORSE, BETTER), study, style=Style.AMA, language=language)
    assert better in said.partition(";" if language == "en" else "。")[2]


@pytest.mark.parametrize(("language", "neutral"), [("en", "points lower in the group “Without"), ("ja", "なし群で")])
def test_no_group_is_said_to_have_improved_when_one_of_them_rose(study: Study, language: str, neutral: str) -> None:
    said = result_sentence(report(ALIKE, WORSE), study, style=Style.AMA, language=language)

    between = said.partition(";" if language == "en" else "。")[2]
    assert neutral in between
    assert not re.search("improved|改善", said)


@pytest.mark.parametrize("style", Style)
def test_every_style_names_the_interval_once(study: Study, style: Style) -> None:
    assert result_sentence(report(BETTER, ALIKE), study, style=style, language="en").count("95% CI") == 1


@pytest.mark.parametrize(
    ("language", "words"), [("en", "the groups were not compared"), ("ja", "群間の比較は行わなかった")]
)
def test_what_cannot_be_computed_is_said(study: Study, language: str, words: str) -> None:
    nobody = ScoreTable.from_counts([(60, None, 4)])

    said = result_sentence(report(BETTER, nobody), study, style=Style.AMA, language=language)

    assert words in said
    assert ("(n = 0)" if language == "en" else "（n＝0）") in said
    assert "nan" not in said.lower()


def test_the_sentence_takes_its_numbers_from_the_report(study: Study) -> None:
    found = report(BETTER, ALIKE)
    other = replace(found, between=report(ALIKE, BETTER).between)

    assert result_sentence(found, study, style=Style.AMA, language="en") != result_sentence(
        other, study, style=Style.AMA, language="en"
    )
