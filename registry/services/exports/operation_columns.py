"""The columns that tell of an operation, in the long table and in the wide one."""

from collections.abc import Sequence

from registry.config import SiteSettings
from registry.domain.study import Grouping, Study
from registry.domain.vocabularies import UNKNOWN_GROUP
from registry.services.exports import value_words as words
from registry.services.exports.value_words import Value
from registry.services.exports.variables import HIGHEST_AGE, Kind, Variable, code, column_of, day, days, flag, text


def patient_columns(sites: Sequence[SiteSettings]) -> list[Variable]:
    """Whose operation it is."""
    named = [Value(site.code, site.name["en"], site.name["ja"]) for site in sites]
    return [
        text(
            "patient", "Export code of the patient", "患者コード", "keyed hash; the same in every export under one key"
        ),
        text("study_id", "Study ID", "研究ID", "patient.study_id"),
        code("site", "Hospital", "施設", "site.code", named),
    ]


def operation_columns() -> list[Variable]:
    """The operation, and the patient at that time."""
    top = Value(HIGHEST_AGE, f"{HIGHEST_AGE} or more", f"{HIGHEST_AGE}歳以上")
    operated = "operation.operated_on"
    return [
        Variable(
            "operation", Kind.NUMBER, "Which operation of the patient", "手術の順番", operated, unit="count", lowest=1
        ),
        flag("is_index", "First operation: reports start here", "初回手術", operated),
        day("operated_on", "Day of the operation", "手術日", operated),
        Variable("operated_year", Kind.NUMBER, "Year of the operation", "手術年", operated, unit="year"),
        days("days_since_first", "Days since the first operation", "初回手術からの日数", operated),
        Variable(
            "age",
            Kind.NUMBER,
            "Age at the operation",
            "手術時年齢",
            "patient.born_on, or patient.birth_year",
            values=(top,),
            unit="years",
            lowest=0,
            highest=HIGHEST_AGE,
        ),
        code("age_from", "From what the age was computed", "年齢の根拠", "patient.born_on", words.AGE_FROM),
        code("sex", "Sex", "性別", "patient.sex", words.SEX),
        code("region", "Part of the spine", "手術部位", "operation.region", words.REGION),
        code("procedure", "Procedure; free words are `other`", "術式", "operation.procedure", words.PROCEDURE),
        text("procedure_text", "Procedure as written", "術式（記載のまま）", "operation.procedure", longest=400),
    ]


def grouping_columns(study: Study) -> list[Variable]:
    """By what the patient is compared."""
    found: list[Variable] = []
    for grouping in study.groupings:
        en, ja, name = f"Group: {grouping.code}", f"群：{grouping.code}", column_of(grouping.code)
        found.append(code(name, en, ja, "classification.group_code", _groups(grouping)))
        found.append(
            code(
                f"{name}_evidence",
                f"{en}, evidence",
                f"{ja}、根拠",
                "classification.evidence",
                words.EVIDENCE,
                empty="never classified",
            )
        )
    return found


def _groups(grouping: Grouping) -> list[Value]:
    codes = (*grouping.groups, UNKNOWN_GROUP)
    return [Value(code, grouping.label(code, "en"), grouping.label(code, "ja")) for code in codes]


def taking_part_columns() -> list[Variable]:
    """The consent, and what ended the taking part."""
    left, died = "has not left", "is not known to have died"
    return [
        text("consent", "Version of the words agreed to", "同意文書の版", "consent.version", empty="was not asked"),
        day("withdrawn_on", "Day of leaving the study", "参加中止日", "enrolment.withdrawn_on", empty=left),
        days(
            "withdrawn_after_days",
            "Days from the operation to leaving the study",
            "手術から参加中止までの日数",
            "enrolment.withdrawn_on",
            empty=left,
        ),
        flag("answers_deleted", "Left and had the answers deleted", "回答の削除", "enrolment.answers_deleted_at"),
        day("died_on", "Day of death", "死亡日", "patient.died_on", empty=died),
        days(
            "died_after_days",
            "Days from the operation to death",
            "手術から死亡までの日数",
            "patient.died_on",
            empty=died,
        ),
    ]
