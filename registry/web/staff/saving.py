"""What every page that records something does: read the form, run the use case, and say what cannot be taken."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from registry.domain.errors import InvalidInput, Unknown
from registry.storage.database import Session
from registry.storage.enrolments import PatientRow, patient_by_public_id
from registry.storage.models import FollowUp
from registry.web.forms import StaffForm
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
