"""Where it hurts: labelled boxes, with a figure to touch where a script runs; nobody has to tick anything."""

from collections.abc import Collection

from flask import Blueprint, g, request, url_for
from werkzeug.wrappers import Response

from registry.domain.errors import Unknown
from registry.domain.vocabularies import BodyRegion
from registry.services.marking import record_marking
from registry.storage.forms import Form, SavedMarking, marking_of
from registry.web.patient.access import give_pass, pass_of, shown_open_form, writing, written_form
from registry.web.patient.context import page
from registry.web.patient.region_words import region_words
from registry.web.patient.steps import language_read, recording, to
from registry.web.rendering import translated
from registry.web.state import state

blueprint = Blueprint("regions", __name__)

NOWHERE = "nowhere"


@blueprint.before_request
def _only_if_asked() -> None:
    if not state().study.asks_body_regions:
        raise Unknown("the protocol does not ask for regions")


@blueprint.get("/form/<public_id>/regions")
def ask(public_id: str) -> str:
    """The boxes, with those ticked before."""
    return _regions_page(shown_open_form(public_id), error=None)


def _regions_page(form: Form, *, error: str | None, ticked: Collection[str] | None = None) -> str:
    public_id = form.public_id
    if ticked is None:
        ticked = _ticked_before(form)
    is_correction = request.args.get("back") == "check"
    last = len(state().study.items)
    check_url = url_for("sending.check", public_id=public_id)
    return page(
        "patient/regions.html",
        g.site,
        regions=region_words(),
        ticked=ticked,
        is_nowhere=NOWHERE in ticked,
        error=error,
        action=url_for("regions.save", public_id=public_id),
        back_url=check_url if is_correction else url_for("form.question", public_id=public_id, number=last),
    )


def _ticked_before(form: Form) -> Collection[str]:
    marking = standing_regions(form)
    return () if marking is None else marking.regions or (NOWHERE,)


def standing_regions(form: Form) -> SavedMarking | None:
    """What was ticked on this form; ticks for an earlier day of the operation belong to another one."""
    with state().database.reading() as session:
        found = marking_of(session, form=form)
    return found if found is not None and found.answered_on >= form.window.opens_on else None


@blueprint.post("/form/<public_id>/regions")
def save(public_id: str) -> Response | tuple[str, int]:
    """Save what was ticked and go on; nothing ticked is no answer, and does not say what becomes of one that stands."""
    ticked = set(request.form.getlist("region"))
    if not ticked and standing_regions(form := written_form(public_id)) is not None:
        return _regions_page(form, error=translated("Tick the places again, or “Nowhere”"), ticked=()), 422
    if NOWHERE in ticked and len(ticked) > 1:
        # The form first: it knows in which language the page is read.
        form = written_form(public_id)
        return _regions_page(form, error=translated("Tick either the places, or “Nowhere”"), ticked=ticked), 422
    regions = [region for region in BodyRegion if region in ticked]
    with writing(public_id) as (session, form):
        if regions or NOWHERE in ticked:
            record_marking(session, form=form, regions=regions, language=language_read(), **recording(form))
    return give_pass(to("sending.check", public_id), pass_of(form))
