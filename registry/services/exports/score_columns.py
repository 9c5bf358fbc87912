"""The columns that tell of scores: in the long table for one timepoint and item, in the wide one for all."""

from registry.domain.instruments import Item
from registry.domain.study import Study, Timepoint
from registry.services.exports import value_words as words
from registry.services.exports.variables import (
    Kind,
    Variable,
    code,
    day,
    day_column,
    days,
    flag,
    score_column,
    text,
    vas,
)

_NOT_SHOWN = "no answer is shown"


def long_columns(study: Study) -> list[Variable]:
    """One timepoint and item of an operation."""
    return [*_of_row(study), *_of_day(), *_of_giving(), *_of_versions()]


def _of_row(study: Study) -> list[Variable]:
    """Which row it is, and its score."""
    return [
        code("timepoint", "Timepoint", "時点", "follow_up.timepoint", words.timepoints(study)),
        code("item", "Item", "項目", "answer.item", words.items(study)),
        code(
            "status",
            "Where the form stood at the cut-off",
            "調査票の状態",
            "derived",
            words.STATUS,
            empty="no form was planned",
        ),
        vas("score", "Score that counts in reports", "集計に用いる値", reason_in="score_missing"),
        code(
            "score_missing",
            "Why there is no score that counts",
            "欠測の理由",
            "derived",
            words.MISSING,
            empty="there is a score that counts",
        ),
        vas(
            "score_outside_window",
            "Score given before or after the window: for sensitivity analyses",
            "回答期間外の値（感度分析用）",
            empty="no score was given outside the window",
        ),
    ]


def _of_day() -> list[Variable]:
    """When the answer was given."""
    none = _NOT_SHOWN
    return [
        code("window", "Where the day of the answer lies", "回答期間の区分", "derived", words.WINDOW, empty=none),
        days(
            "days",
            "Day of the answer, in days from the operation",
            "手術から回答までの日数",
            "answer.answered_on",
            empty=none,
        ),
        day("answered_on", "Day of the answer", "回答日", "answer.answered_on", empty=none),
    ]


def _of_giving() -> list[Variable]:
    """How the answer was given, and by whom."""
    none = _NOT_SHOWN
    return [
        flag("skipped", "The patient went on without answering", "回答せずに次へ", "answer.is_skipped", empty=none),
        code(
            "mode",
            "How the answer was given",
            "回答方法",
            "answer.mode",
            words.MODE,
            empty="no answer is shown, or a question was skipped on a device",
        ),
        code(
            "respondent",
            "Who filled the form in",
            "回答者",
            "assessment.respondent",
            words.RESPONDENT,
            empty="no answer is shown, or nobody said",
        ),
        code("answer_language", "Language of the form", "回答言語", "answer.language", words.LANGUAGE, empty=none),
        text("instrument", "Version of the questionnaire", "質問票の版", "answer.instrument_version", empty=none),
    ]


def _of_versions() -> list[Variable]:
    """Which version of the answer it is, and what is to be thought of it."""
    none = _NOT_SHOWN
    return [
        Variable(
            "version",
            Kind.NUMBER,
            "Which version of the answer this is",
            "回答の版",
            "answer.version",
            unit="count",
            lowest=1,
            empty=none,
        ),
        Variable(
            "n_versions",
            Kind.NUMBER,
            "How many versions of the answer are kept",
            "保存されている版の数",
            "answer.version",
            unit="count",
            lowest=0,
            empty="no form was planned, or it is begun and not sent",
        ),
        code(
            "doubt",
            "Whether the form may come from a program",
            "自動回答の疑い",
            "assessment.suspicion",
            words.DOUBT,
            empty="no doubt, or no answer is shown",
        ),
        text("form", "On which form the answer was given", "回答した調査票", "follow_up", empty=none),
    ]


def wide_columns(study: Study) -> list[Variable]:
    """All timepoints and items of an operation beside each other."""
    found: list[Variable] = []
    for timepoint in study.timepoints:
        found += _of_moment(timepoint)
        for item in study.items:
            found += _of_cell(item, timepoint)
    return found


def _of_moment(timepoint: Timepoint) -> list[Variable]:
    (en, ja), at, none = words.words_of_timepoint(timepoint), timepoint.code, "no score counts"
    return [
        code(
            f"{at}_status",
            f"Form {en}: where it stood",
            f"{ja}：調査票の状態",
            "derived",
            words.STATUS,
            empty="no form was planned",
        ),
        days(
            f"{at}_days",
            f"Last score {en}, in days from the operation",
            f"{ja}：手術から回答までの日数",
            "answer.answered_on",
            empty=none,
        ),
        day(day_column(at), f"Last score {en}: day", f"{ja}：回答日", "answer.answered_on", empty=none),
        code(
            f"{at}_doubt",
            f"Scores {en}: may come from a program",
            f"{ja}：自動回答の疑い",
            "assessment.suspicion",
            words.DOUBT,
            empty="no doubt, or no score counts",
        ),
    ]


def _of_cell(item: Item, timepoint: Timepoint) -> list[Variable]:
    (en, ja), name = words.words_of_timepoint(timepoint), score_column(item.code, timepoint.code)
    named_en, named_ja = item.words["en"].name.capitalize(), item.words["ja"].name
    score = vas(name, f"{named_en} {en}", f"{ja}の{named_ja}", reason_in=f"{name}_missing")
    empty = "there is a score that counts"
    why = code(
        f"{name}_missing",
        f"{named_en} {en}: why missing",
        f"{ja}の{named_ja}：欠測の理由",
        "derived",
        words.MISSING,
        empty=empty,
    )
    return [score, why]
