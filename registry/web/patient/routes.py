"""Other ways to answer: by telephone, on paper, or by a fresh link once the form has closed."""

from flask import Blueprint, Response, g, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from registry.domain.errors import Unknown
from registry.domain.vocabularies import CallTime
from registry.services.assessment import lock_and_open_form, refuse_unless_open
from registry.services.fresh_links import ask_for_fresh_link
from registry.services.phone_requests import ask_for_call, has_telephone
from registry.storage.forms import Form
from registry.web.paper import paper_response
from registry.web.patient.access import entered_form, give_pass, pass_of, shown_form, writing, written_form
from registry.web.patient.answers import only
from registry.web.patient.context import page
from registry.web.patient.steps import by_patient, to
from registry.web.rendering import page_language, translated
from registry.web.state import now, state, today

blueprint = Blueprint("routes", __name__)


@blueprint.get("/form/<public_id>/phone")
def phone(public_id: str) -> str:
    """Ask when to call."""
    return _phone_page(shown_form(public_id), is_refused=False)


@blueprint.post("/form/<public_id>/phone")
def ask_call(public_id: str) -> AnyResponse | tuple[str, int]:
    """Put the form into the phone queue; without a time of day or a number to call, say what to do."""
    call_time = next((time for time in CallTime if time == only(request.form, "call_time")), None)
    if call_time is None:
        return _phone_page(written_form(public_id), is_refused=True), 422
    with writing(public_id) as (session, form):
        can_be_called = has_telephone(session, patient_id=form.patient_id)
        if can_be_called:
            ask_for_call(session, form=form, call_time=call_time, today=today(g.site), by=by_patient(form), now=now())
    if not can_be_called:
        return _phone_page(form, is_refused=True), 422
    return give_pass(to("routes.phone_asked", public_id), pass_of(form))


@blueprint.get("/form/<public_id>/phone/asked")
def phone_asked(public_id: str) -> str:
    """That somebody will call."""
    shown_form(public_id)
    form_url = url_for("form.start", public_id=public_id)
    return page("patient/phone_asked.html", g.site, form_url=form_url)


@blueprint.get("/form/<public_id>/paper.pdf")
def paper(public_id: str) -> Response:
    """The form on paper, to print: as long as it could be answered here, too, and not at the hospital's tablet."""
    form = shown_form(public_id)
    refuse_unless_open(form, today(g.site))
    if not g.has_other_routes:
        raise Unknown("no paper for this form")
    return paper_response(
        follow_up_id=form.follow_up_id, site=g.site, language=page_language(), closes_on=form.closes_on
    )


@blueprint.post("/form/<public_id>/renew")
def renew(public_id: str) -> AnyResponse:
    """Send a fresh link to the registered address if one may go out; the page after it says the same either way.

    It goes to nobody else, so the year of birth need not be known.
    """
    form, is_entry = entered_form(public_id)
    with state().database.transaction() as session:
        form = lock_and_open_form(session, public_id=public_id)
        ask_for_fresh_link(session, form=form, today=today(g.site), by=by_patient(form), now=now())
    response = to("routes.renewed", public_id)
    return response if is_entry else give_pass(response, pass_of(form))


@blueprint.get("/form/<public_id>/renewed")
def renewed(public_id: str) -> str:
    """What was done, or would have been."""
    form = shown_form(public_id)
    # A form that has closed has no other route, as its own page says.
    g.has_other_routes = g.has_other_routes and not form.is_closed(today(g.site))
    return page("patient/renewed.html", g.site)


def _phone_page(form: Form, *, is_refused: bool) -> str:
    refuse_unless_open(form, today(g.site))
    with state().database.reading() as session:
        is_known = has_telephone(session, patient_id=form.patient_id)
    return page(
        "patient/phone.html",
        g.site,
        is_known=is_known,
        error=_reason(is_known=is_known) if is_refused else None,
        action=url_for("routes.ask_call", public_id=form.public_id),
        back_url=url_for("form.start", public_id=form.public_id),
    )


def _reason(*, is_known: bool) -> str:
    return translated("Choose when we should call") if is_known else translated("We have no number to call you on")
