"""The methods paragraph of a cohort report, in English and Japanese: every slot is filled from the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from zoneinfo import ZoneInfo

from registry.domain.instruments import Mode
from registry.domain.study import BEFORE, Study
from registry.domain.vocabularies import PROCEDURES, PROCEDURES_JA
from registry.languages import listed, moment, month
from registry.numbers import percent
from registry.services.reports.cohort import CohortResult


@dataclass(frozen=True, kw_only=True)
class CohortFacts:
    """What is told of a cohort besides its scores."""

    sites: Mapping[str, Sequence[str]]
    """The hospitals' names, by language."""
    procedures: Sequence[str]
    first_operated_on: date | None
    last_operated_on: date | None
    modes: Mapping[Mode, int]
    """How the answers that the report uses were given."""
    zone: ZoneInfo


def methods_paragraph(result: CohortResult, facts: CohortFacts, study: Study, *, language: str) -> str:
    """How the patients were found, asked and compared, as the methods section of a paper says it."""
    slots = _slots(result, facts, study, language)
    return "".join(part.format(**slots) for part in _PARAGRAPH[language])


def _slots(result: CohortResult, facts: CohortFacts, study: Study, language: str) -> dict[str, str]:
    definition, manifest = result.definition, result.manifest
    item = next(found for found in study.items if found.code == definition.item).words[language]
    timepoint = next(found for found in study.timepoints if found.code == definition.timepoint)
    grouping = next(found for found in study.groupings if found.code == definition.grouping)
    return {
        "procedures": listed(_procedures(facts.procedures, language), language),
        "sites": listed(list(facts.sites[language]), language),
        "first": _month(facts.first_operated_on, language),
        "last": _month(facts.last_operated_on, language),
        "lowest": _in_sentence(item.lowest, language),
        "highest": _in_sentence(item.highest, language),
        "instrument": manifest.instrument,
        "times": listed([str(found.months) for found in study.follow_ups], language),
        "modes": _modes(facts.modes, language),
        "groups": listed(
            [_QUOTED[language].format(grouping.label(group, language)) for group in grouping.groups], language
        ),
        "item": _in_sentence(item.name, language),
        "months": str(timepoint.months),
        "entry": "" if definition.entry is None else _ENTRY[language].format(least=definition.entry),
        "days_before": str(next(found for found in study.timepoints if found.code == BEFORE).opens_days_before),
        "early": str(timepoint.opens_days_before),
        "late": str(timepoint.closes_days_after),
        "followed": percent(result.everyone.n_both, result.everyone.n_enrolled),
        "software": _software(manifest.version),
        "cut_off": moment(manifest.cut_off.astimezone(facts.zone), language),
        "zone": str(facts.zone),
    }


_PARAGRAPH = {
    "en": (
        "Patients undergoing {procedures} at {sites} between {first} and {last} were enrolled in a prospective "
        "registry. ",
        "Pain and numbness were self-reported on 0–100 visual analogue scales (worst in the past 7 days; for this item "
        "from ‘{lowest}’ to ‘{highest}’; instrument {instrument}) before surgery and {times} months after it. ",
        "The answers used here were given {modes}. ",
        "Groups were defined as {groups}. {entry}",
        "The primary outcome was the change in {item} from the last answer within {days_before} days before surgery to "
        "the answer at {months} months (from {early} days before to {late} days after the due date). ",
        "The difference between the groups was estimated by analysis of covariance adjusted for the score before "
        "surgery; 95% confidence intervals are based on the t distribution, and P values are two-sided. ",
        "Of the patients in these groups, both scores were known for {followed}; the others were left out of the "
        "comparison. ",
        "Analyses used {software}; data as of {cut_off} ({zone}).",
    ),
    "ja": (
        "{first}から{last}までに{sites}で{procedures}を受けた患者を前向きに登録した。",
        "痛みとしびれは、最近1週間で最もひどいときの強さを0〜100の視覚的アナログ尺度（本項目の両端：{lowest}／{highest}、"
        "尺度版{instrument}）により、術前と術後{times}か月に患者自身が回答した。",
        "今回用いた回答の方法は、{modes}であった。",
        "群は{groups}とした。{entry}",
        "主要評価項目は、術前{days_before}日以内の最後の回答から術後{months}か月（予定日の{early}日前から{late}日後まで）の回答までの"
        "{item}の変化量とした。",
        "群間差は、術前の値を共変量とする共分散分析により推定し、95％信頼区間はt分布に基づき、P値は両側とした。",
        "両群の患者のうち両時点の値が得られたのは{followed}で、得られなかった患者は比較から除いた。",
        "解析には{software}を用い、データ固定日時は{cut_off}（{zone}）である。",
    ),
}
_ENTRY = {
    "en": "Patients with a score of {least} or more before surgery were included. ",
    "ja": "術前の値が{least}以上の患者を対象とした。",
}
_QUOTED = {"en": "‘{}’", "ja": "「{}」"}
_OWN_DEVICE = (Mode.TOUCH, Mode.PEN)
_POINTED = (Mode.MOUSE, Mode.KEYBOARD)
_TYPED = (Mode.NUMBER,)
_WAYS = {
    "en": (
        (_OWN_DEVICE, "by touch on a screen ({})"),
        (_POINTED, "with a mouse or keyboard ({})"),
        (_TYPED, "as a typed number ({})"),
        ((Mode.PHONE, Mode.NRS), "by telephone ({})"),
        ((Mode.PAPER,), "on a 100-mm paper line ({})"),
        ((Mode.IMPORT,), "in an earlier data collection ({})"),
    ),
    "ja": (
        (_OWN_DEVICE, "画面に触れて{}件"),
        (_POINTED, "マウス・キーボード{}件"),
        (_TYPED, "数値入力{}件"),
        ((Mode.PHONE, Mode.NRS), "電話{}件"),
        ((Mode.PAPER,), "100 mmの紙{}件"),
        ((Mode.IMPORT,), "以前に収集{}件"),
    ),
}
_NOBODY = {"en": "by nobody yet", "ja": "まだなし"}
_PROCEDURES_JA = {**PROCEDURES_JA, "other": "その他の手術"}


def _modes(modes: Mapping[Mode, int], language: str) -> str:
    counted = [(sum(modes.get(mode, 0) for mode in group), words) for group, words in _WAYS[language]]
    return listed([words.format(n) for n, words in counted if n] or [_NOBODY[language]], language)


def _procedures(codes: Sequence[str], language: str) -> list[str]:
    """The procedures in words; what staff have typed themselves may say more than a paper should."""
    known = dict.fromkeys(code if code in PROCEDURES else "other" for code in codes)
    if language == "ja":
        return [_PROCEDURES_JA[code] for code in known] or ["–"]
    return [_in_sentence(PROCEDURES[code][0], language) for code in known] or ["–"]


def _month(day: date | None, language: str) -> str:
    return month(day, language) if day else "–"


def _in_sentence(words: str, language: str) -> str:
    return words if language == "ja" else words[:1].lower() + words[1:]


def _software(registry: str) -> str:
    return f"Pain Registry {registry}, SciPy {version('scipy')}, NumPy {version('numpy')}"
