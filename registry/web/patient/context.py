"""What every patient page is rendered with."""

from dataclasses import dataclass
from typing import Any

from flask import g, render_template, request

from registry.config import SiteSettings
from registry.web.rendering import page_language
from registry.web.state import state


@dataclass(frozen=True)
class SiteWords:
    """A hospital in the page's language."""

    name: str
    phone: str
    phone_hours: str


def page(template: str, site: SiteSettings, **values: Any) -> str:
    """A patient page in the page's language."""
    language = page_language()
    words = SiteWords(site.name[language], site.phone, site.phone_hours[language])
    common = {
        "language": language,
        "site": words,
        "is_demo": state().settings.demo.enabled,
        "page_url": request.full_path.rstrip("?"),
        "form_key": g.get("form_key", ""),
        "language_url": g.get("language_url"),
        "form_url": g.get("form_url"),
    }
    return render_template(template, **(common | values))
