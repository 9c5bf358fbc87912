"""The questionnaire asks the same in both languages, and its version names its words."""

import hashlib

import pytest

from registry.domain.instruments import DEVICE_MODES, INSTRUMENTS, VAS6, Item, Mode, Symptom, is_given_on_device
from registry.languages import LANGUAGES

# What patients were asked under this version. Never change it: give other words another version.
WORDS_OF_VERSION = {
    "vas6/1-week-worst/imaginable/v1": "e7444bcc856b849855cac6aeffbabc17f0c74be0751f35461deb868499235105"
}


def test_the_six_items_are_those_of_the_registry() -> None:
    assert [item.code for item in VAS6.items] == ["low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb"]


@pytest.mark.parametrize("item", VAS6.items, ids=lambda item: item.code)
def test_every_item_is_worded_in_every_language(item: Item) -> None:
    assert all(vars(item.words[language]).values() for language in LANGUAGES)


@pytest.mark.parametrize("item", VAS6.items, ids=lambda item: item.code)
def test_the_ends_of_the_line_name_what_is_asked(item: Item) -> None:
    word = {Symptom.PAIN: ("pain", "痛み"), Symptom.NUMBNESS: ("numbness", "しびれ")}[item.symptom]

    for language, named in zip(("en", "ja"), word, strict=True):
        words = item.words[language]
        assert named in words.lowest
        assert named in words.highest
        assert named in words.name


@pytest.mark.parametrize("item", VAS6.items, ids=lambda item: item.code)
def test_every_question_asks_for_the_worst_of_one_week(item: Item) -> None:
    assert "past 7 days" in item.words["en"].question
    assert "worst" in item.words["en"].question
    assert "この1週間" in item.words["ja"].question
    assert "いちばんひどかった" in item.words["ja"].question


def test_no_two_items_share_their_words() -> None:
    assert len({item.words[language].question for item in VAS6.items for language in LANGUAGES}) == 12


@pytest.mark.parametrize("version", INSTRUMENTS)
def test_the_words_of_a_version_never_change(version: str) -> None:
    words = [
        (item.code, item.symptom.value, *vars(item.words[language]).values())
        for item in INSTRUMENTS[version].items
        for language in LANGUAGES
    ]

    assert hashlib.sha256(repr(words).encode()).hexdigest() == WORDS_OF_VERSION[version]


def test_an_item_is_found_by_its_code() -> None:
    assert VAS6.item("neck").code == "neck"


def test_a_device_cannot_claim_to_be_paper_a_telephone_or_an_import() -> None:
    assert not DEVICE_MODES & {Mode.PAPER, Mode.PHONE, Mode.IMPORT, Mode.NRS}


@pytest.mark.parametrize("mode", [None, *Mode])
def test_what_no_mode_of_staff_or_of_an_import_marks_was_given_on_a_device(mode: Mode | None) -> None:
    by_others = {Mode.PAPER, Mode.PHONE, Mode.IMPORT, Mode.NRS}

    assert is_given_on_device(mode) == (mode not in by_others)
