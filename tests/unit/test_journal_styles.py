"""Numbers as journals want them: the rules of AMA, APA, NEJM and The Lancet, and of Japanese journals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.journal_styles import Style, notation
from registry.languages import LANGUAGES

MINUS = "\N{MINUS SIGN}"
EVERY = [(style, language) for style in Style for language in LANGUAGES]


@pytest.mark.parametrize(
    ("style", "language", "p", "small", "interval", "again"),
    [
        (Style.AMA, "en", "P = .034", "P < .001", f"95% CI, {MINUS}4.0 to 14.6", f"{MINUS}4.0 to 14.6"),
        (Style.APA, "en", "p = .034", "p < .001", f"95% CI [{MINUS}4.0, 14.6]", f"[{MINUS}4.0, 14.6]"),
        (Style.NEJM, "en", "P=0.034", "P<0.001", f"95% CI, {MINUS}4.0 to 14.6", f"{MINUS}4.0 to 14.6"),
        (Style.LANCET, "en", "p=0·034", "p<0·001", f"95% CI {MINUS}4·0 to 14·6", f"{MINUS}4·0 to 14·6"),
        (Style.AMA, "ja", "P＝0.034", "P＜0.001", f"95％信頼区間 {MINUS}4.0〜14.6", f"{MINUS}4.0〜14.6"),
    ],
)
def test_each_style_has_its_own_p_and_interval(
    style: Style, language: str, p: str, small: str, interval: str, again: str
) -> None:
    rules = notation(style, language)

    assert (rules.p_words(0.034), rules.p_words(1e-9)) == (p, small)
    assert rules.interval_words(-4.0, 14.6, is_first=True) == interval
    assert rules.interval_words(-4.0, 14.6, is_first=False) == again


@given(st.floats(0, 1), st.sampled_from(EVERY))
def test_p_is_never_written_as_zero_or_one(p: float, where: tuple[Style, str]) -> None:
    written = notation(*where).p_words(p)

    digits = written.replace("·", ".").rstrip().lstrip("Pp=<>＝＜＞ ")
    assert 0 < float(digits) < 1


@given(st.floats(-100, 100), st.floats(-100, 100), st.sampled_from(EVERY))
def test_no_interval_parts_its_ends_by_a_hyphen(low: float, high: float, where: tuple[Style, str]) -> None:
    assert "-" not in notation(*where).interval_words(low, high, is_first=True)
