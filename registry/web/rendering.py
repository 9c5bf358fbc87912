"""How values are written on pages: dates and numbers as filters, strings in the page's language."""

from typing import Any

from flask import Flask, g, request
from jinja2 import StrictUndefined

from registry import languages
from registry.domain.vocabularies import PROCEDURES
from registry.languages import SOURCE_LANGUAGE
from registry.storage.models import Classification
from registry.templating import filters
from registry.web.state import state


def page_language() -> str:
    """The language of this page."""
    language: str = g.get("language", SOURCE_LANGUAGE)
    return language


def translated(text: str, **values: Any) -> str:
    """A string of the interface in the page's language."""
    words = languages.translations(page_language()).gettext(text)
    return words % values if values else words


def typed_fields() -> list[tuple[str, str]]:
    """Every field as it came, to stand in the page that hands it back; but the one that must not."""
    return [(name, value) for name, value in request.form.items(multi=True) if name != "password"]


def prepare(app: Flask) -> None:
    """Give the staff's templates, which are in one language, their filters; a missing name is an error."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        is_demonstration=lambda: state().settings.demo.enabled,
        group_words=_group_words,
        procedure_words={code: words for code, (words, _) in PROCEDURES.items()},
    )
    app.jinja_env.filters.update(filters(SOURCE_LANGUAGE))


def _group_words(classification: Classification) -> str:
    """A group as the protocol names it."""
    grouping = state().study.grouping(classification.grouping_code)
    return grouping.label(classification.group_code, SOURCE_LANGUAGE) if grouping else classification.group_code
