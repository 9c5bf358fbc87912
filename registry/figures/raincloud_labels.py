"""The words of the raincloud in English and in Japanese."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RaincloudLabels:
    """What the figure says beside the words that all figures share."""

    title: str
    note: str
    no_density: str
    sample: str
    axis: str
    caption: str
    reading: str
    told: str


LABELS = {
    "en": RaincloudLabels(
        title="Change in {item} at {months} months",
        note="Improved, worse: by {points} points or more",
        no_density="; no density below n = {smallest}",
        sample="; points: a random sample of {drawn} a group",
        axis="Change in score, after \N{MINUS SIGN} before",
        caption=(
            "Distribution of the change from before the operation to {months} months after it, of patients with both "
            "scores: density, box (median and quartiles, whiskers to the outermost value within 1.5 times the distance "
            "between the quartiles) and single patients. Negative is better."
        ),
        reading=(
            "Distribution of the change of each group, from \N{MINUS SIGN}100 (improved) to 100 (worse); "
            "negative is better."
        ),
        told="n = {n}, median {median}, quartiles {q1} to {q3}; improved by {points} points or more {improved}; "
        "worse by {points} points or more {worse}",
    ),
    "ja": RaincloudLabels(
        title="{item}の変化（術後{months}か月）",
        note="改善・悪化は{points}点以上の変化",
        no_density="。n＜{smallest}の群の密度は描かない",
        sample="。点は各群から無作為に選んだ{drawn}人",
        axis="点数の変化（術後－術前）",
        caption=(
            "術前・術後{months}か月の両方に回答した患者における点数の変化の分布。密度、箱ひげ図（中央値と四分位数、"
            "ひげは四分位範囲の1.5倍以内で最も外側の値まで）、個々の患者の値を示す。負の値は改善を表す。"
        ),
        reading="各群の点数の変化の分布。−100（改善）から100（悪化）で、負の値ほど良い。",
        told="n＝{n}、中央値{median}、四分位数{q1}〜{q3}、{points}点以上の改善{improved}、{points}点以上の悪化{worse}",
    ),
}
