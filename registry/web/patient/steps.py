"""The way through a form: which page comes next, and who is recorded as going it."""

from typing import Any

from flask import Response, g, request, url_for

from registry.domain.actors import Actor, patient_link
from registry.languages import LANGUAGES
from registry.storage.forms import Form
from registry.web.rendering import page_language
from registry.web.state import now, state, today


def to(endpoint: str, public_id: str, **values: Any) -> Response:
    """Go to a page of a form."""
    return see_other(url_for(endpoint, public_id=public_id, **values))


def see_other(target: str) -> Response:
    """Go to an address by a GET, whatever this request was."""
    return Response(status=303, headers=[("Location", target)])


def by_patient(form: Form) -> Actor:
    """The patient behind a form's link."""
    return patient_link(form.public_id)


def recording(form: Form) -> dict[str, Any]:
    """What a use case needs to record something on a form."""
    return {"study": state().study, "today": today(g.site), "by": by_patient(form), "now": now()}


def language_read() -> str:
    """The language of the page that was sent; another tab may have switched the form's since."""
    read_in = request.form.get("read_in", "")
    return read_in if read_in in LANGUAGES else page_language()


def first_open(form: Form) -> int | None:
    """The number of the first question without an answer."""
    numbered = enumerate(state().study.items, start=1)
    return next((number for number, item in numbered if item.code not in form.answers), None)


def step_to_resume(form: Form) -> str:
    """Where a patient goes on: the consent, the first open question, or the check page."""
    study, public_id = state().study, form.public_id
    if not study.consent.is_met(form.consent_version, is_given=form.has_consented):
        return url_for("consent.ask", public_id=public_id)
    number = first_open(form)
    if number is None:
        return url_for("sending.check", public_id=public_id)
    return url_for("form.question", public_id=public_id, number=number)


def after_question(public_id: str, number: int) -> str:
    """What follows a question: the next one, where it hurts, or the check page that it was corrected from."""
    if request.args.get("back") == "check":
        return url_for("sending.check", public_id=public_id)
    if number < len(state().study.items):
        return url_for("form.question", public_id=public_id, number=number + 1)
    return url_for("regions.ask" if state().study.asks_body_regions else "sending.check", public_id=public_id)
