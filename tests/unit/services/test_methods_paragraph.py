"""The methods paragraph: every slot from the run, in both languages, and nothing that staff have typed themselves."""

import re
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from registry.domain.instruments import Mode
from registry.domain.study import Study
from registry.languages import LANGUAGES
from registry.services.reports.methods_paragraph import CohortFacts, methods_paragraph
from tests.unit.services.test_result_sentence import ALIKE, BETTER, report, study

__all__ = ["study"]

FACTS = CohortFacts(
    sites={"en": ["Kitano Hospital"], "ja": ["北野病院"]},
    procedures=["laminoplasty", "acdf"],
    first_operated_on=date(2021, 4, 3),
    last_operated_on=date(2025, 11, 28),
    modes={Mode.TOUCH: 31, Mode.PEN: 2, Mode.PHONE: 4, Mode.PAPER: 3},
    zone=ZoneInfo("Asia/Tokyo"),
)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            [
                "cervical laminoplasty and anterior cervical discectomy and fusion at Kitano Hospital between",
                "April 2021 and",
                "November 2025 were",
                "from ‘no pain at all’ to ‘worst pain imaginable’; instrument 1",
                "by touch on a screen (33), by telephone (4) and on a 100-mm paper line (3)",
                "‘Without lumbar disease’ and ‘With lumbar disease’",
                "change in low back pain from the last answer within 60 days",
                "at 12 months (from 14 days before to 90 days after",
                "20/20 (100%)",
                "20 November 2026 09:00 (Asia/Tokyo)",
            ],
        ),
        (
            "ja",
            [
                "2021年4月から2025年11月までに北野病院で頚椎椎弓形成術・頚椎前方除圧固定術",
                "画面に触れて33件・電話4件・100 mmの紙3件",
                "「腰椎疾患なし」・「腰椎疾患あり」",
                "術後12か月（予定日の14日前から90日後まで）",
                "20/20 (100%)",
                "2026年11月20日（金） 09:00",
            ],
        ),
    ],
)
def test_every_slot_comes_from_the_run(study: Study, language: str, expected: list[str]) -> None:
    said = methods_paragraph(report(BETTER, ALIKE), FACTS, study, language=language)

    assert [words for words in expected if words in said] == expected
    assert not re.search(r"[{}]|None|  ", said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_entry_rule_is_told_only_where_there_is_one(study: Study, language: str) -> None:
    everyone = report(BETTER, ALIKE)
    some = replace(everyone, definition=replace(everyone.definition, entry=30))

    said = [methods_paragraph(found, FACTS, study, language=language) for found in (everyone, some)]

    assert [("30 or more" in words or "30以上" in words) for words in said] == [False, True]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_staff_have_typed_as_a_procedure_is_not_repeated(study: Study, language: str) -> None:
    facts = replace(FACTS, procedures=["C3-6 for Mr Tanaka", "laminoplasty", "another"])

    said = methods_paragraph(report(BETTER, ALIKE), facts, study, language=language)

    assert "Tanaka" not in said
    assert {"en": "other and cervical laminoplasty at", "ja": "その他の手術・頚椎椎弓形成術を"}[language] in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_cohort_has_a_paragraph_all_the_same(study: Study, language: str) -> None:
    facts = replace(FACTS, procedures=[], first_operated_on=None, last_operated_on=None, modes={})

    assert "–" in methods_paragraph(report(BETTER, ALIKE), facts, study, language=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_unclassified_are_in_no_denominator(study: Study, language: str) -> None:
    found = report(BETTER, ALIKE)
    unclassified = replace(found.groups[0], group="unknown", n_enrolled=70, n_both=30)

    said = methods_paragraph(replace(found, groups=[*found.groups, unclassified]), FACTS, study, language=language)

    assert "20/20 (100%)" in said
