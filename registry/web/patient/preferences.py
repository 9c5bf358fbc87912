"""E-mails and taking part: three choices behind a link of their own; only a POST with a choice acts."""

import re
from typing import Any

from flask import Blueprint, Response, g, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from registry.domain.actors import patient_link
from registry.domain.errors import Unknown
from registry.languages import LANGUAGES, SOURCE_LANGUAGE
from registry.services.enrolment import leave_study, stop_emails
from registry.services.identity import Finding, check_birth_year
from registry.services.links import open_link
from registry.storage.database import Session
from registry.storage.enrolments import LinkedPatient, patient_behind_link
from registry.storage.mailboxes import shares_address
from registry.storage.models import LinkPurpose
from registry.web.patient import passes
from registry.web.patient.answers import only
from registry.web.patient.birth_year import wrong_birth_year
from registry.web.patient.context import page
from registry.web.patient.steps import see_other
from registry.web.rendering import page_language, translated
from registry.web.state import now, state, today

blueprint = Blueprint("preferences", __name__)

# The pages behind the link, as what follows the address of the first one.
_PAGES = re.compile(r"(/result|/leave(\?answers=(leave|delete))?)?")
_STOP, _LEAVE, _DELETE = "stop", "leave", "delete"


@blueprint.route("/m/<token>", methods=["GET", "POST"])
@blueprint.get("/m/<token>/one-click", endpoint="one_click_page")
def enter(token: str) -> AnyResponse:
    """Take the token out of the address. Changes no row."""
    public_id = _public_id(token)
    language = chosen_language(public_id)
    return passes.give(_to("preferences.show", public_id), passes.PREFERENCES, public_id, language)


@blueprint.post("/preferences/<public_id>/language")
def change_language(public_id: str) -> AnyResponse:
    """Show the page in the other language."""
    _written(public_id)
    wanted, back = request.form.get("language"), request.form.get("next", "")
    start_url = _url(public_id)
    is_a_page = back.startswith(start_url) and _PAGES.fullmatch(back.removeprefix(start_url))
    language = wanted if wanted in LANGUAGES else page_language()
    return passes.give(see_other(back if is_a_page else start_url), passes.PREFERENCES, public_id, language)


@blueprint.post("/m/<token>/one-click")
def one_click(token: str) -> str:
    """Stop e-mails for a mail program that says so in the words of RFC 8058; nothing but e-mails."""
    public_id = _public_id(token)
    if request.form.get("List-Unsubscribe") != "One-Click":
        raise Unknown("not a one-click request")
    patient = _patient(public_id)
    _stop(patient)
    return page("patient/emails_stopped.html", g.site)


@blueprint.get("/preferences/<public_id>")
def show(public_id: str) -> str | AnyResponse:
    """The three choices; after leaving, what was chosen."""
    patient = _shown(public_id)
    if patient.has_left:
        return _to("preferences.result", public_id)
    return _choices_page(public_id, error=None)


@blueprint.post("/preferences/<public_id>")
def choose(public_id: str) -> AnyResponse | tuple[str, int]:
    """Stop e-mails at once, or go on to confirm that the patient leaves."""
    patient = _written(public_id)
    chosen = only(request.form, "choice")
    if chosen == _STOP:
        _stop(patient)
        return _to("preferences.result", public_id)
    if chosen in (_LEAVE, _DELETE):
        return _to("preferences.confirm", public_id, answers=chosen)
    return _choices_page(public_id, error=translated("Choose what you would like")), 422


@blueprint.get("/preferences/<public_id>/leave")
def confirm(public_id: str) -> str | AnyResponse:
    """Ask once more before a patient leaves, or has the answers deleted after having left."""
    patient = _shown(public_id)
    if patient.are_answers_deleted or (patient.has_left and not _deletes()):
        return _to("preferences.result", public_id)
    return _confirm_page(public_id, problem=None)


@blueprint.post("/preferences/<public_id>/leave")
def leave(public_id: str) -> AnyResponse | tuple[str, int]:
    """Let the patient leave, if the box is ticked and it is the patient who asks."""
    patient = _written(public_id)
    problem = _problem_before_leaving(patient)
    if problem is not None:
        return _confirm_page(public_id, problem=problem), 422
    return _to("preferences.result", public_id)


def _problem_before_leaving(patient: LinkedPatient) -> tuple[str, str] | None:
    """The field that keeps the patient from leaving, and why; with none the patient has left."""
    if request.form.get("sure") != "yes":
        return "sure", translated("Tick the box if you want to leave the study")
    with state().database.transaction() as session:
        wrong = _wrong_birth_year(session, patient)
        if wrong is not None:
            return "birth_year", wrong
        leave_study(
            session,
            patient_id=patient.patient_id,
            delete_answers=_deletes(),
            today=today(g.site),
            by=patient_link(patient.public_id),
            now=now(),
        )
    return None


def _wrong_birth_year(session: Session, patient: LinkedPatient) -> str | None:
    """Why the year does not show that it is the patient who asks; nothing is asked of whose mailbox is their own."""
    if not shares_address(session, public_id=patient.public_id):
        return None

    def find(typed: str) -> Finding:
        by, patient_id = patient_link(patient.public_id), patient.patient_id
        return check_birth_year(session, patient_id=patient_id, typed=typed, by=by, now=now())

    return wrong_birth_year(find)


@blueprint.get("/preferences/<public_id>/result")
def result(public_id: str) -> str | AnyResponse:
    """What was chosen, and what it means."""
    patient = _shown(public_id)
    if patient.has_left:
        delete_url = url_for("preferences.confirm", public_id=public_id, answers=_DELETE)
        are_deleted = patient.are_answers_deleted
        return page("patient/left.html", g.site, are_answers_deleted=are_deleted, delete_url=delete_url)
    if patient.are_emails_stopped:
        return page("patient/emails_stopped.html", g.site)
    return _to("preferences.show", public_id)


def _choices_page(public_id: str, *, error: str | None) -> str:
    return page("patient/preferences.html", g.site, error=error, action=_url(public_id))


def _confirm_page(public_id: str, *, problem: tuple[str, str] | None) -> str:
    with state().database.reading() as session:
        asks_birth_year = shares_address(session, public_id=public_id)
    at, error = problem or (None, None)
    return page(
        "patient/leave.html",
        g.site,
        error_at=at,
        error=error,
        asks_birth_year=asks_birth_year,
        typed=request.form.get("birth_year", ""),
        is_sure=request.form.get("sure") == "yes",
        deletes=_deletes(),
        action=url_for("preferences.leave", public_id=public_id, answers=_DELETE if _deletes() else _LEAVE),
        back_url=_url(public_id),
    )


def _deletes() -> bool:
    return request.args.get("answers") == _DELETE


def _url(public_id: str) -> str:
    return url_for("preferences.show", public_id=public_id)


def _to(endpoint: str, public_id: str, **values: Any) -> Response:
    return see_other(url_for(endpoint, public_id=public_id, **values))


def _stop(patient: LinkedPatient) -> None:
    with state().database.transaction() as session:
        stop_emails(session, patient_id=patient.patient_id, by=patient_link(patient.public_id), now=now())


def _public_id(token: str) -> str:
    with state().database.reading() as session:
        return open_link(session, token=token, purpose=LinkPurpose.PREFERENCES)


def _shown(public_id: str) -> LinkedPatient:
    """The patient for a page that only shows; unknown without the cookie."""
    if passes.given(passes.PREFERENCES, public_id) is None:
        raise Unknown("no pass for these preferences")
    return _patient(public_id)


def _written(public_id: str) -> LinkedPatient:
    """The patient for a page that acts; unknown without the signed field."""
    if not passes.has_key(passes.PREFERENCES, public_id):
        raise Unknown("no key for these preferences")
    return _patient(public_id)


def chosen_language(public_id: str) -> str | None:
    """The language that the patient chose on these pages in this browser, if any."""
    values = passes.given(passes.PREFERENCES, public_id)
    return values[0] if values and values[0] in LANGUAGES else None


def _patient(public_id: str) -> LinkedPatient:
    with state().database.reading() as session:
        patient = patient_behind_link(session, public_id=public_id)
    g.language = chosen_language(public_id) or patient.language or SOURCE_LANGUAGE
    g.language_url = url_for("preferences.change_language", public_id=public_id)
    g.site = state().settings.site(patient.site_code)
    g.form_key = passes.key(passes.PREFERENCES, public_id)
    return patient
