"""The trajectory figure: what it says, and that nothing on it overlaps or leaves the sheet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.figures.trajectory import Series, trajectory
from registry.figures.trajectory_labels import ENGLISH, JAPANESE, TrajectoryLabels
from registry.statistics.results import TrajectoryPoint
from registry.statistics.summary import trajectory_point
from tests.unit.figures.reading import SVG, assert_words_are_apart, text_of, words

ROOT = Path(__file__).parents[3]


def point(months: float, *scores: int) -> TrajectoryPoint:
    return trajectory_point({score: scores.count(score) for score in scores}, months=months)


def series(group: str, label: str, *points: TrajectoryPoint) -> Series:
    return Series(group=group, label=label, points=points)


def two_groups(without: str = "without disease", with_disease: str = "with disease") -> list[Series]:
    return [
        series("without", without, point(0, 40, 60, 50), point(3, 20, 31, 25), point(12, 22, 30, 35)),
        series("with", with_disease, point(0, 60, 70, 50, 55), point(3, 50, 57), point(12, 50, 62)),
    ]


def drawn(
    groups: Sequence[Series], labels: TrajectoryLabels = ENGLISH, *, is_demonstration: bool = False
) -> ElementTree.Element:
    return ElementTree.fromstring(trajectory(groups, labels=labels, is_demonstration=is_demonstration).svg())


# What it says


@pytest.mark.parametrize("labels", [ENGLISH, JAPANESE], ids=["English", "Japanese"])
def test_scale_names_its_ends_and_its_direction(labels: TrajectoryLabels) -> None:
    said = {word.text for word in words(drawn(two_groups(), labels))}

    assert {"0", "100", labels.lowest, labels.highest, *labels.direction} <= said


def test_number_of_answers_stands_under_every_moment_of_every_group() -> None:
    figure = drawn([series("without", "A", point(0, *[50] * 31, 20), point(3)), series("with", "B", point(0, 1))])

    numbers = sorted((round(w.bottom), w.text) for w in words(figure) if w.text in {"32", "0", "1", "–"})

    in_table = [text for _, text in numbers if text != "0"]
    assert in_table == ["32", "1", "–"]
    assert [text for _, text in numbers].count("0") == 2  # of the scale, and of the moment nobody answered


def test_figure_is_told_to_those_who_hear_it() -> None:
    figure = drawn(two_groups())

    assert text_of(figure, "title") == "Low-back pain before and after operation, mean score by group"
    assert "higher is worse" in text_of(figure, "desc")
    assert "without disease: before 50.0 (95% CI 25.2 to 74.8; n = 3);" in text_of(figure, "desc")
    assert figure.attrib["role"] == "img"
    identifiers = {element.get("id") for element in figure}
    assert set(figure.attrib["aria-labelledby"].split()) <= identifiers


def test_japanese_figure_is_told_in_japanese() -> None:
    figure = drawn(two_groups("腰椎疾患なし", "腰椎疾患あり"), JAPANESE)

    assert figure.attrib["lang"] == "ja"
    assert "腰椎疾患なし：術前 50.0（95％信頼区間 25.2〜74.8、n＝3）" in text_of(figure, "desc")


def test_point_without_an_interval_is_told_as_such() -> None:
    assert "3 months 40.0 (no interval; n = 1)" in text_of(drawn([series("all", "All", point(3, 40))]), "desc")


@pytest.mark.parametrize("labels", [ENGLISH, JAPANESE], ids=["English", "Japanese"])
def test_demonstration_is_marked_and_the_real_figure_is_not(labels: TrajectoryLabels) -> None:
    marked = trajectory(two_groups(), labels=labels, is_demonstration=True).svg().decode()
    real = trajectory(two_groups(), labels=labels, is_demonstration=False).svg().decode()

    assert "DEMO - synthetic data" in marked
    assert "DEMO" not in real


def test_mark_of_the_demonstration_stands_above_the_data() -> None:
    placed = words(drawn(two_groups(), is_demonstration=True))

    mark = next(w for w in placed if w.text.startswith("DEMO"))
    assert mark.bottom < next(w for w in placed if w.text == "100").top


def test_arrowheads_are_explained_only_where_there_are_any() -> None:
    beyond = drawn([series("all", "All", point(0, 5, 95))])
    within = drawn([series("all", "All", point(0, 48, 50, 52))])

    assert any(ENGLISH.beyond in word.text for word in words(beyond))
    assert not any(ENGLISH.beyond in word.text for word in words(within))


@pytest.mark.parametrize("groups", [[], [series("without", "A"), series("with", "B", point(3))]])
def test_figure_without_answers_says_so(groups: list[Series]) -> None:
    assert ENGLISH.nothing in {word.text for word in words(drawn(groups))}


def test_words_of_the_protocol_cannot_break_the_picture() -> None:
    figure = drawn([series("<b>", "A < B & 'word1' \"C\"", point(0, 40, 60))])

    assert "A < B & 'word1' \"C\"" in {word.text for word in words(figure)}


def test_moment_without_a_mean_interrupts_the_line() -> None:
    figure = drawn([series("all", "All", point(0, 50), point(3), point(6, 40), point(12, 30))])

    line = figure.find(f".//{SVG}g[@id='mean-all']/{SVG}path")
    assert line is not None
    assert line.attrib["d"].count("M") == 2


def test_scores_lie_on_a_scale_from_0_to_100() -> None:
    figure = drawn([series("all", "All", point(0, 0), point(12, 100))])

    marks = [float(use.attrib["y"]) for use in figure.findall(f".//{SVG}g[@id='mean-all']//{SVG}use")]
    placed = {word.text: word for word in words(figure)}
    heights = [placed[score].bottom - 0.2 * 7 - 0.36 * 7 for score in ("0", "100")]
    assert marks == pytest.approx(heights, abs=0.1)


def test_months_lie_on_a_true_time_scale() -> None:
    figure = drawn([series("all", "All", point(0, 1), point(3, 1), point(12, 1), point(24, 1))])

    before, third, twelfth, last = (
        float(use.attrib["x"]) for use in figure.findall(f".//{SVG}g[@id='mean-all']//{SVG}use")
    )
    assert (third - before) / (last - before) == pytest.approx(3 / 24, abs=1e-4)
    assert (twelfth - before) / (last - before) == pytest.approx(12 / 24, abs=1e-4)


# Nothing overlaps


LONG_ENGLISH = "with symptomatic lumbar spinal stenosis on imaging at enrolment"
LONG_JAPANESE = "頸椎椎弓形成術後で腰部脊柱管狭窄症を合併しない患者群（画像診断）"


@pytest.mark.parametrize("labels", [ENGLISH, JAPANESE], ids=["English", "Japanese"])
@pytest.mark.parametrize("names", [("without disease", "with disease"), (LONG_JAPANESE, LONG_ENGLISH)])
def test_words_of_a_usual_figure_are_apart(labels: TrajectoryLabels, names: tuple[str, str]) -> None:
    assert_words_are_apart(drawn(two_groups(*names), labels, is_demonstration=True))


def test_long_words_at_the_ends_of_the_scale_are_apart() -> None:
    labels = replace(JAPANESE, lowest="しびれはまったくない状態", highest="想像できるもっともひどいしびれ")

    assert_words_are_apart(drawn(two_groups("なし", "あり"), labels, is_demonstration=True))


@settings(deadline=None, database=None, max_examples=40)
@given(
    ends=st.lists(st.integers(0, 100), min_size=1, max_size=4),
    moments=st.lists(st.sampled_from([0, 1, 2, 3, 6, 12, 24, 60, 120]), min_size=1, max_size=6, unique=True),
)
def test_words_are_apart_wherever_the_lines_end_and_however_near_the_moments(
    ends: list[int], moments: list[int]
) -> None:
    groups = [
        series(f"g{place}", f"{place} earlier operations", *(point(m, *[end] * 1234) for m in sorted(moments)))
        for place, end in enumerate(ends)
    ]

    assert_words_are_apart(drawn(groups, is_demonstration=True))


# The same bytes


def test_same_results_give_the_same_bytes_in_every_process_and_thread() -> None:
    here = trajectory(two_groups(), labels=JAPANESE, is_demonstration=True).svg()

    with ThreadPoolExecutor(4) as threads:
        in_threads = list(
            threads.map(lambda _: trajectory(two_groups(), labels=JAPANESE, is_demonstration=True).svg(), range(8))
        )
    elsewhere = [in_another_process(seed) for seed in ("1", "2")]

    assert set(in_threads) == {here}
    assert set(elsewhere) == {here}


def in_another_process(hash_seed: str) -> bytes:
    script = (
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_trajectory import JAPANESE, trajectory, two_groups\n"
        "sys.stdout.buffer.write(trajectory(two_groups(), labels=JAPANESE, is_demonstration=True).svg())"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment)
    return run.stdout


def test_bytes_hold_no_date_and_no_font_of_this_machine() -> None:
    svg = trajectory(two_groups(), labels=ENGLISH, is_demonstration=False).svg().decode()

    assert "dc:date" not in svg
    assert "DejaVu" not in svg
    assert "Helvetica, Arial, 'Noto Sans JP'" in svg


def test_importing_the_figures_loads_no_matplotlib_and_drawing_loads_no_pyplot() -> None:
    script = (
        "import json, sys\nfrom registry.figures.trajectory import trajectory\n"
        "from registry.figures.trajectory_labels import ENGLISH\nimported = sorted(sys.modules)\n"
        "trajectory([], labels=ENGLISH, is_demonstration=False).svg()\n"
        "print(json.dumps([imported, sorted(sys.modules)]))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, cwd=ROOT)
    imported, drawing = json.loads(run.stdout)

    assert not {"matplotlib", "numpy", "scipy"} & set(imported)
    assert "matplotlib.figure" in drawing
    assert "matplotlib.pyplot" not in drawing
