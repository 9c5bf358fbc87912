"""A page's words are put in when it is compiled, and only what words alone decide is kept between pages."""

import pytest
from jinja2 import DictLoader

from registry.templating import environment

MACROS = """
{%- macro words(text) %}<b>{{ text }}</b>{% endmacro -%}
{%- macro body(text="") %}{{ text }}:{{ caller() }}{% endmacro -%}
{%- macro listed() %}{{ varargs | join("+") }}{% endmacro -%}
{%- macro seen(text) %}{{ text }} {{ patient }}{% endmacro -%}
"""
IMPORTED = '{% from "macros.html" import words, body, listed %}'
SEEN = '{% from "macros.html" import seen with context %}'


def rendered(page: str, **values: object) -> tuple[str, int]:
    """A page, and how many of its calls were kept."""
    pages = environment.__wrapped__("ja")
    pages.loader = DictLoader({"macros.html": MACROS, "page.html": page})
    text = pages.get_template("page.html").render(**values)
    return text, pages.globals["kept"].cache_info().currsize


@pytest.mark.parametrize(
    ("page", "expected", "n_kept"),
    [
        ('{{ words("a") }}{{ words("a") }}', "<b>a</b><b>a</b>", 1),
        ('{{ words(_("Continue")) }}', "<b>次へ進む</b>", 1),
        ("{{ words(patient) }}", "<b>Hanako</b>", 0),
        ('{{ words(text="a") }}', "<b>a</b>", 0),
        ("{{ listed(1) }}{{ listed(true) }}{{ listed(1.0) }}", "1True1.0", 0),
        ('{{ listed(*["a", "b"]) }}', "a+b", 0),
        ('{{ listed("a", *["b"]) }}', "a+b", 0),
        ('{% call body("a") %}{{ patient }}{% endcall %}', "a:Hanako", 0),
    ],
)
def test_a_macro_of_words_alone_is_kept_and_no_other(page: str, expected: str, n_kept: int) -> None:
    assert rendered(IMPORTED + page, patient="Hanako") == (expected, n_kept)


def test_a_macro_that_sees_the_page_is_never_kept() -> None:
    assert rendered(SEEN + '{{ seen("a") }}', patient="Hanako") == ("a Hanako", 0)
