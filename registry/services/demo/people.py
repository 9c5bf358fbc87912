"""Invented people: names in two scripts, addresses at example.org, telephone numbers that nobody has."""

from dataclasses import dataclass
from datetime import date
from random import Random

from registry.domain.vocabularies import Sex

_JAPANESE_FAMILIES = (
    ("見本", "ミホン", "mihon"),
    ("青山", "アオヤマ", "aoyama"),
    ("石川", "イシカワ", "ishikawa"),
    ("上野", "ウエノ", "ueno"),
    ("大西", "オオニシ", "onishi"),
    ("加藤", "カトウ", "kato"),
    ("北村", "キタムラ", "kitamura"),
    ("黒田", "クロダ", "kuroda"),
    ("小林", "コバヤシ", "kobayashi"),
    ("酒井", "サカイ", "sakai"),
    ("杉本", "スギモト", "sugimoto"),
    ("高橋", "タカハシ", "takahashi"),
    ("千葉", "チバ", "chiba"),
    ("土屋", "ツチヤ", "tsuchiya"),
    ("中島", "ナカジマ", "nakajima"),
    ("西田", "ニシダ", "nishida"),
    ("野口", "ノグチ", "noguchi"),
    ("橋本", "ハシモト", "hashimoto"),
    ("藤井", "フジイ", "fujii"),
    ("松尾", "マツオ", "matsuo"),
    ("森本", "モリモト", "morimoto"),
    ("山口", "ヤマグチ", "yamaguchi"),
    ("吉田", "ヨシダ", "yoshida"),
    ("渡辺", "ワタナベ", "watanabe"),
)
_JAPANESE_GIVEN = {
    Sex.FEMALE: (
        ("花子", "ハナコ"),
        ("和子", "カズコ"),
        ("幸子", "サチコ"),
        ("節子", "セツコ"),
        ("洋子", "ヨウコ"),
        ("京子", "キョウコ"),
        ("恵子", "ケイコ"),
        ("美智子", "ミチコ"),
    ),
    Sex.MALE: (
        ("太郎", "タロウ"),
        ("勇", "イサム"),
        ("清", "キヨシ"),
        ("進", "ススム"),
        ("博", "ヒロシ"),
        ("正", "タダシ"),
        ("茂", "シゲル"),
        ("実", "ミノル"),
    ),
}
_WESTERN_FAMILIES = (
    "Ashdown",
    "Bellweather",
    "Carrow",
    "Dunmore",
    "Ellery",
    "Fairholm",
    "Greaves",
    "Hollis",
    "Ivory",
    "Larkin",
    "Merriden",
    "Oakes",
)
_WESTERN_GIVEN = {
    Sex.FEMALE: ("Agnes", "Clara", "Edith", "Harriet", "Louise", "Margaret"),
    Sex.MALE: ("Alfred", "Bernard", "Edwin", "George", "Leonard", "Walter"),
}
_WESTERN_SHARE = 0.25
_FEMALE_SHARE = 0.42


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who a simulated patient is."""

    sex: Sex
    birth_year: int
    language: str
    family_name: str
    given_name: str
    kana: str
    email: str | None
    phone: str


def person(random: Random, *, number: int, operated_on: date, has_email: bool) -> Person:
    """Somebody of the age at which such operations are done."""
    sex = Sex.FEMALE if random.random() < _FEMALE_SHARE else Sex.MALE
    family, given, kana, mailbox, language = _name(random, sex)
    age = min(max(round(random.gauss(69, 8)), 55), 85)
    return Person(
        sex=sex,
        birth_year=operated_on.year - age,
        language=language,
        family_name=family,
        given_name=given,
        kana=kana,
        email=f"{mailbox}.{number}@example.org" if has_email else None,
        phone=f"090-0000-{number:04}",
    )


def _name(random: Random, sex: Sex) -> tuple[str, str, str, str, str]:
    if random.random() < _WESTERN_SHARE:
        family = random.choice(_WESTERN_FAMILIES)
        return family, random.choice(_WESTERN_GIVEN[sex]), "", family.lower(), "en"
    family, family_kana, mailbox = random.choice(_JAPANESE_FAMILIES)
    given, given_kana = random.choice(_JAPANESE_GIVEN[sex])
    return family, given, f"{family_kana} {given_kana}", mailbox, "ja"
