"""What every patient page is rendered with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import g, request, url_for

from registry.config import SiteSettings
from registry.templating import environment
from registry.web.patient.access import form_key
from registry.web.rendering import page_language
from registry.web.state import state


@dataclass(frozen=True)
class SiteWords:
    """A hospital in the page's language."""

    name: str
    phone: str
    phone_hours: str


@dataclass(frozen=True)
class Routes:
    """Where the other ways to answer a form are."""

    phone_url: str
    paper_url: str


def _routes() -> Routes | None:
    """The same on each page of a form; none at the hospital's tablet, where staff stand by."""
    if not g.get("has_other_routes"):
        return None
    public_id = g.public_id
    return Routes(url_for("routes.phone", public_id=public_id), url_for("routes.paper", public_id=public_id))


def _fields() -> Mapping[str, Any]:
    """What a page that belongs to a form, or to a patient's choices, carries to be sent back."""
    if "public_id" not in g:
        return {"form_key": g.get("form_key", ""), "language_url": g.get("language_url")}
    public_id = g.public_id
    return {
        "form_key": form_key(public_id, is_entry=g.is_entry),
        "language_url": url_for("form.change_language", public_id=public_id),
    }


def page(template: str, site: SiteSettings, **values: Any) -> str:
    """A patient page in the page's language."""
    language = page_language()
    words = SiteWords(site.name[language], site.phone, site.phone_hours[language])
    common = {
        "url_for": url_for,
        "language": language,
        "site": words,
        "is_demo": state().settings.demo.enabled,
        "page_url": request.full_path.rstrip("?"),
        "routes": _routes(),
        **_fields(),
    }
    return environment(language).get_template(template).render(common | values)
