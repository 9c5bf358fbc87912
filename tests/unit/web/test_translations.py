"""Whatever a patient can meet in English has its Japanese words."""

import re
from io import BytesIO
from pathlib import Path

from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from registry.languages import TRANSLATIONS

ROOT = Path(__file__).parents[3]
KEYWORDS = DEFAULT_KEYWORDS | {"gettext_noop": None, "lazy_gettext": None, "translated": None}
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def _translations(text: bytes) -> dict[str, str]:
    catalogue = read_po(BytesIO(text), locale="ja")
    return {str(each.id): str(each.string) for each in catalogue if each.id and not each.fuzzy}


def _extracted() -> set[str]:
    with (TRANSLATIONS / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = set()
    for folder in ("templates", "registry"):
        inside = [(_inside(pattern, folder), method) for pattern, method in methods if pattern.startswith(folder)]
        for _, _, message, _, _ in extract_from_dir(ROOT / folder, inside, options, keywords=KEYWORDS):
            found.add(message if isinstance(message, str) else message[0])
    return found


def _inside(pattern: str, folder: str) -> str:
    return pattern.removeprefix(f"{folder}/")


def _untranslated(messages: set[str], translations: dict[str, str]) -> set[str]:
    return {message for message in messages if not translations.get(message)}


def _ill_fitting(translations: dict[str, str]) -> set[str]:
    return {
        message
        for message, translation in translations.items()
        if sorted(PLACEHOLDER.findall(message)) != sorted(PLACEHOLDER.findall(translation))
    }


CATALOGUE = (TRANSLATIONS / "ja/LC_MESSAGES/messages.po").read_bytes()


def test_every_extracted_string_has_a_japanese_translation() -> None:
    assert _untranslated(_extracted(), _translations(CATALOGUE)) == set()


def test_extraction_reads_the_patient_pages() -> None:
    assert {"Skip this question", "There is a problem", "We could not find this page"} <= _extracted()


def test_string_with_an_empty_or_fuzzy_translation_counts_as_untranslated() -> None:
    catalogue = b'msgid "Empty"\nmsgstr ""\n\n#, fuzzy\nmsgid "Guessed"\nmsgstr "?"\n\nmsgid "Good"\nmsgstr "!"\n'

    missing = _untranslated({"Empty", "Guessed", "Absent", "Good"}, _translations(catalogue))

    assert missing == {"Empty", "Guessed", "Absent"}


def test_translations_fill_the_same_placeholders() -> None:
    assert _ill_fitting(_translations(CATALOGUE)) == set()


def test_translation_that_lost_a_placeholder_is_found() -> None:
    assert _ill_fitting({"Call %(phone)s": "電話"}) == {"Call %(phone)s"}
