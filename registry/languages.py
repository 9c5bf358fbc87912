"""The two languages of the registry: catalogues of strings, and dates as people write them."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path

from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from markupsafe import Markup, escape

LANGUAGES = ("en", "ja")
SOURCE_LANGUAGE = "en"
TRANSLATIONS = Path(__file__).parent / "translations"

_LONG_DAY = {"en": "EEEE d MMMM y", "ja": "y年M月d日（E）"}
_SHORT_DAY = {"en": "d MMMM", "ja": "M月d日"}
_BRIEF_DAY = {"en": "d MMM", "ja": "M月d日"}
_WEEK_DAY = {"en": "EEEE d MMMM", "ja": "M月d日（E）"}
_MONTH = {"en": "MMMM y", "ja": "y年M月"}


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of a language, compiled in memory from its .po file, so that no stale build of it can be served."""
    path = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)


def long_day(day: date, language: str) -> str:
    """A day with its weekday and year: "Friday 12 June 2026", "2026年6月12日（金）"."""
    return format_date(day, _LONG_DAY[language], locale=language)


def week_day(day: date, language: str) -> str:
    """A day with its weekday: "Friday 12 June", "6月12日（金）"."""
    return format_date(day, _WEEK_DAY[language], locale=language)


def short_day(day: date, language: str) -> str:
    """A day of this year: "12 June", "6月12日"."""
    return format_date(day, _SHORT_DAY[language], locale=language)


def brief_day(day: date, language: str) -> str:
    """A day of this year in few letters, for a subject: "12 Sep", "9月12日"."""
    return format_date(day, _BRIEF_DAY[language], locale=language)


def month(day: date, language: str) -> str:
    """The month of a day: "June 2026", "2026年6月"."""
    return format_date(day, _MONTH[language], locale=language)


def moment(local: datetime, language: str) -> str:
    """A day and a time of day, in the zone that the instant carries."""
    return f"{long_day(local.date(), language)} {format_time(local, 'HH:mm', locale=language)}"


def listed(parts: Sequence[str], language: str) -> str:
    """Several things in a row: "3, 6 and 12", "3・6・12"."""
    if language == "ja":
        return "・".join(parts)
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def phrased(text: str, phrases: tuple[str, ...], language: str) -> Markup:
    """A text as HTML that may break before each of these phrases where it is Japanese."""
    return _with_breaks(text, phrases) if language == "ja" else escape(text)


# The wordings are few, and the same for every patient. Typed, for markup is equal to the same text that is none.
@lru_cache(maxsize=1024, typed=True)
def _with_breaks(text: str, phrases: tuple[str, ...]) -> Markup:
    broken = escape(text)
    for phrase in phrases:
        broken = broken.replace(phrase, Markup("<wbr>") + phrase)
    return broken
