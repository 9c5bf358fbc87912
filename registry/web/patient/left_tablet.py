"""A page left open on the hospital's tablet: what was typed is kept, and saved once it is known whose it is."""

import re

from flask import Blueprint, Response, request, url_for

from registry.domain.errors import Unknown
from registry.services.identity import Finding, check_birth_year
from registry.storage.forms import Form
from registry.web.patient.access import Pass, give_pass, left_form, sitting_ends
from registry.web.patient.birth_year import wrong_birth_year
from registry.web.patient.context import page
from registry.web.patient.steps import by_patient, language_read, to
from registry.web.rendering import typed_fields
from registry.web.state import known, now, state

blueprint = Blueprint("left_tablet", __name__)

# The pages of a form that send something, as what follows the address of its start page.
_SENDING = re.compile(r"/(start|language|consent|regions|check|phone|q/\d+)(\?back=check)?")
_OWN_FIELDS = ("birth_year", "goes_to")


@blueprint.post("/form/<public_id>/go-on")
def go_on(public_id: str) -> Response | tuple[str, int]:
    """Begin the sitting again for whoever knows the year of birth, and send what was typed to where it was going."""
    form, goes_to = left_form(public_id), request.form.get("goes_to", "")
    start_url = url_for("form.start", public_id=public_id)
    if not (goes_to.startswith(start_url) and _SENDING.fullmatch(goes_to.removeprefix(start_url))):
        raise Unknown("no page of this form")
    if (error := _wrong_birth_year(form)) is not None:
        return left_page(form, goes_to=goes_to, error=error), 422
    # 307: the browser sends the same fields again, to the page that they were typed on.
    again = Response(status=307, headers=[("Location", goes_to)])
    return give_pass(again, Pass(public_id, language_read(), valid_until=sitting_ends()))


@blueprint.get("/form/<public_id>/go-on")
def begin_again(public_id: str) -> Response:
    """A browser that opens the page of a wrong year anew lands where the form begins, if it may be seen."""
    return to("form.start", public_id)


def left_page(form: Form, *, goes_to: str, error: str | None = None) -> str:
    """The question whose it is, with all that was typed kept in the page."""
    known().language = language_read()
    site = state().settings.site(form.site_code)
    return page(
        "patient/left_tablet.html",
        site,
        action=url_for("left_tablet.go_on", public_id=form.public_id),
        kept_fields=[(name, value) for name, value in typed_fields() if name not in _OWN_FIELDS],
        goes_to=goes_to,
        typed=request.form.get("birth_year", ""),
        error=error,
        # The button for the other language would go on without what was typed.
        language_url=None,
    )


def _wrong_birth_year(form: Form) -> str | None:
    def find(typed: str) -> Finding:
        with state().database.transaction() as session:
            found = check_birth_year(session, patient_id=form.patient_id, typed=typed, by=by_patient(form), now=now())
        # Who shares a mailbox at home does not share this tablet: the right year is enough.
        return found if found in (Finding.WRONG_YEAR, Finding.WRONG_DAY) else Finding.RIGHT

    return wrong_birth_year(find)
