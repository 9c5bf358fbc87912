"""The result of a cohort report in one sentence, as a paper says it: improvement first, no double negative."""

from dataclasses import dataclass

from registry.domain.study import Study
from registry.journal_styles import Notation, Style, notation
from registry.services.reports.cohort import CohortResult
from registry.services.reports.cohort_blocks import GroupResult
from registry.statistics.results import Absent, AdjustedComparison, Estimate


def result_sentence(result: CohortResult, study: Study, *, style: Style, language: str) -> str:
    """How the score changed in each group and by how much more in one, each with its interval."""
    wording = next(item for item in study.items if item.code == result.definition.item).words[language]
    grouping = next(found for found in study.groupings if found.code == result.definition.grouping)
    labels = [grouping.label(group, language) for group in grouping.groups]
    compared = [group for group in result.groups if group.group in grouping.groups]
    said = _Sentence(_PATTERNS[language], notation(style, language), labels)
    first, second = (
        said.group(group, label, place) for place, (group, label) in enumerate(zip(compared, labels, strict=True))
    )
    name = wording.name[:1].upper() + wording.name[1:]
    return said.patterns.sentence.format(
        name=name, first=first, second=second, between=said.between(result.between.ancova)
    )


@dataclass(frozen=True)
class _Patterns:
    """The parts of the sentence in one language."""

    sentence: str
    # Each in the middle of the sentence and at its end, which Japanese says differently.
    fell: tuple[str, str]
    rose: tuple[str, str]
    no_interval: tuple[str, str]
    between: str
    between_neutral: str
    """Where not both groups improved, so that none is said to have."""
    not_compared: str
    size: str
    interval_and_p: str


_PATTERNS = {
    "en": _Patterns(
        sentence="{name} {first} and {second}; {between}.",
        fell=("fell by {size} in the group “{label}” (n = {n})",) * 2,
        rose=("rose by {size} in the group “{label}” (n = {n})",) * 2,
        no_interval=("had too few or no differing answers for an interval in the group “{label}” (n = {n})",) * 2,
        between="adjusted for the score before, the group “{better}” improved by {value} points more ({inside})",
        between_neutral="adjusted for the score before, the score after was {value} points lower in the group "
        "“{better}” ({inside})",
        not_compared="the groups were not compared",
        size="{value} points ({interval})",
        interval_and_p="{interval}; {p}",
    ),
    "ja": _Patterns(
        sentence="{name}のVASは、{first}、{second}。{between}。",
        fell=("{label}群（n＝{n}）で{size}低下し", "{label}群（n＝{n}）で{size}低下した"),
        rose=("{label}群（n＝{n}）で{size}上昇し", "{label}群（n＝{n}）で{size}上昇した"),
        no_interval=(
            "{label}群（n＝{n}）では信頼区間を計算できず",
            "{label}群（n＝{n}）では信頼区間を計算できなかった",
        ),
        between="術前の値で調整した変化量の群間差は{value}（{inside}）で、{better}群の改善が大きかった",
        between_neutral="術前の値で調整した術後の値は、{better}群で{value}低かった（{inside}）",
        not_compared="群間の比較は行わなかった",
        size="{value}（{interval}）",
        interval_and_p="{interval}、{p}",
    ),
}


class _Sentence:
    """The parts as they are said one after the other: the first interval is named, the others are known by it."""

    def __init__(self, patterns: _Patterns, rules: Notation, labels: list[str]) -> None:
        self.patterns = patterns
        self._rules, self._labels = rules, labels
        self._has_named_interval, self._all_fell = False, True

    def group(self, found: GroupResult, label: str, place: int) -> str:
        """What became of the score in one group, the first (0) or the last (1) that is told of."""
        change, known = found.mean_change, {"label": label, "n": found.n_both}
        if isinstance(change, Absent):
            self._all_fell = False
            return self.patterns.no_interval[place].format(**known)
        has_fallen = change.estimate.value <= 0
        self._all_fell = self._all_fell and has_fallen
        pattern = self.patterns.fell if has_fallen else self.patterns.rose
        value, interval = self._parts(change.estimate)
        return pattern[place].format(size=self.patterns.size.format(value=value, interval=interval), **known)

    def between(self, found: AdjustedComparison | Absent) -> str:
        """Which group improved by how much more."""
        if isinstance(found, Absent):
            return self.patterns.not_compared
        better = self._labels[0 if found.estimate.value <= 0 else 1]
        value, interval = self._parts(found.estimate)
        inside = self.patterns.interval_and_p.format(interval=interval, p=self._rules.p_words(found.test.p))
        pattern = self.patterns.between if self._all_fell else self.patterns.between_neutral
        return pattern.format(better=better, value=value, inside=inside)

    def _parts(self, estimate: Estimate) -> tuple[str, str]:
        """The size of an estimate, and its interval."""
        value, low, high = _size_of(estimate)
        interval = self._rules.interval_words(low, high, is_first=not self._has_named_interval)
        self._has_named_interval = True
        return self._rules.number(value), interval


def _size_of(estimate: Estimate) -> tuple[float, float, float]:
    """The size of a change and its interval in the direction in which it went."""
    if estimate.value <= 0:
        return -estimate.value, -estimate.high, -estimate.low
    return estimate.value, estimate.low, estimate.high
