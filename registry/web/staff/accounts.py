"""Signing in and out."""

import re

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from registry.domain.errors import SignInRefused
from registry.services.accounts import checked_staff, sign_in, sign_out
from registry.web.forms import SignInForm, folded
from registry.web.staff.access import SECRET, by, require_staff
from registry.web.state import now, state

blueprint = Blueprint("accounts", __name__)

# A path of visible characters; two slashes, or a backslash that browsers read as one, would lead to another host.
_OURS = re.compile(r"/(?![/\\])[!-\[\]-~]*")


@blueprint.get("/login")
def sign_in_page() -> str:
    """Ask for name and password."""
    return _page(SignInForm())


@blueprint.post("/login")
def begin() -> Response | str | tuple[str, int]:
    """Begin a session under a new secret."""
    form = SignInForm()
    if not form.validate():
        return _page(form), 422
    try:
        with state().database.reading() as rows:
            name = folded(form.sign_in_name.data)
            staff_id = checked_staff(rows, sign_in_name=name, password=form.password.data or "")
    except SignInRefused as error:
        form.refuse({"password": str(error)})
        return _page(form), 401
    with state().database.transaction() as rows:
        secret = sign_in(rows, staff_id=staff_id, now=now())
    session.clear()
    session[SECRET] = secret
    kept, path = _kept()
    if path:
        return render_template("accounts/go_on.html", kept=kept, path=path)
    return redirect(_back(), code=303)


def _page(form: SignInForm) -> str:
    kept, path = _kept()
    return render_template("accounts/sign_in.html", form=form, kept=kept, path=path)


def _kept() -> tuple[list[tuple[str, str]], str]:
    """What was typed into a form whose session had ended, and where it goes."""
    path = request.form.get("kept_path", "")
    prefix = "kept."
    fields = [(name, value) for name, value in request.form.items(multi=True) if name.startswith(prefix)]
    return [(name.removeprefix(prefix), value) for name, value in fields], path if _OURS.fullmatch(path) else ""


@blueprint.post("/logout")
def end() -> Response:
    """End the session."""
    if (elsewhere := require_staff()) is not None:
        return elsewhere
    with state().database.transaction() as rows:
        sign_out(rows, secret=session[SECRET], by=by(), now=now())
    session.clear()
    return redirect(url_for("accounts.sign_in_page"), code=303)


def _back() -> str:
    """Where the person wanted to go, if that is a page of this registry."""
    wanted = request.args.get("next", "")
    return wanted if _OURS.fullmatch(wanted) else url_for("today.shown")
