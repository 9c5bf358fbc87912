"""Answers and decisions that may come from a program: the list, and what staff say about each."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from registry.services.consent_review import (
    confirm_decision,
    decision_of_site,
    decisions_to_review,
    set_decision_aside,
)
from registry.services.review import (
    MoreHasCome,
    answers_to_review,
    assessment_of_site,
    confirm_answers,
    set_aside,
)
from registry.web.staff.access import by, require_staff, site, staff
from registry.web.staff.saving import planning, to_patient
from registry.web.state import now, state

blueprint = Blueprint("review", __name__, url_prefix="/answers-to-review")
blueprint.before_request(require_staff)

_MOST_DIGITS = 10
_TOO_LATE = "Somebody else has already looked at {}."


@blueprint.get("")
def listed() -> str:
    """The forms and the decisions that wait for somebody to look at them."""
    with state().database.reading() as session:
        found = answers_to_review(session, site_id=staff().site_id)
        decisions = decisions_to_review(session, site_id=staff().site_id)
    return render_template("review/list.html", doubtful=found, decisions=decisions, zone=site().zone)


@blueprint.post("/<row:assessment_id>/confirm")
def confirm(assessment_id: int) -> Response:
    """Say that the answers are the patient's own."""
    with state().database.transaction() as session:
        found = assessment_of_site(session, assessment_id=assessment_id, site_id=staff().site_id)
        is_first = confirm_answers(session, assessment_id=found.id, by=by(), now=now(), n_seen=_n_seen())
    flash("The answers are confirmed as the patient's own." if is_first else _TOO_LATE.format("these answers"))
    return _back()


@blueprint.post("/<row:assessment_id>/set-aside")
def ask_again(assessment_id: int) -> Response:
    """Set the answers aside and ask the patient again."""
    with state().database.transaction() as session:
        found = assessment_of_site(session, assessment_id=assessment_id, site_id=staff().site_id)
        is_first = set_aside(session, assessment_id=found.id, n_seen=_n_seen(), **planning())
    said = (
        "The answers are set aside, and earlier ones count again. While the form is open, the patient is asked again."
    )
    flash(said if is_first else _TOO_LATE.format("these answers"))
    return _back()


@blueprint.post("/decisions/<row:consent_id>/confirm")
def confirm_consent(consent_id: int) -> Response:
    """Say that the decision is the patient's own."""
    with state().database.transaction() as session:
        found = decision_of_site(session, consent_id=consent_id, site_id=staff().site_id)
        is_first = confirm_decision(session, consent_id=found.id, by=by(), now=now())
    flash("The decision is confirmed as the patient's own." if is_first else _TOO_LATE.format("this decision"))
    return _back()


@blueprint.post("/decisions/<row:consent_id>/set-aside")
def ask_consent_again(consent_id: int) -> Response:
    """Let the decision count no more."""
    with state().database.transaction() as session:
        found = decision_of_site(session, consent_id=consent_id, site_id=staff().site_id)
        is_first = set_decision_aside(session, consent_id=found.id, **planning())
    said = "The decision is set aside. What the patient decided before counts; without that, the form asks again."
    flash(said if is_first else _TOO_LATE.format("this decision"))
    return _back()


@blueprint.errorhandler(MoreHasCome)
def _look_again(_: MoreHasCome) -> Response:
    flash("More has come since you opened the page: nothing was changed. Look again.")
    return _back()


def _n_seen() -> int:
    """How much the page with the button has shown; nothing when it does not say."""
    said = request.form.get("seen", "")
    return int(said) if said.isdecimal() and len(said) < _MOST_DIGITS else 0


def _back() -> Response:
    """To the patient's page if that is where the button was, otherwise to the list."""
    public_id = request.args.get("patient", "")
    if public_id.isalnum():
        return to_patient(public_id, anchor="answers")
    return redirect(url_for("review.listed"), code=303)
