"""The outbox of a demonstration: the mails that were written into the folder. Not there outside demo mode."""

from email import message_from_bytes, policy
from email.message import EmailMessage

from flask import Blueprint, Response, render_template

from registry.domain.errors import Unknown
from registry.web.state import state

blueprint = Blueprint("demo", __name__, url_prefix="/demo")

_LONGEST_LIST = 200


@blueprint.before_request
def _only_in_demo() -> None:
    if not state().settings.demo.enabled:
        raise Unknown("no demonstration")


@blueprint.get("/outbox")
def outbox() -> str:
    """The newest mails."""
    paths = sorted(state().settings.mail.folder.glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True)
    mails = [(path.stem, _read(path.stem)) for path in paths[:_LONGEST_LIST]]
    return render_template(
        "demo/outbox.html", mails=mails, n_mails=len(paths), uses_smtp=bool(state().settings.mail.host)
    )


@blueprint.get("/outbox/<name>")
def mail(name: str) -> str:
    """One mail: its headers and its text part, with links that can be followed."""
    found = _read(name)
    body = found.get_body(("plain",))
    text = body.get_content() if body else ""
    return render_template("demo/mail.html", name=name, mail=found, lines=text.splitlines())


@blueprint.get("/outbox/<name>/html")
def mail_html(name: str) -> Response:
    """The HTML part, in a page that may run nothing."""
    body = _read(name).get_body(("html",))
    response = Response(body.get_content() if body else "", mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-top-navigation-by-user-activation"
    )
    return response


def _read(name: str) -> EmailMessage:
    path = state().settings.mail.folder / f"{name}.eml"
    if not name.isalnum() or not path.is_file():
        raise Unknown("no such mail")
    return message_from_bytes(path.read_bytes(), policy=policy.default)
