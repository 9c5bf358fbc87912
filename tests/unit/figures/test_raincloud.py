"""The raincloud: its marks stand where the counts say, and a million patients cost what a thousand do."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import pytest

from registry.figures.raincloud import raincloud
from registry.figures.raincloud_marks import MOST_POINTS
from registry.figures.subject import Group
from registry.statistics.score_table import ScoreTable
from tests.unit.figures.cohorts import group, pairs, simulated, subject, three_groups
from tests.unit.figures.reading import assert_words_are_apart, corners, marks, read, said, scale, table, text_of, words

TWENTY = tuple(
    (60, 60 - change) for change in (-25, -15, -14, 0, 0, 3, 5, 8, 10, 12, 14, 15, 16, 20, 25, 30, 40, 50, 55, 60)
)


def numbers(groups: list[Group], mark: str, column: str = "change") -> list[float]:
    drawing = raincloud(groups, subject=subject())
    return [float(row[column]) for row in table(drawing) if row["mark"] == mark]


def test_every_patient_is_a_point_where_the_change_says() -> None:
    figure = read(raincloud([group("without", pairs(*TWENTY))], subject=subject()))

    across = scale(figure, "−100", "100")
    points = sorted(across(x) for x, _ in marks(figure, "points-without"))
    assert points == pytest.approx(sorted(after - before for before, after in TWENTY), abs=0.05)


def test_points_of_the_table_are_those_of_the_figure() -> None:
    drawing = raincloud(three_groups(), subject=subject())
    figure = read(drawing)

    across = scale(figure, "−100", "100")
    for code in ("without", "with", "unknown"):
        rows = [row for row in table(drawing) if (row["group"], row["mark"]) == (code, "point")]
        assert [across(x) for x, _ in marks(figure, f"points-{code}")] == pytest.approx(
            [float(row["change"]) for row in rows], abs=0.05
        )


def test_box_stands_at_the_quartiles_with_the_median_inside() -> None:
    drawing = raincloud([group("without", pairs(*TWENTY))], subject=subject())
    figure = read(drawing)

    across = scale(figure, "−100", "100")
    found = {row["mark"]: float(row["change"]) for row in table(drawing) if row["mark"].startswith("box_")}
    box = [across(x) for x, _ in corners(figure, "box-without")]
    middle = [across(x) for x, _ in corners(figure, "median-without")]
    assert (min(box), max(box)) == pytest.approx((found["box_q1"], found["box_q3"]), abs=0.05)
    assert middle == pytest.approx([found["box_median"]] * 2, abs=0.05)
    assert found["box_median"] == median(after - before for before, after in TWENTY)


def test_whiskers_end_at_the_outermost_value_within_reach() -> None:
    changes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 60]
    drawing = raincloud([group("without", pairs(*((20, 20 + change) for change in changes)))], subject=subject())

    found = {row["mark"]: row["change"] for row in table(drawing)}
    assert (found["box_low"], found["box_high"]) == ("0", "8")


def test_density_has_an_area_of_one_and_is_drawn_on_one_scale() -> None:
    drawing = raincloud(three_groups()[:2], subject=subject())
    figure = read(drawing)

    areas, drawn = {}, {}
    for code in ("without", "with"):
        rows = [row for row in table(drawing) if (row["group"], row["mark"]) == (code, "density")]
        heights = [float(row["height"]) for row in rows]
        areas[code] = sum((low + high) / 2 for low, high in pairwise(heights))
        ups = [y for _, y in corners(figure, f"density-{code}")]
        drawn[code] = (max(ups) - min(ups)) / max(heights)
    # Cut at the outermost values, so that no change beyond those that were seen is drawn.
    assert areas == {"without": pytest.approx(0.97, abs=0.03), "with": pytest.approx(0.97, abs=0.03)}
    assert drawn["without"] == pytest.approx(drawn["with"], rel=0.01)


@pytest.mark.parametrize(("n", "has_density"), [(14, False), (15, True)])
def test_small_group_has_no_density_and_the_note_says_so(n: int, has_density: bool) -> None:
    drawing = raincloud([group("without", pairs(*TWENTY[:n]))], subject=subject())

    assert any(row["mark"] == "density" for row in table(drawing)) is has_density
    assert any("no density below n = 15" in word for word in said(read(drawing))) is not has_density
    assert ("no density below n = 15." in drawing.caption) is not has_density


def test_group_in_which_every_change_is_the_same_is_drawn_without_a_density() -> None:
    drawing = raincloud([group("without", pairs(*[(50, 40)] * 20))], subject=subject())

    assert {row["mark"] for row in table(drawing)} & {"density", "point"} == {"point"}
    assert_words_are_apart(read(drawing))


def test_improved_and_worse_stand_beside_each_group_with_their_counts() -> None:
    drawing = raincloud([group("without", pairs(*TWENTY, (60, None)))], subject=subject())

    # 15 points count, 14 do not; who has no score after is in neither number.
    assert {"n = 20", "9 (45%)", "2 (10%)"} <= said(read(drawing))
    found = {row["mark"]: (row["k"], row["n"]) for row in table(drawing) if row["k"]}
    assert found == {"improved": ("9", "20"), "worse": ("2", "20")}


def test_description_says_the_numbers_of_the_figure() -> None:
    told = text_of(read(raincloud([group("without", pairs(*TWENTY))], subject=subject())), "desc")

    assert "negative is better" in told
    assert "Without lumbar disease: n = 20, median −13.0, quartiles −26.2 to −2.2" in told
    assert "improved by 15 points or more 9/20 (45%); worse by 15 points or more 2/20 (10%)." in told


def test_ends_of_the_scale_say_which_is_better() -> None:
    placed = {word.text: word for word in words(read(raincloud(three_groups(), subject=subject())))}

    assert placed["← improved"].left < placed["worse →"].left
    assert "Change in score, after − before" in placed


def test_figure_of_a_million_draws_a_sample_and_says_so() -> None:
    small = simulated(200, share_left=0.5, seed=5)
    large = ScoreTable.from_counts((before, after, n * 8000) for before, after, n in small.cells)

    drawing = raincloud([group("without", large)], subject=subject())

    points = [row for row in table(drawing) if row["mark"] == "point"]
    assert large.n_enrolled == 1_600_000
    assert len(points) == MOST_POINTS
    assert len(marks(read(drawing), "points-without")) == MOST_POINTS
    assert "points: a random sample of 500 a group" in drawing.caption
    assert any("random" in word for word in said(read(drawing)))
    assert_words_are_apart(read(drawing))


def test_sample_is_drawn_from_the_whole_distribution() -> None:
    low, high = (50, 10, 900_000), (50, 90, 300_000)

    drawn = numbers([group("without", ScoreTable.from_counts([low, high]))], "point")

    assert set(drawn) == {-40, 40}
    assert drawn.count(-40) / len(drawn) == pytest.approx(0.75, abs=0.06)


def test_sample_of_a_group_does_not_depend_on_the_other_groups() -> None:
    first, second = group("without", simulated(900, share_left=0.5, seed=6)), group("with", pairs(*TWENTY))

    alone = table(raincloud([first], subject=subject()))
    together = table(raincloud([first, second], subject=subject()))

    assert together[: len(alone)] == alone


@pytest.mark.parametrize("language", ["en", "ja"])
def test_group_without_both_scores_says_so(language: str) -> None:
    nobody = group("with", pairs((50, None)), language)
    drawing = raincloud([group("without", pairs(*TWENTY), language), nobody], subject=subject(language))

    nothing = subject(language).words.nothing
    assert nothing in said(read(drawing))
    assert nothing in drawing.description
    assert_words_are_apart(read(drawing))


def test_figure_of_no_group_can_be_drawn() -> None:
    assert_words_are_apart(read(raincloud([], subject=subject())))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_long_names_are_apart(language: str) -> None:
    label = {
        "en": "with symptomatic lumbar spinal stenosis on imaging at enrolment",
        "ja": "頸椎椎弓形成術後で腰部脊柱管狭窄症を合併しない患者群（画像診断）",
    }[language]
    groups = [group(code, pairs(*TWENTY), label=label) for code in ("without", "with", "unknown")]

    assert_words_are_apart(read(raincloud(groups, subject=subject(language, is_demonstration=True))))
