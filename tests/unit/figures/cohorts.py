"""Cohorts to draw, and every figure of them."""

from __future__ import annotations

from functools import cache
from random import Random

from registry.figures.cumulative import cumulative
from registry.figures.drawing import Drawing
from registry.figures.raincloud import raincloud
from registry.figures.responders import responders
from registry.figures.subject import Group, Subject
from registry.figures.trajectory import Series, trajectory
from registry.figures.trajectory_labels import LABELS
from registry.figures.waterfall import waterfall
from registry.statistics.score_table import ScoreTable
from registry.statistics.summary import trajectory_point

OF_CHANGES = {"raincloud": raincloud, "cumulative": cumulative, "responders": responders, "waterfall": waterfall}
NAMES = ("trajectory", *OF_CHANGES)
ITEMS = {"en": "low-back pain", "ja": "腰痛"}
LABELS_OF_GROUPS = {
    "en": {"without": "Without lumbar disease", "with": "With lumbar disease", "unknown": "Unknown"},
    "ja": {"without": "腰椎疾患なし", "with": "腰椎疾患あり", "unknown": "不明"},
}


def subject(language: str = "en", *, is_demonstration: bool = False) -> Subject:
    return Subject(language=language, item=ITEMS[language], months=12, is_demonstration=is_demonstration)


def pairs(*rows: tuple[int | None, int | None]) -> ScoreTable:
    return ScoreTable.from_counts((before, after, 1) for before, after in rows)


def simulated(n: int, *, share_left: float, seed: int) -> ScoreTable:
    """Patients whose score falls to about this share of it; one in six has no score after, a few none before."""
    chance = Random(seed)

    def patient() -> tuple[int | None, int | None, int]:
        before = round(min(100, max(0, chance.gauss(60, 18))))
        after = round(min(100, max(0, chance.gauss(before * share_left + 6, 15))))
        return (None if chance.random() < 0.03 else before, None if chance.random() < 1 / 6 else after, 1)

    return ScoreTable.from_counts(patient() for _ in range(n))


def group(code: str, table: ScoreTable, language: str = "en", label: str = "") -> Group:
    return Group(code=code, label=label or LABELS_OF_GROUPS[language][code], table=table)


def three_groups(language: str = "en") -> list[Group]:
    return [
        group("without", simulated(70, share_left=0.45, seed=1), language),
        group("with", simulated(48, share_left=0.85, seed=2), language),
        group("unknown", simulated(9, share_left=0.7, seed=3), language),
    ]


def course(language: str = "en") -> list[Series]:
    means = {"without": (60, 30, 27, 25), "with": (62, 50, 55, 54)}
    return [
        Series(
            group=code,
            label=LABELS_OF_GROUPS[language][code],
            points=tuple(
                trajectory_point({mean - 9: 4, mean: 5, mean + 11: 3}, months=months)
                for months, mean in zip((0, 3, 6, 12), of_group, strict=True)
            ),
        )
        for code, of_group in means.items()
    ]


@cache
def drawn(name: str, language: str = "en", *, is_demonstration: bool = True) -> Drawing:
    """The figure of this name of a usual cohort."""
    if name == "trajectory":
        return trajectory(course(language), labels=LABELS[language], is_demonstration=is_demonstration)
    return OF_CHANGES[name](three_groups(language), subject=subject(language, is_demonstration=is_demonstration))
