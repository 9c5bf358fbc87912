"""The cumulative distribution: what share improved by at least so much, whoever is missing."""

from __future__ import annotations

import pytest

from registry.figures.cumulative import cumulative
from registry.figures.cumulative_marks import GUIDES
from registry.statistics.responders import proportion
from registry.statistics.results import Proportion
from registry.statistics.score_table import ScoreTable
from tests.unit.figures.cohorts import group, pairs, simulated, subject, three_groups
from tests.unit.figures.reading import assert_words_are_apart, corners, read, said, scale, table, text_of, words

# Improved by 40, 20, 15, 14, 0 and -10; two have no score after, one none before.
EIGHT = ((60, 20), (60, 40), (60, 45), (60, 46), (60, 60), (60, 70), (60, None), (60, None), (None, 10))


def rows(score_table: ScoreTable, code: str = "without") -> dict[int, dict[str, str]]:
    found = table(cumulative([group(code, score_table)], subject=subject()))
    return {int(row["improved_by_at_least"]): row for row in found}


def test_share_is_that_of_the_patients_with_at_least_the_improvement() -> None:
    found = rows(pairs(*EIGHT))

    counts = {cut: (found[cut]["k"], found[cut]["n"]) for cut in (-100, -10, -9, 0, 1, 14, 15, 16, 20, 40, 41, 100)}
    assert counts == {
        -100: ("6", "6"),
        -10: ("6", "6"),
        -9: ("5", "6"),
        0: ("5", "6"),
        1: ("4", "6"),
        14: ("4", "6"),
        15: ("3", "6"),
        16: ("2", "6"),
        20: ("2", "6"),
        40: ("1", "6"),
        41: ("0", "6"),
        100: ("0", "6"),
    }


def test_missing_are_counted_both_ways() -> None:
    found = rows(pairs(*EIGHT))[20]

    assert found["n_all"] == "9"
    assert float(found["share_missing_not_improved"]) == pytest.approx(2 / 9)
    assert float(found["share_missing_improved"]) == pytest.approx(5 / 9)


def test_band_is_the_wilson_interval_at_every_point() -> None:
    found, expected = rows(pairs(*EIGHT))[15], proportion(3, 6)

    assert isinstance(expected, Proportion)
    band = (float(found["ci_low"]), float(found["ci_high"]))
    assert band == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize("code", ["without", "with", "unknown"])
def test_line_of_the_figure_is_that_of_the_table(code: str) -> None:
    drawing = cumulative(three_groups(), subject=subject())
    figure = read(drawing)

    across, up = scale(figure, "−50", "50"), scale(figure, "40", "80", up=True)
    drawn = [(across(x), up(y)) for x, y in corners(figure, f"share-{code}")]
    steps = [row for row in table(drawing) if row["group"] == code]
    for row in steps:
        # A line of steps holds the share of an improvement from just behind the one before up to it.
        improvement, share = int(row["improved_by_at_least"]), 100 * float(row["share"])
        heights = [y for x, y in drawn if x == pytest.approx(improvement, abs=0.02)]
        assert not heights or heights[0] == pytest.approx(share, abs=0.1)
    assert {round(y, 1) for _, y in drawn} == {round(100 * float(row["share"]), 1) for row in steps}


def test_band_is_drawn_for_the_two_that_are_compared_and_the_note_says_so() -> None:
    of_three, of_two = (cumulative(three_groups()[:n], subject=subject()) for n in (3, 2))

    svg = of_three.svg().decode()
    assert ['id="band-without"' in svg, 'id="band-with"' in svg, 'id="band-unknown"' in svg] == [True, True, False]
    assert any("of the two compared groups" in word for word in said(read(of_three)))
    assert not any("of the two compared groups" in word for word in said(read(of_two)))


def test_improvement_is_to_the_right() -> None:
    placed = {word.text: word for word in words(read(cumulative(three_groups(), subject=subject())))}

    assert placed["← worse"].left < placed["improved →"].left
    assert placed["−50"].x < placed["50"].x
    assert "Improvement in score, before − after" in placed


def test_guides_stand_where_their_numbers_say() -> None:
    figure = read(cumulative(three_groups(), subject=subject()))

    across = scale(figure, "−50", "50")
    top = min(word.top for word in words(figure) if word.text == "15")
    above = {word.text: across(word.x) for word in words(figure) if word.top == pytest.approx(top, abs=0.1)}
    assert {guide: above[str(guide)] for guide in GUIDES} == {guide: pytest.approx(guide, abs=0.05) for guide in GUIDES}


def test_read_out_has_the_share_its_counts_and_the_range_of_all() -> None:
    figure = read(cumulative([group("without", pairs(*EIGHT))], subject=subject()))

    assert {"50% (19–81%)", "3/6", "33–67% of all", "both scores: 6 of 9"} <= said(figure)
    assert {"0 (not worse)", "15 points", "20 points", "30 points"} <= said(figure)


def test_description_says_the_numbers_of_the_figure() -> None:
    told = text_of(read(cumulative([group("without", pairs(*EIGHT))], subject=subject())), "desc")

    assert "Without lumbar disease: both scores 6 of 9; improved by at least" in told
    assert "0 (not worse) 83% (44–97%), 5/6, 56–89% of all" in told
    assert "15 points 50% (19–81%), 3/6, 33–67% of all" in told


def test_figure_of_a_million_is_as_small_as_one_of_two_hundred() -> None:
    small = simulated(200, share_left=0.5, seed=5)
    large = ScoreTable.from_counts((before, after, n * 8000) for before, after, n in small.cells)

    few, many = (cumulative([group("without", one)], subject=subject()) for one in (small, large))

    assert len(table(many)) == len(table(few)) == 201
    assert len(many.svg()) == pytest.approx(len(few.svg()), rel=0.1)
    assert_words_are_apart(read(many))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_group_without_both_scores_has_no_line_and_the_figure_says_so(language: str) -> None:
    drawing = cumulative([group("without", pairs((50, None)), language)], subject=subject(language))

    nothing = subject(language).words.nothing
    assert table(drawing) == []
    assert nothing in said(read(drawing))
    assert nothing in drawing.description
    assert_words_are_apart(read(drawing))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_long_names_are_apart(language: str) -> None:
    label = {
        "en": "with symptomatic lumbar spinal stenosis on imaging at enrolment",
        "ja": "頸椎椎弓形成術後で腰部脊柱管狭窄症を合併しない患者群（画像診断）",
    }[language]
    groups = [group(code, pairs(*EIGHT), label=label) for code in ("without", "with", "unknown")]

    assert_words_are_apart(read(cumulative(groups, subject=subject(language, is_demonstration=True))))
