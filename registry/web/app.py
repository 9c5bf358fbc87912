"""The application: registers everything, decides nothing."""

from functools import lru_cache
from typing import Any

from flask import Flask, has_request_context, redirect, request, url_for
from flask_wtf import CSRFProtect
from werkzeug.routing import IntegerConverter
from werkzeug.wrappers import Response

from registry.clock import Clock, clock_of
from registry.config import Settings
from registry.places import TEMPLATES
from registry.security.keys import load_keys
from registry.services.health import health_of
from registry.storage.database import Database
from registry.web import demo, rendering
from registry.web.errors import register_errors
from registry.web.patient import consent, form, left_tablet, preferences, regions, routes, sending
from registry.web.security import protect
from registry.web.staff import (
    accounts,
    answers,
    bounced,
    calls,
    exports,
    ledger,
    mails,
    patients,
    plan,
    reports,
    review,
    tablet,
    today,
)
from registry.web.state import State, attach, now, state

# Longer values are made up by a stranger, and not worth keeping.
_LONGEST_KEPT = 64


def _is_plain(value: object) -> bool:
    """Whether an address may be kept by a value: of other kinds two may be equal and not written alike."""
    return type(value) is int or (type(value) is str and len(value) <= _LONGEST_KEPT)


class _Registry(Flask):
    """Flask, but addresses are kept, and an unexpected error is logged by the name of its page."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Each page of a form names the same few addresses.
        self._kept_url = lru_cache(maxsize=4096)(self._built_url)

    def url_for(self, endpoint: str, **values: Any) -> str:
        """The address of a page, from what is kept where nothing but its values decides it."""
        is_plain = has_request_context()
        for name, value in values.items():
            is_plain = is_plain and (value is None or (name[0] != "_" and _is_plain(value)))
        if is_plain:
            return self._kept_url(request.environ.get("SCRIPT_NAME"), endpoint, tuple(values.items()))
        return super().url_for(endpoint, **values)

    def _built_url(self, _mounted_at: str | None, endpoint: str, values: tuple[tuple[str, Any], ...]) -> str:
        return super().url_for(endpoint, **dict(values))

    def log_exception(self, exc_info: Any) -> None:
        """Log what went wrong, without the address, which may hold a token."""
        self.logger.error("Unexpected error in %s", request.endpoint, exc_info=exc_info)


class _RowNumber(IntegerConverter):
    """The number of a row in an address: no larger than any database counts."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"max": 2**31 - 1, **options})


def create_app(settings: Settings, *, clock: Clock | None = None) -> Flask:
    """A registry that answers requests."""
    app = _Registry(__name__, template_folder=str(TEMPLATES))
    keys = load_keys(settings.security.key_file)
    app.config.update(
        SECRET_KEY=keys.derive_current("staff session"),
        WTF_CSRF_TIME_LIMIT=None,
        # The pages send no referrer, so there is none to compare; the token itself is compared.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.url_map.converters["row"] = _RowNumber
    attach(app, State(settings, Database(settings.database.url), keys, clock or clock_of(settings)))
    protect(app, settings)
    rendering.prepare(app)
    register_errors(app)
    csrf = CSRFProtect(app)
    patient_pages = (form, consent, regions, sending, routes, left_tablet, preferences)
    for blueprint in (module.blueprint for module in patient_pages):
        # Patients have no session: the signed field of each form takes the place of the session's token.
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    worked_on = (today, plan, patients, ledger, answers, tablet, calls, review, bounced, mails)
    staff_pages = (accounts, *worked_on, reports, exports)
    for blueprint in (module.blueprint for module in (*staff_pages, demo)):
        app.register_blueprint(blueprint)
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/healthz", view_func=healthz)
    return app


def home() -> Response:
    """Staff begin at what is to be done today; patients come by a link."""
    return redirect(url_for("today.shown"), code=303)


def healthz() -> tuple[dict[str, Any], int]:
    """Whether the registry can read its database, and what is wrong behind pages that work."""
    if not state().database.answers():
        return {"status": "the database cannot be read"}, 503
    with state().database.look() as rows:
        return {"status": "ok", "alarms": health_of(rows, now=now()).alarms}, 200
