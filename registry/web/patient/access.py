"""Who may see and change a form: a cookie for each form to look, a signed field without an expiry to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Response, g, request, url_for
from itsdangerous import BadSignature

from registry.domain.errors import Unknown
from registry.languages import LANGUAGES
from registry.security.keys import KeyRing
from registry.services.assessment import lock_and_open_form, open_form
from registry.storage.database import Session
from registry.storage.forms import Form
from registry.web.state import state

_COOKIE_PURPOSE = "form cookie"
_FIELD_PURPOSE = "form key"


@dataclass(frozen=True)
class Pass:
    """The right to look at a form, and the language chosen on it."""

    public_id: str
    language: str | None = None


def cookie_name(public_id: str) -> str:
    """A name for each form, so that two patients who share a browser never meet."""
    prefix = "__Host-" if state().settings.base_url.startswith("https://") else ""
    return f"{prefix}form-{public_id}"


def give_pass(response: Response, given: Pass) -> Response:
    """Put the pass into a cookie that no script reads and no other site sends."""
    signed = state().keys.signer(_COOKIE_PURPOSE).dumps([given.public_id, given.language])
    is_https = state().settings.base_url.startswith("https://")
    response.set_cookie(cookie_name(given.public_id), signed, httponly=True, secure=is_https, samesite="Lax", path="/")
    return response


def form_key(keys: KeyRing, public_id: str) -> str:
    """The hidden field that authorises writing, valid as long as its key is in the ring."""
    return keys.signer(_FIELD_PURPOSE).dumps(public_id)


def shown_form(public_id: str) -> Form:
    """The form for a page that only shows; unknown without the cookie."""
    if _pass(public_id) is None:
        raise Unknown("no pass for this form")
    return _load(public_id)


def written_form(public_id: str) -> Form:
    """The form for a page that writes; unknown without the signed field."""
    if not _has_key(public_id):
        raise Unknown("no key for this form")
    return _load(public_id)


@contextmanager
def writing(public_id: str) -> Iterator[tuple[Session, Form]]:
    """One transaction around a change to a form, which is held until the change is committed."""
    if not _has_key(public_id):
        raise Unknown("no key for this form")
    with state().database.transaction() as session:
        form = lock_and_open_form(session, public_id=public_id)
        prepare_page(form)
        yield session, form


def pass_of(form: Form) -> Pass:
    """The pass to give with the next answer: a POST from a page whose cookie is gone restores it."""
    return _pass(form.public_id) or Pass(form.public_id)


def _load(public_id: str) -> Form:
    with state().database.reading() as session:
        form = open_form(session, public_id=public_id)
    prepare_page(form)
    return form


def prepare_page(form: Form) -> None:
    """Set the language, the hospital and the hidden fields of this page."""
    given = _pass(form.public_id)
    g.language = (given.language if given else None) or form.language
    g.site = state().settings.site(form.site_code)
    g.form_key = form_key(state().keys, form.public_id)
    g.form_url = url_for("form.start", public_id=form.public_id)
    g.language_url = url_for("form.change_language", public_id=form.public_id)


def _pass(public_id: str) -> Pass | None:
    value = request.cookies.get(cookie_name(public_id), "")
    try:
        signed_id, language = state().keys.signer(_COOKIE_PURPOSE).loads(value)
    except (BadSignature, TypeError, ValueError):
        return None
    return Pass(public_id, language if language in LANGUAGES else None) if signed_id == public_id else None


def _has_key(public_id: str) -> bool:
    try:
        return bool(state().keys.signer(_FIELD_PURPOSE).loads(request.form.get("key", "")) == public_id)
    except BadSignature:
        return False
