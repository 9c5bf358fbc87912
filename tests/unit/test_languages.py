"""Days and strings in the two languages of the registry."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from registry import languages

FRIDAY = date(2026, 6, 12)


@pytest.mark.parametrize(
    ("written", "english", "japanese"),
    [
        (languages.long_day, "Friday 12 June 2026", "2026年6月12日（金）"),
        (languages.week_day, "Friday 12 June", "6月12日（金）"),
        (languages.short_day, "12 June", "6月12日"),
        (languages.month, "June 2026", "2026年6月"),
    ],
)
def test_a_day_is_written_as_people_write_it(written: object, english: str, japanese: str) -> None:
    assert callable(written)
    assert (written(FRIDAY, "en"), written(FRIDAY, "ja")) == (english, japanese)


def test_every_day_of_the_week_has_its_japanese_letter() -> None:
    monday = date(2026, 6, 8)

    found = [languages.week_day(monday + timedelta(days=offset), "ja")[-2] for offset in range(7)]

    assert "".join(found) == "月火水木金土日"


def test_a_leap_day_is_written() -> None:
    assert languages.long_day(date(2028, 2, 29), "en") == "Tuesday 29 February 2028"


@pytest.mark.parametrize(
    ("language", "wanted"),
    [("en", "Saturday 13 June 2026 00:05"), ("ja", "2026年6月13日（土） 00:05")],
)
def test_a_moment_is_written_in_the_zone_it_carries(language: str, wanted: str) -> None:
    local = datetime(2026, 6, 12, 15, 5, tzinfo=UTC).astimezone(ZoneInfo("Asia/Tokyo"))

    assert languages.moment(local, language) == wanted


def test_english_is_the_language_of_the_source() -> None:
    assert languages.translations("en").gettext("Sign in") == "Sign in"


def test_japanese_comes_from_its_catalogue() -> None:
    catalogue = languages.translations("ja")

    assert catalogue.gettext("Continue") != "Continue"


def test_what_is_not_translated_is_shown_in_english() -> None:
    assert languages.translations("ja").gettext("no such text") == "no such text"


def test_a_catalogue_is_read_once() -> None:
    assert languages.translations("ja") is languages.translations("ja")
