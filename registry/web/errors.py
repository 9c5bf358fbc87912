"""Which error of the field becomes which page: decided here and nowhere else."""

import re
from typing import get_args

from flask import Flask, current_app, g, redirect, render_template, request, url_for
from werkzeug.exceptions import ClientDisconnected, HTTPException, InternalServerError, SecurityError
from werkzeug.wrappers import Response

from registry.config import SiteSettings
from registry.domain.errors import (
    BirthYearMissing,
    ConsentMissing,
    FormNotOpenYet,
    InvalidInput,
    LinkClosed,
    SittingOver,
    Unknown,
)
from registry.languages import LANGUAGES, SOURCE_LANGUAGE
from registry.storage.outages import DatabaseAway, may_pass
from registry.web.patient import access, left_tablet, preferences
from registry.web.patient.context import page
from registry.web.rendering import typed_fields
from registry.web.state import state

RETRY_AFTER_SECONDS = "30"


def register_errors(app: Flask) -> None:
    """Turn errors into pages: plain words, the right status, a telephone number."""
    app.register_error_handler(Unknown, _not_found)
    app.register_error_handler(LinkClosed, _closed)
    app.register_error_handler(ConsentMissing, _ask_consent)
    app.register_error_handler(BirthYearMissing, _ask_birth_year)
    app.register_error_handler(SittingOver, _ask_whose_sitting)
    app.before_request(_refuse_hidden_characters)
    app.before_request(_refuse_cut_bodies)
    app.register_error_handler(FormNotOpenYet, _not_open_yet)
    app.register_error_handler(InvalidInput, _invalid)
    app.register_error_handler(HTTPException, _http)
    for kind in get_args(DatabaseAway):
        app.register_error_handler(kind, _database_away)


def _not_found(_: Exception) -> tuple[str, int]:
    _guess_language()
    return page("patient/unknown.html", g.get("site") or _a_site()), 404


def _refuse_hidden_characters() -> None:
    """No address of ours holds a NUL, and PostgreSQL cannot even be asked for one."""
    if "\0" in request.path or b"%00" in request.query_string:
        raise Unknown("no such address")


def _refuse_cut_bodies() -> None:
    """A phone that loses its network in the middle of "100" must not have said "10"."""
    announced = request.content_length
    if request.method == "POST" and announced is not None and len(request.get_data()) < announced:
        raise ClientDisconnected


def _closed(error: LinkClosed) -> tuple[str, int]:
    renew_url = url_for("routes.renew", public_id=g.public_id) if g.get("can_renew") else None
    # A form that has closed is answered on paper or by telephone only when staff say so.
    g.has_other_routes = False
    site = g.get("site") or _a_site()
    values = {"closed_on": error.closed_on, "renew_url": renew_url, "is_begun": g.get("is_begun", False)}
    return page("patient/closed.html", site, **values), 410


def _ask_consent(_: Exception) -> Response:
    return redirect(url_for("consent.ask", public_id=g.public_id), code=303)


def _ask_birth_year(_: Exception) -> Response:
    return redirect(url_for("form.start", public_id=g.public_id), code=303)


def _ask_whose_sitting(_: Exception) -> tuple[str, int]:
    form = access.left_form((request.view_args or {})["public_id"])
    return left_tablet.left_page(form, goes_to=request.full_path.rstrip("?")), 403


def _not_open_yet(error: FormNotOpenYet) -> tuple[str, int]:
    return page("patient/not_open_yet.html", g.get("site") or _a_site(), opens_on=error.opens_on), 409


def _invalid(error: InvalidInput) -> tuple[str, int]:
    """A refusal that no form showed at its field."""
    reasons = list(error.problems.values())
    return render_template("errors/plain.html", title="This could not be saved", reasons=reasons), 422


def _http(error: HTTPException) -> tuple[str, int] | HTTPException:
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, SecurityError):
        # Under a strange host no address of ours can be built, and no page of ours belongs there.
        return error
    if error.code == 404:
        return _not_found(error)
    if request.path.startswith(_PATIENT_PATHS):
        _guess_language()
        return page("patient/problem.html", g.get("site") or _a_site()), error.code
    title = "Something went wrong" if isinstance(error, InternalServerError) else error.name
    reasons = [_PLAIN.get(error.code, "The page could not be shown. Go back and try again.")]
    return render_template("errors/plain.html", title=title, reasons=reasons), error.code


def _database_away(error: DatabaseAway) -> tuple[str, int, dict[str, str]]:
    """What was sent is handed back to be sent again: the browser has let go of the page it was typed on."""
    if not may_pass(error):
        raise error
    current_app.logger.error("The database could not be had in %s", request.endpoint, exc_info=error)
    typed = typed_fields() if request.method == "POST" else None
    return _busy_page(typed), 503, {"Retry-After": RETRY_AFTER_SECONDS}


def _busy_page(typed: list[tuple[str, str]] | None) -> str:
    if not request.path.startswith(_PATIENT_PATHS):
        return render_template("errors/busy.html", typed=typed, path=request.full_path.rstrip("?"))
    if (read_in := dict(typed or ()).get("read_in")) in LANGUAGES:
        g.language = read_in
    _guess_language()
    site = g.get("site") or _a_site()
    if typed is None:
        return page("patient/busy.html", site)
    # Without the button for the other language, which would go on without what was typed.
    return page("patient/not_saved_yet.html", site, typed=typed, language_url=None)


# By the address and not by the page: a method that an address does not take has no page.
_PATIENT_PATHS = ("/s/", "/form/", "/m/", "/preferences/")
_PLAIN = {
    400: "The request could not be understood. Go back, reload the page and try again.",
    403: "You may not see this page.",
    405: "This address does not take such a request.",
    413: "What was sent is larger than any form of the registry.",
    500: "Nothing was lost that had been saved. Please try again in a moment.",
}


def _guess_language() -> None:
    if "language" not in g:
        accepted = request.accept_languages.best_match(LANGUAGES)
        g.language = _chosen_language() or accepted or SOURCE_LANGUAGE


_OF_A_PATIENT = re.compile(r"/(form|preferences)/([^/]+)")
_CHOSEN = {"form": access.chosen_language, "preferences": preferences.chosen_language}


def _chosen_language() -> str | None:
    """The language chosen in this browser on the pages that the address belongs to; a cookie tells, and no row."""
    found = _OF_A_PATIENT.match(request.path)
    return _CHOSEN[found[1]](found[2]) if found else None


def _a_site() -> SiteSettings:
    """With no patient known, the only telephone number that can be shown is that of the first site."""
    return state().settings.sites[0]
