"""What a browser carries: a signed cookie for each form or set of choices to look, a signed field to write."""

from datetime import timedelta
from functools import lru_cache
from typing import Any

from flask import Response, request
from itsdangerous import BadSignature

from registry.security.keys import KeyRing
from registry.web.state import state

FORM, PREFERENCES = "form", "preferences"
_WRITE = "key"


def give(response: Response, kind: str, public_id: str, *values: Any, max_age: timedelta | None = None) -> Response:
    """Put a pass into a cookie that no script reads and no other site sends; with no age it ends with the browser."""
    signed = state().keys.signer(f"{kind} cookie").dumps([public_id, *values])
    name = _cookie_name(kind, public_id)
    response.set_cookie(name, signed, max_age, httponly=True, secure=_is_https(), samesite="Lax", path="/")
    return response


def given(kind: str, public_id: str) -> list[Any] | None:
    """What the pass in this request's cookie says, or None without one that was signed here for this id."""
    try:
        signed_id, *values = _content(
            state().keys, f"{kind} cookie", request.cookies.get(_cookie_name(kind, public_id), "")
        )
    except (BadSignature, TypeError, ValueError):
        return None
    return values if signed_id == public_id else None


def take_all(response: Response) -> Response:
    """Remove every pass from a browser that somebody else will use."""
    prefixes = tuple(_cookie_name(kind, "") for kind in (FORM, PREFERENCES))
    for name in filter(lambda name: name.startswith(prefixes), request.cookies):
        response.delete_cookie(name, path="/", secure=_is_https(), httponly=True, samesite="Lax")
    return response


def key(kind: str, public_id: str, *, purpose: str = _WRITE) -> str:
    """The hidden field that authorises writing, valid as long as its key is in the ring."""
    return _signed(state().keys, f"{kind} {purpose}", public_id)


def has_key(kind: str, public_id: str, *, purpose: str = _WRITE) -> bool:
    """Whether the page that was sent carries the signed field of this id."""
    if request.method != "POST":
        return False
    try:
        return bool(_content(state().keys, f"{kind} {purpose}", request.form.get("key", "")) == public_id)
    except BadSignature:
        return False


# A patient brings the same cookie and the same field with each of a dozen pages.
@lru_cache(maxsize=4096)
def _signed(keys: KeyRing, purpose: str, value: str) -> str:
    return keys.signer(purpose).dumps(value)


@lru_cache(maxsize=4096)
def _content(keys: KeyRing, purpose: str, signed: str) -> Any:
    """What was signed; BadSignature, which is not remembered, when it was not signed here."""
    return keys.signer(purpose).loads(signed)


def _cookie_name(kind: str, public_id: str) -> str:
    """A name for each id, so that two patients who share a browser never meet."""
    return f"{'__Host-' if _is_https() else ''}{kind}-{public_id}"


def _is_https() -> bool:
    return state().settings.base_url.startswith("https://")
