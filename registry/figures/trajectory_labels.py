"""The words of the trajectory figure in English and in Japanese."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryLabels:
    """Every word on the figure; for another item replace `item`, `lowest` and `highest`."""

    language: str
    item: str
    lowest: str
    highest: str
    direction: tuple[str, ...]
    interval: str
    beyond: str
    before: str
    months_after: str
    answers: str
    nothing: str
    demonstration: str
    heading: str
    title: str
    caption: str
    reading: str
    at_months: str
    point: str
    point_without_interval: str
    group: str
    separator: str


ENGLISH = TrajectoryLabels(
    language="en",
    item="Low-back pain",
    lowest="no pain",
    highest="worst imaginable",
    direction=("higher", "= worse"),
    interval="Mean with 95% confidence interval",
    beyond="; an arrowhead marks an interval that leaves the scale",
    before="before",
    months_after="Months after operation",
    answers="Answers (n)",
    nothing="No answers yet",
    demonstration="DEMO - synthetic data",
    heading="{item}, 0\N{EN DASH}100",
    title="{item} before and after operation, mean score by group",
    caption=(
        "Mean score with 95% confidence interval of the patients who met the entry rule, at each timepoint over all "
        "who answered then."
    ),
    reading="Scores from 0 ({lowest}) to 100 ({highest}); higher is worse.",
    at_months="{months} months",
    point="{when} {mean} (95% CI {low} to {high}; n = {n})",
    point_without_interval="{when} {mean} (no interval; n = {n})",
    group="{group}: {points}.",
    separator="; ",
)

JAPANESE = TrajectoryLabels(
    language="ja",
    item="腰痛",
    lowest="痛みなし",
    highest="想像できる最悪の痛み",
    direction=("高いほど", "悪い"),
    interval="平均値と95％信頼区間",
    beyond="（矢じりは目盛りの外まで続く区間）",
    before="術前",
    months_after="術後の月数",
    answers="回答数（n）",
    nothing="まだ回答がありません",
    demonstration="DEMO - synthetic data（架空のデータ）",
    heading="{item}（0\N{EN DASH}100）",
    title="{item}の術前・術後の推移（群別の平均値）",
    caption="組み入れ条件を満たした患者の平均値と95％信頼区間。各時点でその時に回答した全員について示す。",
    reading="0（{lowest}）から100（{highest}）の点数で、高いほど悪い。",
    at_months="{months}か月",
    point="{when} {mean}（95％信頼区間 {low}〜{high}、n＝{n}）",
    point_without_interval="{when} {mean}（区間なし、n＝{n}）",
    group="{group}：{points}。",
    separator="、",
)

LABELS = {labels.language: labels for labels in (ENGLISH, JAPANESE)}
