"""What every page that records something does: read the form, run the use case, and say what cannot be taken."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from registry.domain.errors import InvalidInput, Unknown
from registry.services.change_preview import Basis, Preview, ToBeConfirmed, confirmed_change
from registry.storage.database import Session
from registry.storage.enrolments import PatientRow, patient_by_public_id
from registry.storage.models import FollowUp
from registry.web.forms import StaffForm
from registry.web.rendering import typed_fields
from registry.web.staff.access import by, site, staff
from registry.web.state import now, state, today

Page = str | Response | tuple[str, int]
Saving = Callable[[Session], object]


def saved(form: StaffForm, save: Saving) -> bool:
    """Whether a form was sent and its use case took it; otherwise the reasons stand at the fields."""
    if not form.validate_on_submit():
        return False
    try:
        with state().database.transaction() as session:
            save(session)
    except InvalidInput as error:
        form.refuse(error.problems)
        return False
    return True


def form_page(template: str, form: StaffForm, **values: object) -> Page:
    """A form, with the status that says whether it was refused."""
    status = 422 if form.is_submitted() else 200
    return render_template(template, form=form, today=today(site()), **values), status


CONFIRMED, GO_BACK = "confirmed", "go_back"
"""What the buttons of a preview send: the fingerprint of what was shown, or that it is to be typed otherwise."""


def change_page(template: str, form: StaffForm, save: Saving, *, row: PatientRow, said: str, **values: object) -> Page:
    """A change of what is known of a patient: what it does to the plan is shown first, and then done as shown."""
    if GO_BACK in request.form:
        return render_template(template, form=form, row=row, today=today(site()), **values)
    try:
        if saved(form, lambda session: _as_confirmed(session, row, save)):
            flash(said)
            return to_patient(row.patient.public_id)
    except ToBeConfirmed as found:
        return _preview_page(row, found.preview)
    return form_page(template, form, row=row, **values)


def _preview_page(row: PatientRow, preview: Preview) -> Page:
    typed = [(name, value) for name, value in typed_fields() if name not in (CONFIRMED, "csrf_token")]
    days = {operation.id: operation.operated_on or operation.planned_on for operation in row.operations}
    shown = {"preview": preview, "typed": typed, "is_stale": CONFIRMED in request.form}
    return render_template("patients/preview.html", row=row, days=days, **shown)


def _as_confirmed(session: Session, row: PatientRow, save: Saving) -> None:
    basis = Basis(state().study, state().settings.sending_hours, site().zone, today(site()))
    confirmed = request.form.get(CONFIRMED)
    with confirmed_change(session, patient=row.patient, basis=basis, confirmed=confirmed):
        save(session)


def planning() -> Mapping[str, Any]:
    """What a use case needs that plans follow-ups anew."""
    return {"study": state().study, **recording()}


def recording() -> Mapping[str, Any]:
    """When something is recorded, and by whom."""
    return {"today": today(site()), "by": by(), "now": now()}


def patient_of_site(public_id: str) -> PatientRow:
    """A patient of the site of whoever is signed in; another site's is not there."""
    with state().database.reading() as session:
        row = patient_by_public_id(session, site_id=staff().site_id, public_id=public_id)
    if row is None:
        raise Unknown("no such patient at this site")
    return row


def follow_up_of(row: PatientRow, follow_up_id: int) -> FollowUp:
    """A follow-up of a patient; another patient's is not there."""
    found = next((one.follow_up for one in row.follow_ups if one.follow_up.id == follow_up_id), None)
    if found is None:
        raise Unknown("no such follow-up of this patient")
    return found


def to_patient(public_id: str, *, anchor: str | None = None) -> Response:
    """Back to the page of a patient."""
    return redirect(url_for("patients.detail", public_id=public_id, _anchor=anchor), code=303)
