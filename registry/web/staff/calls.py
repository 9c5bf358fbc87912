"""The phone queue: patients who would rather be phoned, and those whom no mail has moved to answer."""

from datetime import date

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from registry.domain.errors import InvalidInput, Unknown
from registry.domain.manual_rungs import MOST_CALLS
from registry.domain.vocabularies import CallOutcome
from registry.services.phone_queue import calls_waiting
from registry.services.phone_requests import Noted, note_call, note_ladder_call, request_of_site
from registry.storage.manual_rungs import candidate
from registry.web.staff.access import require_staff, site, staff
from registry.web.staff.saving import planning
from registry.web.state import state, today

blueprint = Blueprint("calls", __name__, url_prefix="/phone-queue")
blueprint.before_request(require_staff)

_TOO_LATE = "Somebody else has already noted a call about this request, or closed it."
_KEPT = "The patient was not reached: the call is noted, and the request stays in the queue."
_TRIED = f"The patient was not reached: the call is noted. After {MOST_CALLS} of them the letter comes next."
_SAID = {
    CallOutcome.ANSWERED: "The request is closed: the form was answered.",
    CallOutcome.NOT_REACHED: (
        f"The patient was not reached in {MOST_CALLS} calls: the request is closed. "
        "E-mails that are left about this form go on, and then comes the letter."
    ),
    CallOutcome.NOT_WANTED: (
        "The patient does not want to be phoned: nobody calls again unless the patient asks for it. "
        "E-mails and the letter remain."
    ),
    CallOutcome.CALL_BACK: "The patient is back in the queue on the day that was agreed.",
    CallOutcome.DECLINED: "The patient declines this form: nobody asks for it any more. The next forms are asked for.",
}


@blueprint.get("")
def queue() -> str:
    """Whom to call, what is due first before the rest."""
    day = today(site())
    with state().database.reading() as session:
        calls = calls_waiting(session, site_id=staff().site_id, study=state().study, zone=site().zone, today=day)
    return render_template("calls/queue.html", calls=calls, today=day, most=MOST_CALLS)


@blueprint.post("/<row:request_id>")
def close(request_id: int) -> Response:
    """Note how a call ended that a patient has asked for; most ends take the request out of the queue."""
    noted = _noted()
    with state().database.transaction() as session:
        found = request_of_site(session, request_id=request_id, site_id=staff().site_id)
        is_first = note_call(session, request_id=found.id, noted=noted, **planning())
        is_closed = found.closed_at is not None
    is_kept = noted.outcome == CallOutcome.NOT_REACHED and not is_closed
    return _back(_KEPT if is_kept else _SAID[noted.outcome], is_first=is_first)


@blueprint.post("/forms/<row:follow_up_id>")
def note(follow_up_id: int) -> Response:
    """Note how a call ended that the ladder has asked for."""
    noted = _noted()
    with state().database.transaction() as session:
        if candidate(session, site_id=staff().site_id, follow_up_id=follow_up_id) is None:
            raise Unknown("no such follow-up at this site")
        is_first = note_ladder_call(session, follow_up_id=follow_up_id, noted=noted, **planning())
    return _back(_TRIED if noted.outcome == CallOutcome.NOT_REACHED else _SAID[noted.outcome], is_first=is_first)


def _noted() -> Noted:
    outcome = next((one for one in CallOutcome if one == request.form.get("outcome")), None)
    if outcome is None:
        raise InvalidInput({"outcome": "Choose how the call ended"})
    return Noted(outcome, request.form.get("tried", type=int), request.form.get("day", type=date.fromisoformat))


def _back(said: str, *, is_first: bool) -> Response:
    flash(said if is_first else _TOO_LATE)
    return redirect(url_for("calls.queue"), code=303)
