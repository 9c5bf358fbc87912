"""The responders as shares, and as one bar for each patient."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from registry.figures.drawing import Drawing
from registry.figures.responders import responders
from registry.figures.subject import Group
from registry.figures.waterfall import MOST_BARS, n_bars, waterfall
from registry.statistics.responders import responders as share_of_responders
from registry.statistics.results import Proportion
from registry.statistics.score_table import ScoreTable
from tests.unit.figures.cohorts import group, pairs, simulated, subject, three_groups
from tests.unit.figures.reading import SVG, Figure, assert_words_are_apart, read, said, scale, table, text_of, words

# Lower by 30 %, 29 %, 50 % and 100 %; one with 0 before, one 15 points and one 14 points worse, one without after.
EIGHT = ((100, 70), (100, 71), (60, 30), (40, 0), (0, 20), (50, 65), (50, 64), (80, None))
Draw = Callable[..., Drawing]
BOTH = pytest.mark.parametrize("figure", [responders, waterfall])
LONG = {
    "en": "with symptomatic lumbar spinal stenosis on imaging at enrolment",
    "ja": "頸椎椎弓形成術後で腰部脊柱管狭窄症を合併しない患者群（画像診断）",
}


def one_group() -> list[Group]:
    return [group("without", pairs(*EIGHT))]


# The shares


def test_table_has_every_cut_with_its_own_denominator() -> None:
    found = {row["criterion"]: (row["k"], row["n"]) for row in table(responders(one_group(), subject=subject()))}

    # Who has 0 before has no percentage, and can be at 30 or less after.
    assert found == {"30_percent_lower": ("3", "6"), "50_percent_lower": ("2", "6"), "after_at_most_30": ("3", "7")}


def test_intervals_are_those_of_the_report() -> None:
    groups = three_groups()
    found = [row for row in table(responders(groups, subject=subject())) if row["criterion"] == "30_percent_lower"]

    for row, one in zip(found, groups, strict=True):
        share = share_of_responders(one.table, at_least_percent=30)
        assert isinstance(share, Proportion)
        told = tuple(float(row[column]) for column in ("share", "ci_low", "ci_high"))
        assert told == pytest.approx((share.value, share.low, share.high), rel=1e-9)


@pytest.mark.parametrize("code", ["without", "with", "unknown"])
def test_dots_stand_at_the_shares_of_the_table(code: str) -> None:
    drawing = responders(three_groups(), subject=subject())
    figure = read(drawing)

    across = scale(figure, "25", "75")
    dots = [
        float(use.attrib["x"])
        for place in figure.iter(f"{SVG}g")
        if place.get("id") == f"share-{code}"
        for use in place.iter(f"{SVG}use")
    ]
    shares = [100 * float(row["share"]) for row in table(drawing) if row["group"] == code]
    assert len(shares) == 3
    assert [across(x) for x in dots] == pytest.approx(shares, abs=0.1)


def test_share_stands_with_its_interval_and_counts_in_words() -> None:
    drawing = responders(one_group(), subject=subject())

    assert {"50% (19–81%)", "3/6", "33% (10–70%)", "2/6", "43% (16–75%)", "3/7"} <= said(read(drawing))
    told = text_of(read(drawing), "desc")
    assert "Without lumbar disease: Score 30% lower or better 50% (19–81%), 3/6; Score 50% lower" in told
    assert "Score 30 or less after the operation 43% (16–75%), 3/7." in told


def test_shares_of_a_million_fit_beside_their_dots() -> None:
    small = simulated(200, share_left=0.5, seed=5)
    large = ScoreTable.from_counts((before, after, n * 8000) for before, after, n in small.cells)

    assert_words_are_apart(read(responders([group("without", large), group("with", large)], subject=subject())))


# The waterfall


def test_every_patient_with_a_percentage_is_a_bar_the_worst_first() -> None:
    found = [(float(row["change_percent"]), row["class"]) for row in table(waterfall(one_group(), subject=subject()))]

    assert found == [
        (30, "worse"),
        (28, "between"),
        (-29, "between"),
        (-30, "responder"),
        (-50, "responder"),
        (-100, "responder"),
    ]


def test_bars_of_the_figure_end_where_the_table_says() -> None:
    drawing = waterfall(one_group(), subject=subject())
    figure = read(drawing)

    up = scale(figure, "−100", "100", up=True)
    ends = sorted(max((up(y) for y in heights), key=abs) for heights in _bars(figure))
    assert ends == pytest.approx(sorted(float(row["change_percent"]) for row in table(drawing)), abs=0.1)


def _bars(figure: Figure) -> list[list[float]]:
    """The heights of the corners of each rectangle in the colour of the first group."""
    paths = [path for place in figure.iter(f"{SVG}g") for path in place.findall(f"{SVG}path")]
    return [
        [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", path.attrib["d"])]
        for path in paths
        if "#0072b2" in path.attrib["style"]
    ]


def test_classes_are_told_apart_without_colour() -> None:
    svg = waterfall(one_group(), subject=subject()).svg(is_grey=True).decode()

    # Solid, open and hatched: the bars and the key use the same three.
    assert {"fill: #000000", "fill: #ffffff"} <= set(re.findall(r"fill: #\w{6}", svg))
    assert len(re.findall(r"fill: url\(#", svg)) == 2


def test_patients_who_had_nothing_before_are_counted_in_the_note() -> None:
    assert any(
        "not shown: 1 with a score of 0 before" in w for w in said(read(waterfall(one_group(), subject=subject())))
    )
    without = waterfall([group("without", pairs((50, 40)))], subject=subject())
    assert not any("not shown" in word for word in said(read(without)))


def test_bar_that_leaves_the_scale_has_an_arrowhead_and_the_note_says_so() -> None:
    beyond, within = (
        waterfall([group("without", pairs((20, 20 + rise), (50, 40)))], subject=subject()) for rise in (21, 20)
    )

    assert any("arrowhead: beyond 100%" in word for word in said(read(beyond)))
    assert not any("arrowhead" in word for word in said(read(within)))
    assert [row["change_percent"] for row in table(beyond)] == ["105", "-20"]


def test_waterfall_is_refused_where_bars_could_not_be_told_apart() -> None:
    groups = [group("without", pairs(*[(50, 40)] * MOST_BARS))]

    assert len(table(waterfall(groups, subject=subject()))) == n_bars(groups) == MOST_BARS
    with pytest.raises(ValueError, match=f"at most {MOST_BARS} bars: {MOST_BARS + 1}"):
        waterfall([*groups, group("with", pairs((50, 40)))], subject=subject())


def test_description_of_the_waterfall_says_its_numbers() -> None:
    told = text_of(read(waterfall(one_group(), subject=subject())), "desc")

    assert "Without lumbar disease: n = 6, from 30% to −100%; 30% lower or better 3/6 (50%)" in told
    assert "worse by 15 points or more 1/6 (17%)." in told


# Both


@BOTH
@pytest.mark.parametrize("language", ["en", "ja"])
def test_group_without_both_scores_says_so(figure: Draw, language: str) -> None:
    nobody = [group("without", pairs((50, None)), language)]
    drawing = figure(nobody, subject=subject(language))

    nothing = subject(language).words.nothing
    joined = "".join(word.text for word in words(read(drawing))).replace(" ", "")
    assert nothing.replace(" ", "") in joined
    assert nothing in drawing.description
    assert_words_are_apart(read(drawing))


@BOTH
@pytest.mark.parametrize("language", ["en", "ja"])
def test_long_names_are_apart(figure: Draw, language: str) -> None:
    groups = [group(code, pairs(*EIGHT), label=LONG[language]) for code in ("without", "with", "unknown")]

    assert_words_are_apart(read(figure(groups, subject=subject(language, is_demonstration=True))))


@BOTH
def test_figure_of_no_group_can_be_drawn(figure: Draw) -> None:
    assert_words_are_apart(read(figure([], subject=subject())))
