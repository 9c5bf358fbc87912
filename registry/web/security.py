"""What every answer carries so that nothing leaks, and which hosts are answered at all."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin

from registry.config import Settings

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cache-Control", "no-store"),
)
# Patient forms and staff pages are small; anything larger is not a form of ours.
MAX_REQUEST_BYTES = 64 * 1024


class _StaffSessions(SecureCookieSessionInterface):
    """Flask's sessions, at no cost to a page without one: a patient never has a session."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of the cookie, if there is one."""
        has_cookie = self.get_cookie_name(app) in request.cookies
        return super().open_session(app, request) if has_cookie else self.session_class()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie again, unless nobody has looked into the session."""
        if session.accessed or session.modified:
            super().save_session(app, session, response)


def protect(app: Flask, settings: Settings) -> None:
    """Set limits, cookies and headers for every page."""
    is_https = settings.base_url.startswith("https://")
    host = urlsplit(settings.base_url).hostname
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        SESSION_COOKIE_NAME="__Host-staff" if is_https else "staff",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        TRUSTED_HOSTS=[host, "127.0.0.1", "localhost"],
    )

    app.session_interface = _StaffSessions()
    headers = (*_HEADERS, ("Strict-Transport-Security", "max-age=31536000")) if is_https else _HEADERS
    app.wsgi_app = _with_headers(app.wsgi_app, headers)  # type: ignore[method-assign, assignment]


def _with_headers(application: WSGIApplication, headers: tuple[tuple[str, str], ...]) -> WSGIApplication:
    """The application with headers on all that it answers, errors and files too; one that a page has set stays."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, own: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            present = {name.lower() for name, _ in own}
            missing = [header for header in headers if header[0].lower() not in present]
            return start_response(status, own + missing, *error)

        return application(environ, start)

    return answer
