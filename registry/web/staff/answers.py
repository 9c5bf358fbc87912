"""Answers that staff enter for a patient, and the form on paper to give out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for

from registry.domain.errors import Unknown
from registry.domain.vocabularies import Respondent
from registry.languages import LANGUAGES
from registry.services.entry import Entered, StaffEntry, asks_consent, enter_answers, reason_to_refuse
from registry.storage.database import Session
from registry.storage.enrolments import PatientRow
from registry.storage.forms import Form, form_of_follow_up
from registry.storage.models import FollowUp
from registry.web.paper import paper_response
from registry.web.staff.access import require_staff, site
from registry.web.staff.entry_forms import EntryForm, paper_form, phone_form
from registry.web.staff.saving import Page, follow_up_of, form_page, patient_of_site, planning, saved, to_patient
from registry.web.state import state, today

blueprint = Blueprint("answers", __name__, url_prefix="/patients/<public_id>/follow-ups/<row:follow_up_id>")
blueprint.before_request(require_staff)

QUEUE = "queue"


@dataclass(frozen=True)
class Entering:
    """For whom and for which form answers are entered, and what stands on it."""

    row: PatientRow
    follow_up: FollowUp
    form: Form

    @property
    def is_blocked(self) -> str | None:
        """Why nothing can be entered, or None."""
        opens_on = self.follow_up.opens_on
        if opens_on > today(site()):
            return f"This form opens on {opens_on}; nothing can be entered before."
        return reason_to_refuse(self.form)


@blueprint.route("/paper", methods=["GET", "POST"])
def paper(public_id: str, follow_up_id: int) -> Page:
    """Enter what was marked on a paper form."""
    form = paper_form(state().study.items)()
    return _entry(_entering(public_id, follow_up_id), form, "patients/paper.html", said="The paper form is entered")


@blueprint.route("/phone", methods=["GET", "POST"])
def phone(public_id: str, follow_up_id: int) -> Page:
    """Enter what was said on the telephone."""
    form = phone_form(state().study.items)(answered_on=today(site()))
    return _entry(_entering(public_id, follow_up_id), form, "patients/phone.html", said="The answers are entered")


@blueprint.get("/paper.pdf")
def paper_pdf(public_id: str, follow_up_id: int) -> Response:
    """The form on paper, in the language asked for."""
    row = patient_of_site(public_id)
    follow_up = follow_up_of(row, follow_up_id)
    language = request.args.get("language", row.patient.language)
    if language not in LANGUAGES:
        raise Unknown("no such language")
    return paper_response(follow_up_id=follow_up.id, site=site(), language=language, closes_on=follow_up.closes_on)


def _entering(public_id: str, follow_up_id: int) -> Entering:
    row = patient_of_site(public_id)
    follow_up = follow_up_of(row, follow_up_id)
    with state().database.reading() as session:
        form = form_of_follow_up(session, follow_up_id=follow_up.id)
    if form is None:
        raise Unknown("no such form")
    return Entering(row, follow_up, form)


def _entry(entering: Entering, form: EntryForm, template: str, *, said: str) -> Page:
    if not asks_consent(entering.form, state().study):
        del form.has_agreed
    entered: Entered | None = None

    def save(session: Session) -> None:
        nonlocal entered
        entry = _typed(form, is_by_phone=template == "patients/phone.html")
        entered = enter_answers(session, follow_up_id=entering.follow_up.id, entry=entry, **planning())

    if saved(form, save) and entered is not None:
        flash(_outcome(said, entered))
        if request.args.get("back") == QUEUE:
            return redirect(url_for("calls.queue"), code=303)
        return to_patient(entering.row.patient.public_id, anchor="answers")
    return form_page(template, form, **_shown(entering))


def _typed(form: EntryForm, *, is_by_phone: bool) -> StaffEntry:
    answered_on: date = form["answered_on"].data
    return StaffEntry(
        answers=form.answers(),
        answered_on=answered_on,
        respondent=Respondent(form.respondent.data),
        is_by_phone=is_by_phone,
        has_agreed="has_agreed" in form and bool(form.has_agreed.data),
    )


def _outcome(said: str, entered: Entered) -> str:
    sent = "and sent" if entered.is_sent else "but not sent: some questions are still open"
    late = " It counts as late: the window had closed." if entered.is_late else ""
    return f"{said} {sent}.{late}"


def _shown(entering: Entering) -> Mapping[str, Any]:
    return {
        "row": entering.row,
        "follow_up": entering.follow_up,
        "items": state().study.items,
        "standing": entering.form.answers,
        "blocked": entering.is_blocked,
        "language": entering.row.patient.language,
    }
