"""What a patient's page sends, read into an answer or into an error that keeps what was typed."""

import json
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from registry.domain.instruments import DEVICE_MODES, Mode
from registry.domain.scores import read_score
from registry.services.assessment import GivenAnswer

# No honest page measures more than this; a larger value is left out, the answer is kept.
_LARGEST_MEASURE = 10_000_000
_LONGEST_META = 1000


@dataclass(frozen=True)
class TypedAnswer:
    """The fields of one question as they were sent."""

    typed: str
    is_skipped: bool
    mode: str
    meta: str

    @property
    def is_contradictory(self) -> bool:
        """Whether there is a number, and the question is skipped: without a script a page can say both."""
        return self.is_skipped and bool(self.typed.strip())


def only(form: MultiDict[str, str], name: str) -> str:
    """What a field says; nothing when it says several things, as no page of ours does."""
    said = set(form.getlist(name))
    return said.pop() if len(said) == 1 else ""


def typed_answer(form: MultiDict[str, str], item: str) -> TypedAnswer:
    """The fields of a question."""
    return TypedAnswer(
        typed=only(form, f"vas_{item}"),
        is_skipped=only(form, f"skip_{item}") == "yes",
        mode=only(form, f"mode_{item}"),
        meta=only(form, f"meta_{item}"),
    )


def given_answer(typed: TypedAnswer, item: str) -> GivenAnswer | None:
    """The answer, or None when nothing was chosen or the number is none."""
    if typed.is_skipped:
        return None if typed.is_contradictory else GivenAnswer(item=item, score=None)
    score = read_score(typed.typed)
    if score is None:
        return None
    return GivenAnswer(item=item, score=score, mode=_mode(typed.mode), **_measures(typed.meta))


def _mode(text: str) -> Mode:
    """How the page says the answer was given; without a script it was typed."""
    return next((mode for mode in DEVICE_MODES if mode == text), Mode.NUMBER)


def _measures(meta: str) -> dict[str, Any]:
    """What the page measured; anything odd is left out, for no measure is worth an answer."""
    try:
        found = json.loads(meta[:_LONGEST_META]) if meta else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    wholes = {name: _whole(found.get(name)) for name in ("line_px", "viewport_px", "ms_to_first_mark", "n_changes")}
    return {**wholes, "pixel_ratio": _ratio(found.get("dpr"))}


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value) if 0 <= value <= _LARGEST_MEASURE else None


def _ratio(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value <= 16 else None
