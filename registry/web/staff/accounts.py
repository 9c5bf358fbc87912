"""Signing in and out."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from registry.domain.errors import SignInRefused
from registry.services.accounts import sign_in, sign_out
from registry.web.forms import SignInForm, folded
from registry.web.staff.access import SECRET, by, require_staff
from registry.web.state import now, state

blueprint = Blueprint("accounts", __name__)


@blueprint.get("/login")
def sign_in_page() -> str:
    """Ask for name and password."""
    return render_template("accounts/sign_in.html", form=SignInForm())


@blueprint.post("/login")
def begin() -> Response | tuple[str, int]:
    """Begin a session under a new secret."""
    form = SignInForm()
    if not form.validate():
        return render_template("accounts/sign_in.html", form=form), 422
    try:
        with state().database.transaction() as rows:
            name = folded(form.sign_in_name.data)
            secret = sign_in(rows, sign_in_name=name, password=form.password.data or "", now=now())
    except SignInRefused as error:
        form.refuse({"password": str(error)})
        return render_template("accounts/sign_in.html", form=form), 401
    session.clear()
    session[SECRET] = secret
    return redirect(_back(), code=303)


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
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_ours else url_for("patients.listed")
