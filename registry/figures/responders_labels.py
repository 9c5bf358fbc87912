"""The words of the responder figures in English and in Japanese."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondersLabels:
    """What the figure of the shares says beside the words that all figures share."""

    title: str
    note: str
    percent: str
    at_most: str
    axis: str
    with_interval: str
    caption: str
    reading: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallLabels:
    """What the waterfall says beside the words that all figures share."""

    title: str
    note: str
    excluded: str
    cut: str
    up: str
    responder: str
    between: str
    worse: str
    caption: str
    reading: str
    told: str


RESPONDERS = {
    "en": RespondersLabels(
        title="Responders: {item} at {months} months",
        note="Share with 95% confidence interval (Wilson); k/n of the patients with both scores",
        percent="Score {cut}% lower or better",
        at_most="Score {cut} or less after the operation",
        axis="Patients (%)",
        with_interval="{share} ({low}\N{EN DASH}{high})",
        caption=(
            "Shares of patients with both scores whose score was at least 30% or 50% lower {months} months after the "
            "operation (of those with a score above 0 before), or was 30 or less then; with 95% confidence interval "
            "(Wilson)."
        ),
        reading="Shares of responders by group, with 95% confidence intervals.",
        told="{label} {share}, {k}/{n}",
    ),
    "ja": RespondersLabels(
        title="{item}の改善例の割合（術後{months}か月）",
        note="割合と95％信頼区間（Wilson法）。分母は両方に回答した患者",
        percent="点数が{cut}％以上低下",
        at_most="術後の点数が{cut}点以下",
        axis="患者の割合（％）",
        with_interval="{share}（{low}〜{high}）",
        caption=(
            "術前・術後{months}か月の両方に回答した患者のうち、点数が30％以上・50％以上低下した割合（術前の点数が"
            "0の患者を除く）、および術後の点数が30点以下の割合と95％信頼区間（Wilson法）。"
        ),
        reading="改善例の群別の割合と95％信頼区間。",
        told="{label} {share}、{n}人中{k}人",
    ),
}

WATERFALL = {
    "en": WaterfallLabels(
        title="Change of each patient: {item} at {months} months",
        note="One bar for each patient with both scores, sorted; dashed: 30% lower",
        excluded="; not shown: {n} with a score of 0 before",
        cut="; arrowhead: beyond 100%",
        up="Change of the score (%)",
        responder="30% lower or better",
        between="in between",
        worse="worse by {points} points or more",
        caption=(
            "Change in per cent of the score before, of every patient with both scores and a score above 0 before, "
            "sorted within each group. Negative is better. Solid: 30% lower or better; hatched: worse by {points} "
            "points or more; open: in between."
        ),
        reading="Change of every patient in per cent of the score before, sorted; negative is better.",
        told="n = {n}, from {highest}% to {lowest}%; 30% lower or better {responders}; "
        "worse by {points} points or more {worse}",
    ),
    "ja": WaterfallLabels(
        title="{item}の患者別の変化（術後{months}か月）",
        note="両方に回答した患者1人を1本の棒で示し、群内で並べた。線は30％の低下",
        excluded="。術前が0点の{n}人は除く",
        cut="。矢じりは100％を超える棒",
        up="点数の変化率（％）",
        responder="30％以上の低下",
        between="その間",
        worse="{points}点以上の悪化",
        caption=(
            "術前の点数に対する変化率。両方に回答し術前の点数が0でない患者を群内で並べた。負の値は改善を表す。"
            "塗りつぶし：30％以上の低下、斜線：{points}点以上の悪化、白：その間。"
        ),
        reading="患者別の変化率を大きさの順に並べた図。負の値ほど良い。",
        told="n＝{n}、{highest}％から{lowest}％まで、30％以上の低下{responders}、{points}点以上の悪化{worse}",
    ),
}
