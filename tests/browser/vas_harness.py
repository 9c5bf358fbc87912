"""The patient's real question page on a loopback port, with the context of the contract; it records what is posted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, redirect, request, url_for
from markupsafe import escape
from werkzeug.serving import WSGIRequestHandler, make_server

from registry.domain.instruments import VAS6
from registry.templating import environment
from registry.web.patient.context import SiteWords

ROOT = Path(__file__).parents[2]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HOURS = {"en": "weekdays 9:00–16:00", "ja": "平日9時〜16時"}
HOSPITALS = {"en": "Example Hospital", "ja": "○○病院"}


class QuietHandler(WSGIRequestHandler):
    """Requests without a log line each."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the record of what is posted is the harness's own."""


class Harness:
    """A server of patient pages: the address query says what a page shows, `posted` is what came back."""

    def __init__(self) -> None:
        self.posted: list[dict[str, str]] = []
        self.language = "en"
        self._server = make_server("127.0.0.1", 0, _app(self), threaded=True, request_handler=QuietHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["Harness"]:
        """The harness while its server thread answers."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(timeout=5)


def _app(harness: Harness) -> Flask:
    app = Flask(__name__, static_folder=str(ROOT / "registry/web/static"))
    app.before_request(lambda: setattr(g, "language", request.args.get("language", harness.language)))
    app.after_request(_with_headers)
    app.add_url_rule("/f/q", view_func=_question, methods=["GET"])
    app.add_url_rule("/f/q", "post", lambda: _record(harness), methods=["POST"])
    app.add_url_rule("/language", "language", lambda: _switch(harness), methods=["POST"])
    app.add_url_rule("/favicon.ico", "icon", lambda: ("", 204))
    app.add_url_rule("/f/<page>", view_func=_page)
    return app


def _with_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    if "kept" not in request.args:
        response.headers["Cache-Control"] = "no-store"
    return response


def _shared_context() -> dict[str, object]:
    site = SiteWords(HOSPITALS[g.language], "06-0000-0000", HOURS[g.language])
    return {
        "url_for": url_for,
        "language": g.language,
        "site": site,
        "is_demo": "demo" in request.args,
        "page_url": request.full_path.rstrip("?"),
        "form_key": "signed",
        "language_url": "/language",
        "form_url": "/f/start",
        "routes": None,
    }


def _question() -> str:
    item = VAS6.item(request.args.get("item", "low_back"))
    page = environment(g.language).get_template("patient/question.html")
    return page.render(
        _shared_context(),
        item=item,
        wording=item.words[g.language],
        number=2,
        n_questions=len(VAS6.items),
        typed=request.args.get("typed", ""),
        is_skipped="skipped" in request.args,
        mode=request.args.get("mode", ""),
        error=request.args.get("error"),
        action="/f/q",
        back_url="/f/start",
    )


def _record(harness: Harness) -> Any:
    harness.posted.append(request.form.to_dict())
    return redirect("/f/check", 303)


def _switch(harness: Harness) -> Any:
    harness.language = request.form["language"]
    return redirect(request.form["next"], 303)


def _page(page: str) -> str:
    """Where the question leads: the pages around it are tested in the registry itself."""
    return f'<!doctype html><html lang="{g.language}"><title>{escape(page)}</title>'
