"""Questionnaires: their items, their words by language, and the version that an answer is stored with."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

LOWEST_SCORE = 0
HIGHEST_SCORE = 100


class Symptom(StrEnum):
    """What an item asks about: the anchors of its line depend on it."""

    PAIN = "pain"
    NUMBNESS = "numbness"


class Mode(StrEnum):
    """How an answer was given."""

    TOUCH = "touch"
    MOUSE = "mouse"
    PEN = "pen"
    KEYBOARD = "keyboard"
    NUMBER = "number"
    NRS = "nrs"
    PHONE = "phone"
    PAPER = "paper"
    IMPORT = "import"


# What a patient's own device can report; the others are set by staff or by an import.
DEVICE_MODES = frozenset({Mode.TOUCH, Mode.MOUSE, Mode.PEN, Mode.KEYBOARD, Mode.NUMBER})


def is_given_on_device(mode: str | None) -> bool:
    """Whether an answer came from a device, not from staff or an import; what was skipped on a device has no mode."""
    return mode is None or mode in DEVICE_MODES


@dataclass(frozen=True)
class Wording:
    """The words of one item in one language."""

    name: str
    question: str
    lowest: str
    highest: str


@dataclass(frozen=True)
class Item:
    """One question of an instrument, answered by a whole number from 0 to 100."""

    code: str
    symptom: Symptom
    words: Mapping[str, Wording]


@dataclass(frozen=True)
class Instrument:
    """A questionnaire under a version: other words are another version, never an edit of this one."""

    version: str
    items: tuple[Item, ...]

    def item(self, code: str) -> Item:
        """The item with this code."""
        return next(item for item in self.items if item.code == code)


_ANCHORS = {
    (Symptom.PAIN, "en"): ("No pain at all", "Worst pain imaginable"),
    (Symptom.PAIN, "ja"): ("痛みはまったくない", "想像できるもっとも激しい痛み"),
    (Symptom.NUMBNESS, "en"): ("No numbness at all", "Worst numbness imaginable"),
    (Symptom.NUMBNESS, "ja"): ("しびれはまったくない", "想像できるもっとも激しいしびれ"),
}


def _item(code: str, symptom: Symptom, name_en: str, asked_en: str, name_ja: str) -> Item:
    question_en = f"Thinking about the past 7 days: when {asked_en} was at its worst, how strong was it?"
    question_ja = f"この1週間で、{name_ja}がいちばんひどかったとき、どのくらいの強さでしたか。"
    return Item(
        code,
        symptom,
        {
            "en": Wording(name_en, question_en, *_ANCHORS[symptom, "en"]),
            "ja": Wording(name_ja, question_ja, *_ANCHORS[symptom, "ja"]),
        },
    )


VAS6 = Instrument(
    version="vas6/1-week-worst/imaginable/v1",
    items=(
        _item("low_back", Symptom.PAIN, "low back pain", "your low back pain", "腰の痛み"),
        _item("leg_pain", Symptom.PAIN, "buttock or leg pain", "your buttock or leg pain", "お尻や脚の痛み"),
        _item(
            "leg_numb",
            Symptom.NUMBNESS,
            "buttock or leg numbness",
            "the numbness in your buttocks or legs",
            "お尻や脚のしびれ",
        ),
        _item("neck", Symptom.PAIN, "neck or shoulder pain", "your neck or shoulder pain", "首や肩の痛み"),
        _item("arm_pain", Symptom.PAIN, "arm or hand pain", "your arm or hand pain", "腕や手の痛み"),
        _item(
            "arm_numb",
            Symptom.NUMBNESS,
            "arm or hand numbness",
            "the numbness in your arms or hands",
            "腕や手のしびれ",
        ),
    ),
)

INSTRUMENTS: Mapping[str, Instrument] = {VAS6.version: VAS6}
