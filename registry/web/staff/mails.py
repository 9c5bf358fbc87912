"""Mails for staff: what failed, each as it was sent, and what every kind of mail says."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

from flask import Blueprint, Response, flash, redirect, render_template, url_for

from registry.domain.errors import Unknown
from registry.domain.ladder import MailKind
from registry.languages import LANGUAGES
from registry.mail.outgoing import Outgoing
from registry.mail.transport import transport_of
from registry.services.failed_mails import failed_mails, n_failed_mails
from registry.services.sample_mails import TEST, sample, send_test
from registry.services.sent_mails import SentMail, sent_mail
from registry.web.forms import MailTestForm
from registry.web.staff.access import by, require_staff, site, staff
from registry.web.staff.saving import Page, form_page
from registry.web.state import now, state, today

blueprint = Blueprint("mails", __name__, url_prefix="/mails")
blueprint.before_request(require_staff)

_HEADERS = (
    "Subject",
    "From",
    "To",
    "Reply-To",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Language",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)
# The mail's own styles are shown, and nothing else of it does anything.
_SEALED = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"


@dataclass(frozen=True)
class ReadMail:
    """A mail taken apart for a page."""

    language: str
    headers: Sequence[tuple[str, str]]
    text: str
    html: str


@blueprint.get("/failed")
def failed() -> str:
    """The mails that did not reach a patient."""
    with state().database.reading() as session:
        found = failed_mails(session, site_id=staff().site_id, now=now())
        numbers = n_failed_mails(session, site_id=staff().site_id, today=today(site()), now=now())
    return render_template("mails/failed.html", mails=found, numbers=numbers, zone=site().zone, today=today(site()))


@blueprint.route("/templates", methods=["GET", "POST"])
def templates() -> Page:
    """What each kind of mail says in both languages, and a test of them."""
    form = MailTestForm()
    if form.validate_on_submit():
        problem = _send_test(form)
        if not problem:
            flash(f"{len(MailKind)} test mails are sent. Their subjects begin with {TEST}.")
            return redirect(url_for("mails.templates"), code=303)
        form.refuse({"recipient": problem})
    samples = [(kind, language, _read(_sample(kind, language))) for kind in MailKind for language in LANGUAGES]
    return form_page("mails/templates.html", form, samples=samples, mark=TEST)


def _send_test(form: MailTestForm) -> str:
    """What went wrong, in words."""
    addressed = {"recipient": form.recipient.data, "language": form.language.data}
    parts = state()
    with transport_of(parts.settings.mail) as transport:
        tested = send_test(parts.database, transport, parts.settings, site(), **addressed, by=by(), now=now())
    taken = f" {tested.n_taken} of {len(MailKind)} were taken before." if tested.problem and tested.n_taken else ""
    return tested.problem + taken


@blueprint.get("/templates/<kind>/<language>/html")
def template_html(kind: str, language: str) -> Response:
    """The HTML part of one kind of mail, in a page that may run nothing."""
    if kind not in list(MailKind) or language not in LANGUAGES:
        raise Unknown("no such mail")
    return _sealed(_read(_sample(MailKind(kind), language)))


@blueprint.get("/<row:reminder_id>")
def shown(reminder_id: int) -> str:
    """One mail as it was sent, with what became of it."""
    found = _found(reminder_id)
    mail = _read(found.message) if found.message else None
    return render_template("mails/shown.html", found=found, mail=mail, zone=site().zone)


@blueprint.get("/<row:reminder_id>/html")
def shown_html(reminder_id: int) -> Response:
    """Its HTML part, in a page that may run nothing."""
    message = _found(reminder_id).message
    if message is None:
        raise Unknown("this mail cannot be written")
    return _sealed(_read(message))


def _found(reminder_id: int) -> SentMail:
    site_id, settings = staff().site_id, state().settings
    with state().database.reading() as session:
        return sent_mail(session, reminder_id=reminder_id, site_id=site_id, site=site(), settings=settings)


def _sample(kind: MailKind, language: str) -> Outgoing:
    return sample(state().settings, site(), kind=kind, language=language, now=now())


def _read(message: Outgoing) -> ReadMail:
    parsed = message.parsed()
    headers = [(name, str(parsed[name])) for name in _HEADERS]
    return ReadMail(str(parsed["Content-Language"]), headers, _part(parsed, "plain"), _part(parsed, "html"))


def _part(parsed: EmailMessage, kind: str) -> str:
    body = parsed.get_body((kind,))
    content: str = body.get_content() if body else ""
    return content


def _sealed(mail: ReadMail) -> Response:
    response = Response(mail.html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = _SEALED
    return response
