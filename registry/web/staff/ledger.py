"""The ledger of a patient: what became of each rung of each form, or why nothing did."""

from flask import Blueprint, render_template

from registry.services.ledger import ledger
from registry.web.staff.access import require_staff, site
from registry.web.staff.saving import patient_of_site
from registry.web.state import state, today

blueprint = Blueprint("ledger", __name__, url_prefix="/patients/<public_id>/ledger")
blueprint.before_request(require_staff)


@blueprint.get("")
def shown(public_id: str) -> str:
    """Every form of a patient, rung by rung."""
    row, day = patient_of_site(public_id), today(site())
    study, hours = state().study, state().settings.sending_hours
    with state().database.reading() as session:
        forms = ledger(session, row=row, study=study, hours=hours, zone=site().zone, today=day)
    return render_template("ledger/patient.html", patient=row.patient, operations=row.operations, forms=forms)
