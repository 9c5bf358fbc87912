"""What the codes in an export mean, in English and Japanese."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from registry.domain.instruments import Mode
from registry.domain.schedule import FollowUpStatus
from registry.domain.study import Study, Timepoint
from registry.domain.vocabularies import PROCEDURES, PROCEDURES_JA, Evidence, Region, Respondent, Sex
from registry.services.exports.scores import Doubt, Missing, WindowClass


class Value(NamedTuple):
    """A value that a column can have, and its meaning."""

    code: str | int
    en: str
    ja: str


class AgeFrom(StrEnum):
    """From what an age was computed."""

    BIRTH_DATE = "birth_date"
    BIRTH_YEAR = "birth_year"


def _values(*words: tuple[str | int, str, str]) -> tuple[Value, ...]:
    return tuple(Value(*one) for one in words)


YES_NO = _values((0, "No", "いいえ"), (1, "Yes", "はい"))
SEX = _values(
    (Sex.FEMALE, "Female", "女性"),
    (Sex.MALE, "Male", "男性"),
    (Sex.OTHER, "Other", "その他"),
    (Sex.UNKNOWN, "Unknown", "不明"),
)
REGION = _values(
    (Region.CERVICAL, "Cervical spine", "頚椎"),
    (Region.THORACIC, "Thoracic spine", "胸椎"),
    (Region.LUMBAR, "Lumbar spine", "腰椎"),
    (Region.OTHER, "Other", "その他"),
)
AGE_FROM = _values(
    (AgeFrom.BIRTH_DATE, "The date of birth", "生年月日"),
    (AgeFrom.BIRTH_YEAR, "The year of birth: can be one year too high", "生年（1歳多い場合がある）"),
)
EVIDENCE = _values(
    (Evidence.MRI, "MRI", "MRI"),
    (Evidence.CT, "CT", "CT"),
    (Evidence.RADIOGRAPH, "Radiograph", "単純X線"),
    (Evidence.CLINICAL, "Clinical examination", "診察"),
    (Evidence.QUESTIONNAIRE, "Questionnaire", "質問票"),
    (Evidence.RECORDS, "Medical records", "診療録"),
    (Evidence.NOT_STATED, "Not stated", "記載なし"),
)
PROCEDURE = tuple(Value(code, words, PROCEDURES_JA[code]) for code, (words, _) in PROCEDURES.items())
STATUS = _values(
    (FollowUpStatus.UPCOMING, "The window has not opened", "回答期間前"),
    (FollowUpStatus.OPEN, "In the window, up to the due date", "回答期間中（期日まで）"),
    (FollowUpStatus.OVERDUE, "After the due date, not yet closed", "期日後、回答期間中"),
    (FollowUpStatus.PARTIAL, "Begun, not sent, not yet closed", "回答途中"),
    (FollowUpStatus.COMPLETED, "Sent, or begun and closed since", "回答済み"),
    (FollowUpStatus.MISSED, "Closed without an answer", "未回答のまま終了"),
    (FollowUpStatus.DECLINED, "The patient did not want this form", "この回の回答を辞退"),
    (FollowUpStatus.WITHDRAWN, "The patient had left the study", "参加を中止"),
    (FollowUpStatus.DIED, "The patient had died", "死亡"),
)
MISSING = _values(
    (Missing.SKIPPED, "The patient went on without answering", "回答せずに次へ進んだ"),
    (Missing.EARLY, "Answered before the window opened", "回答期間前の回答"),
    (Missing.LATE, "Answered after the window closed", "回答期間後の回答"),
    (Missing.PARTIAL, "The form is begun, not sent, and still open", "回答途中"),
    (Missing.SET_ASIDE, "Staff took the answer out: it was not the patient's", "本人の回答でないため除外"),
    (Missing.ANSWERS_DELETED, "The patient left and had the answers deleted", "本人の希望により回答を削除"),
    (Missing.NO_ANSWER, "The form has answers, none to this item", "この項目の回答なし"),
    (Missing.MISSED, "Closed without an answer", "未回答のまま終了"),
    (Missing.DECLINED, "The patient did not want this form", "この回の回答を辞退"),
    (Missing.WITHDRAWN, "The patient had left the study", "参加を中止"),
    (Missing.DIED, "The patient had died", "死亡"),
    (Missing.UPCOMING, "The window has not opened", "回答期間前"),
    (Missing.OPEN, "The window is open, nothing is answered", "回答期間中、未回答"),
    (Missing.NOT_PLANNED, "No form was planned for this operation", "予定されていない"),
)
WINDOW = _values(
    (WindowClass.IN_WINDOW, "In the window", "回答期間内"),
    (WindowClass.EARLY, "Before the window", "回答期間前"),
    (WindowClass.LATE, "After the window", "回答期間後"),
)
DOUBT = _values(
    (Doubt.TOO_FAST, "May come from a program: too fast", "自動回答の疑い（速すぎる）"),
    (Doubt.RIGHT_AFTER_MAIL, "May come from a program: right after the mail", "自動回答の疑い（メール直後）"),
    (Doubt.CONFIRMED, "Was in doubt; staff confirmed it", "疑いがあったが本人の回答と確認"),
)
MODE = _values(
    (Mode.TOUCH, "Finger", "指"),
    (Mode.MOUSE, "Mouse", "マウス"),
    (Mode.PEN, "Pen", "ペン"),
    (Mode.KEYBOARD, "Keys", "キーボード"),
    (Mode.NUMBER, "Typed as a number", "数字の入力"),
    (Mode.NRS, "Numerical rating scale", "数値評価スケール"),
    (Mode.PHONE, "By telephone", "電話"),
    (Mode.PAPER, "On paper", "紙"),
    (Mode.IMPORT, "By import", "取り込み"),
)
RESPONDENT = _values(
    (Respondent.SELF, "The patient", "本人"),
    (Respondent.HELPED, "The patient, somebody entered it", "本人（入力は他の人）"),
    (Respondent.PROXY, "Somebody for the patient", "代理人"),
)
LANGUAGE = _values(("en", "English", "英語"), ("ja", "Japanese", "日本語"))


def words_of_timepoint(timepoint: Timepoint) -> tuple[str, str]:
    """A timepoint in both languages."""
    if timepoint.is_before:
        return "before the operation", "手術前"
    months = "month" if timepoint.months == 1 else "months"
    return f"{timepoint.months} {months} after the operation", f"手術後{timepoint.months}か月"


def timepoints(study: Study) -> Sequence[Value]:
    """The timepoints of the protocol."""
    return [Value(one.code, *_begun(words_of_timepoint(one))) for one in study.timepoints]


def items(study: Study) -> Sequence[Value]:
    """The items of the protocol."""
    return [Value(one.code, *_begun((one.words["en"].name, one.words["ja"].name))) for one in study.items]


def _begun(words: Iterable[str]) -> Iterable[str]:
    return (text[:1].upper() + text[1:] for text in words)
