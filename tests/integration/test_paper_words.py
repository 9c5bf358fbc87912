"""Words for a paper: from the run, in both languages and every style, and only of one's own hospital."""

import re
from html import unescape

import pytest

from registry.storage.cohort_facts import mode_counts, operation_facts
from registry.storage.cohorts import CohortQuery
from registry.storage.enrolments import site_id_of
from tests.desk import Desk
from tests.integration.test_report_figures import alice, desk

__all__ = ["alice", "desk"]


def words(desk: Desk, asked: str = "") -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", desk.page(f"/reports/cohort/paper?{asked}"))))


def test_the_methods_say_how_the_answers_were_given_and_when_the_patients_were_operated_on(alice: Desk) -> None:
    page = words(alice, "entry=none")

    assert "between May 2024 and May 2024" in page
    assert "in an earlier data collection (26)" in page
    assert "13/13 (100%)" in page
    assert "2024年5月から2024年5月まで" in page


def test_answers_below_the_entry_rule_are_not_counted_among_those_that_were_used(alice: Desk) -> None:
    assert "in an earlier data collection (22)" in words(alice, "entry=30")


def test_every_style_and_both_languages_are_there(alice: Desk) -> None:
    page = words(alice, "entry=none")

    told = [
        "AMA",
        "95% CI [",
        "P=0.",
        "95% CI −",
        "The Lancet",
        "Japanese journals 腰の痛みのVASは、腰椎疾患なし群（n＝7）で",
    ]
    assert [part for part in told if part in page] == told


def test_a_report_that_cannot_be_made_has_no_words_either(alice: Desk) -> None:
    assert alice.client.get("/reports/cohort/paper?item=x").status_code == 422


@pytest.mark.parametrize("entry", [None, 30])
def test_another_hospital_has_no_part_in_them(alice: Desk, entry: int | None) -> None:
    with alice.database.reading() as session:
        own = site_id_of(session, code="DEMO") or 0
        query = CohortQuery("low_back", "lumbar_disease", alice.clock().date(), own + 1)
        nobody = (
            operation_facts(session, query),
            mode_counts(session, query, timepoint="M12", entry=entry, groups=["with"]),
        )

    assert (nobody[0].procedures, nobody[0].first_on, nobody[1]) == ((), None, {})
