"""The phone queue: patients who would rather be phoned."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from registry.domain.errors import InvalidInput
from registry.domain.vocabularies import CallOutcome
from registry.services.phone_requests import MOST_CALLS, calls_waiting, close_request, request_of_site
from registry.web.staff.access import require_staff, site, staff
from registry.web.staff.saving import planning
from registry.web.state import state, today

blueprint = Blueprint("calls", __name__, url_prefix="/phone-queue")
blueprint.before_request(require_staff)

_TOO_LATE = "Somebody else has already noted a call about this request, or closed it."
_KEPT = "The patient was not reached: the call is noted, and the request stays in the queue."
_SAID = {
    CallOutcome.ANSWERED: "The request is closed: the form was answered.",
    CallOutcome.NOT_REACHED: (
        f"The patient was not reached in {MOST_CALLS} calls: the request is closed, and e-mails about this form go on."
    ),
    CallOutcome.NOT_WANTED: "The patient does not want to be phoned: e-mails about this form go on.",
}


@blueprint.get("")
def queue() -> str:
    """Whom to call, the longest waiting first."""
    with state().database.reading() as session:
        calls = calls_waiting(session, site_id=staff().site_id)
    return render_template("calls/queue.html", calls=calls, zone=site().zone, today=today(site()), most=MOST_CALLS)


@blueprint.post("/<row:request_id>")
def close(request_id: int) -> Response:
    """Note how a call ended; most ends take the request out of the queue."""
    outcome = next((one for one in CallOutcome if one == request.form.get("outcome")), None)
    if outcome is None:
        raise InvalidInput({"outcome": "Choose how the call ended"})
    with state().database.transaction() as session:
        found = request_of_site(session, request_id=request_id, site_id=staff().site_id)
        n_tried = request.form.get("tried", type=int)
        is_first = close_request(session, request_id=found.id, outcome=outcome, n_tried=n_tried, **planning())
        said = _SAID[outcome] if found.closed_at else _KEPT
    flash(said if is_first else _TOO_LATE)
    return redirect(url_for("calls.queue"), code=303)
