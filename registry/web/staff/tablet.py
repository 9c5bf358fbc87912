"""Answering on the hospital's own device: the staff's session ends before the patient's form begins."""

from flask import Blueprint, Response, render_template, session

from registry.domain.errors import InvalidInput
from registry.services.accounts import sign_out
from registry.services.links import Issuing, end_sittings, tablet_link
from registry.web.patient import passes
from registry.web.patient.access import Pass, give_pass, sitting_ends
from registry.web.patient.steps import to
from registry.web.staff.access import SECRET, by, require_staff, site
from registry.web.staff.patient_view import FollowUpView, patient_view
from registry.web.staff.saving import follow_up_of, patient_of_site
from registry.web.state import now, state, today

blueprint = Blueprint("tablet", __name__, url_prefix="/patients/<public_id>/follow-ups/<row:follow_up_id>/tablet")
blueprint.before_request(require_staff)


@blueprint.get("")
def confirm(public_id: str, follow_up_id: int) -> str:
    """Say what happens before the device is handed over."""
    view = _open_follow_up(public_id, follow_up_id)
    row = patient_of_site(public_id)
    return render_template("patients/tablet.html", row=row, follow_up=view.follow_up)


@blueprint.post("")
def begin(public_id: str, follow_up_id: int) -> Response:
    """End the staff's session, here and on the server, and open this one form."""
    view, actor = _open_follow_up(public_id, follow_up_id), by()
    patient = patient_of_site(public_id).patient
    with state().database.transaction() as rows:
        # An earlier sitting that was never finished is over: this one goes on where its answers end.
        end_sittings(rows, follow_up_id=view.follow_up.id, by=actor, now=now())
        issuing = Issuing(rows, state().keys, actor, now())
        link = tablet_link(issuing, patient_id=patient.id, follow_up_id=view.follow_up.id)
        sign_out(rows, secret=session[SECRET], by=actor, now=now())
    session.clear()
    response = passes.take_all(to("form.start", link.public_id))
    return give_pass(response, Pass(link.public_id, patient.language, valid_until=sitting_ends()))


def _open_follow_up(public_id: str, follow_up_id: int) -> FollowUpView:
    row = patient_of_site(public_id)
    wanted = follow_up_of(row, follow_up_id)
    views = patient_view(row, state().study, today=today(site())).follow_ups
    view = next(found for found in views if found.follow_up.id == wanted.id)
    if not view.is_open:
        raise InvalidInput({"": "This form is not open today, so it cannot be answered on this device"})
    return view
