"""The words of the cumulative distribution in English and in Japanese."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CumulativeLabels:
    """What the figure says beside the words that all figures share."""

    title: str
    note: str
    no_band: str
    up: str
    axis: str
    least: str
    guide: str
    not_worse: str
    n_of: str
    with_interval: str
    range: str
    key: str
    caption: str
    reading: str
    told: str


LABELS = {
    "en": CumulativeLabels(
        title="Cumulative distribution of the improvement in {item} at {months} months",
        note="Share of the patients with both scores, with pointwise 95% confidence band",
        no_band=" of the two compared groups",
        up="Patients with at least this improvement (%)",
        axis="Improvement in score, before \N{MINUS SIGN} after",
        least="Improved by at least",
        guide="{points} points",
        not_worse="0 (not worse)",
        n_of="both scores: {n} of {n_all}",
        with_interval="{share} ({low}\N{EN DASH}{high})",
        range="{low}\N{EN DASH}{high} of all",
        key=(
            "Of the patients with both scores: share (95% confidence interval), and k/n. Of all: from counting those "
            "without both scores as not improved to counting them as improved."
        ),
        caption=(
            "Cumulative distribution of the improvement from before the operation to {months} months after it: share "
            "of the patients with both scores who improved by at least so many points, with pointwise 95% confidence "
            "band (Wilson). Dotted lines: 0, 15, 20 and 30 points."
        ),
        reading="Share of each group with at least so much improvement; improvement is to the right.",
        told="both scores {n} of {n_all}; improved by at least {cuts}",
    ),
    "ja": CumulativeLabels(
        title="{item}の改善の累積分布（術後{months}か月）",
        note="術前・術後の両方に回答した患者に占める割合と各点の95％信頼区間",
        no_band="（比較する2群のみ）",
        up="この値以上改善した患者の割合（％）",
        axis="点数の改善（術前－術後）",
        least="改善の大きさ",
        guide="{points}点以上",
        not_worse="0点以上（悪化なし）",
        n_of="両方に回答：{n_all}人中{n}人",
        with_interval="{share}（{low}〜{high}）",
        range="全体の{low}〜{high}",
        key=(
            "両方に回答した患者：割合（95％信頼区間）と人数。全体：回答のない患者を改善なしとした場合から"
            "改善ありとした場合まで。"
        ),
        caption=(
            "術前から術後{months}か月までの改善の累積分布。両方に回答した患者のうち、その点数以上改善した割合と"
            "各点の95％信頼区間（Wilson法）。点線は0、15、20、30点。"
        ),
        reading="その点数以上改善した患者の群別の割合。右ほど改善が大きい。",
        told="両方に回答{n_all}人中{n}人、{cuts}",
    ),
}
