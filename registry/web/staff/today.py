"""The home of staff: what is to be done today."""

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from registry.domain.errors import Unknown
from registry.services.posted_letters import record_posted_letter
from registry.services.work_list import work_list
from registry.storage.manual_rungs import candidate
from registry.web.staff.access import require_staff, site, staff
from registry.web.staff.saving import recording
from registry.web.state import state, today

blueprint = Blueprint("today", __name__, url_prefix="/today")
blueprint.before_request(require_staff)


@blueprint.get("")
def shown() -> str:
    """What is to be done, section by section."""
    day = today(site())
    with state().database.reading() as session:
        work = work_list(session, site_id=staff().site_id, study=state().study, zone=site().zone, today=day)
    return render_template("today/list.html", work=work, today=day)


@blueprint.post("/letters/<row:follow_up_id>")
def letter_posted(follow_up_id: int) -> Response:
    """Note that a letter was posted."""
    with state().database.transaction() as session:
        if candidate(session, site_id=staff().site_id, follow_up_id=follow_up_id) is None:
            raise Unknown("no such follow-up at this site")
        is_first = record_posted_letter(session, follow_up_id=follow_up_id, **recording())
    flash("The letter is noted as sent." if is_first else "A letter about this form was noted before.")
    return redirect(url_for("today.shown"), code=303)
