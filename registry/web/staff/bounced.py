"""Addresses from which mails came back: the list, and another try for one that is right."""

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from registry.services.bounced_addresses import bounced_addresses, try_address_again
from registry.web.staff.access import require_staff, site, staff
from registry.web.staff.saving import patient_of_site, planning
from registry.web.state import state

blueprint = Blueprint("bounced", __name__, url_prefix="/bounced")
blueprint.before_request(require_staff)


@blueprint.get("")
def listed() -> str:
    """The patients whose address somebody has to correct."""
    with state().database.reading() as session:
        found = bounced_addresses(session, site_id=staff().site_id)
    return render_template("bounced/list.html", bounced=found, zone=site().zone)


@blueprint.post("/<public_id>/again")
def again(public_id: str) -> Response:
    """Write to the address again."""
    row = patient_of_site(public_id)
    with state().database.transaction() as session:
        is_first = try_address_again(session, patient_id=row.patient.id, **planning())
    said = "Mails go to this address again." if is_first else "Somebody else has already seen to this address."
    flash(said)
    return redirect(url_for("bounced.listed"), code=303)
