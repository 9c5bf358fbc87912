"""Who is signed in: every staff page asks before it answers."""

from dataclasses import dataclass
from datetime import timedelta

from flask import g, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from registry.config import SiteSettings
from registry.domain.actors import Actor, staff_member
from registry.services.accounts import NOTE_USE_EVERY, SessionLimits, SignedIn, note_use, signed_in
from registry.services.bounced_addresses import n_bounced_addresses
from registry.services.consent_review import n_decisions_to_review
from registry.services.failed_mails import n_failed_mails
from registry.services.health import SAID, health_of
from registry.services.phone_queue import n_calls_waiting
from registry.services.review import n_answers_to_review
from registry.storage.database import Session
from registry.web.forms import SignInForm
from registry.web.state import now, state, today

SECRET = "secret"  # noqa: S105  the name of a session entry, not a secret


def require_staff() -> Response | None:
    """Load who is signed in, or go to the sign-in page and come back afterwards."""
    secret = session.get(SECRET, "")
    with state().database.reading() as rows:
        found = signed_in(rows, secret=secret, limits=_limits(), now=now()) if secret else None
        waiting = _waiting(rows, found) if found else None
        alarms = [SAID[alarm] for alarm in health_of(rows, now=now()).alarms] if found else []
    if found is None:
        session.pop(SECRET, None)
        return _to_sign_in()
    if now() - found.last_seen_at >= NOTE_USE_EVERY:
        with state().database.transaction() as rows:
            note_use(rows, secret=secret, now=now())
    g.staff, g.waiting = found, waiting
    g.alarms = alarms
    return None


@dataclass(frozen=True)
class Waiting:
    """What waits for staff, as the navigation counts it."""

    n_calls: int
    n_reviews: int
    n_bounced: int
    n_failed: int
    """Mails that did not arrive about forms that are still open."""


def _waiting(rows: Session, found: SignedIn) -> Waiting:
    site_id, own_site = found.site_id, state().settings.site(found.site_code)
    n_reviews = n_answers_to_review(rows, site_id=site_id) + n_decisions_to_review(rows, site_id=site_id)
    n_calls = n_calls_waiting(rows, site_id=site_id, study=state().study, zone=own_site.zone, today=today(own_site))
    n_bounced = n_bounced_addresses(rows, site_id=site_id)
    failed = n_failed_mails(rows, site_id=site_id, today=today(own_site), now=now())
    return Waiting(n_calls, n_reviews, n_bounced, failed.open)


def _to_sign_in() -> Response:
    """The sign-in page, which leads back; a form that came too late is kept on it and can be sent afterwards."""
    if request.method == "GET":
        return redirect(url_for("accounts.sign_in_page", next=request.full_path.rstrip("?")), code=303)
    kept = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    form = SignInForm(formdata=None)
    return make_response(render_template("accounts/sign_in.html", form=form, kept=kept, path=request.path), 401)


def staff() -> SignedIn:
    """The member of staff behind this request."""
    found: SignedIn = g.staff
    return found


def by() -> Actor:
    """The member of staff behind this request, as an actor."""
    return staff_member(staff().staff_id)


def site() -> SiteSettings:
    """The site of the member of staff."""
    return state().settings.site(staff().site_code)


def _limits() -> SessionLimits:
    settings = state().settings.security
    return SessionLimits(
        idle=timedelta(minutes=settings.session_idle_minutes), longest=timedelta(hours=settings.session_hours)
    )
