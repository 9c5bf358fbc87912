"""Where a line may break, and what is escaped on the way."""

import pytest
from markupsafe import Markup

from registry.languages import phrased

PHRASES = ("いちばん", "強さで")


def test_a_line_may_break_before_each_phrase() -> None:
    assert phrased("痛みがいちばん強さで", PHRASES, "ja") == "痛みが<wbr>いちばん<wbr>強さで"


def test_a_page_in_english_has_no_breaks() -> None:
    assert phrased("いちばん", PHRASES, "en") == "いちばん"


@pytest.mark.parametrize("language", ["en", "ja"])
def test_text_is_escaped_although_the_same_markup_was_seen_before(language: str) -> None:
    assert phrased(Markup("<b>強さで</b>"), (), language) == "<b>強さで</b>"
    assert phrased("<b>強さで</b>", (), language) == "&lt;b&gt;強さで&lt;/b&gt;"
