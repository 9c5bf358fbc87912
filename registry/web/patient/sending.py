"""The end of a form: the answers before they are sent, who filled them in, and the receipt."""

from dataclasses import dataclass

from flask import Blueprint, Response, g, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from registry.domain.errors import Unknown
from registry.domain.instruments import Item, Wording
from registry.domain.vocabularies import Respondent
from registry.languages import LANGUAGES, listed
from registry.services.assessment import refuse_unless_agreed_now, refuse_unless_open, submit
from registry.services.links import end_sittings
from registry.storage.follow_ups import NextForm, next_form
from registry.storage.forms import Form, SavedMarking
from registry.web.patient import passes
from registry.web.patient.access import (
    chosen_language,
    give_pass,
    has_key,
    left_form,
    pass_of,
    shown_form,
    shown_open_form,
    writing,
)
from registry.web.patient.answers import only
from registry.web.patient.calendar_file import CalendarEntry, calendar_file
from registry.web.patient.context import page
from registry.web.patient.region_words import region_words
from registry.web.patient.regions import standing_regions
from registry.web.patient.steps import by_patient, first_open, recording, to
from registry.web.rendering import page_language, translated
from registry.web.state import now, state, today

blueprint = Blueprint("sending", __name__)


@blueprint.get("/form/<public_id>/check")
def check(public_id: str) -> str:
    """The answers before they are sent."""
    return _check_page(shown_open_form(public_id), error=None)


@blueprint.post("/form/<public_id>/check")
def send(public_id: str) -> AnyResponse | tuple[str, int]:
    """Send the answers; pressing twice sends once."""
    respondent = next((one for one in Respondent if one == only(request.form, "respondent")), None)
    with writing(public_id) as (session, form):
        number = first_open(form)
        if number is None and respondent is not None:
            submit(session, form=form, respondent=respondent, **recording(form))
    if number is not None:
        return give_pass(to("form.question", public_id, number=number), pass_of(form))
    if respondent is None:
        refuse_unless_open(form, today(g.site))
        refuse_unless_agreed_now(form, state().study)
        return _check_page(form, error=translated("Choose who filled this in")), 422
    return give_pass(to("sending.done", public_id), pass_of(form))


@blueprint.get("/form/<public_id>/done")
def done(public_id: str) -> str | AnyResponse:
    """The receipt, as often as it is opened."""
    form = shown_form(public_id)
    if form.submitted_at is None:
        return to("form.start", public_id)
    day = today(g.site)
    is_open_still = any(not form.is_locked(item.code, day) for item in state().study.items)
    can_change = is_open_still and not form.is_closed(day)
    following = _next_form(form)
    has_day = following is not None and following.due_on is not None
    return page(
        "patient/done.html",
        g.site,
        received_at=form.submitted_at.astimezone(g.site.zone),
        reference=form.reference,
        closes_on=form.closes_on,
        next_form=following,
        is_last=_is_last(form),
        months=max(timepoint.months for timepoint in state().study.timepoints),
        change_url=url_for("sending.check", public_id=public_id) if can_change else None,
        calendar_url=url_for("sending.calendar", public_id=public_id) if has_day else None,
        finish_url=url_for("sending.finish", public_id=public_id, site=g.site.code) if form.is_tablet else None,
    )


@blueprint.get("/form/<public_id>/next.ics")
def calendar(public_id: str) -> Response:
    """The next time as a day for the patient's calendar."""
    form = shown_form(public_id)
    following = _next_form(form)
    if form.submitted_at is None or following is None or following.due_on is None:
        raise Unknown("nothing comes next")
    entry = CalendarEntry(following.due_on, g.site.name[page_language()], following.has_emails, page_language())
    written = calendar_file(entry, form=form)
    name = {"Content-Disposition": 'attachment; filename="next.ics"'}
    return Response(written, content_type="text/calendar; charset=utf-8; method=PUBLISH", headers=name)


@blueprint.post("/form/<public_id>/finish")
def finish(public_id: str) -> AnyResponse:
    """End a sitting at the tablet: the browser forgets the form, and what it had opened opens nothing any more."""
    g.language = chosen_language(public_id) or page_language()
    try:
        # However long ago the last answer was: the page's field ends what its cookie opens no more.
        form = left_form(public_id) if has_key(public_id) else shown_form(public_id)
    except Unknown:
        # A second tap: the sitting is over, and its form is not there to say which hospital it is.
        site_code = request.args.get("site")
        return passes.take_all(to("sending.handed_back", public_id, language=page_language(), site=site_code))
    with state().database.transaction() as session:
        end_sittings(session, follow_up_id=form.follow_up_id, by=by_patient(form), now=now())
    return passes.take_all(to("sending.handed_back", public_id, language=page_language(), site=g.site.code))


@blueprint.get("/form/<public_id>/handed-back")
def handed_back(public_id: str) -> str:
    """What a tablet shows between two patients: nothing about either, in the language of the one who finished."""
    language = request.args.get("language")
    g.language = language if language in LANGUAGES else page_language()
    sites = state().settings.sites
    site = next((site for site in sites if site.code == request.args.get("site")), sites[0])
    return page("patient/handed_back.html", site, public_id=public_id)


@dataclass(frozen=True)
class CheckedAnswer:
    """One line of the check page."""

    wording: Wording
    score: int | None
    is_skipped: bool
    change_url: str | None


def _check_page(form: Form, *, error: str | None) -> str:
    public_id = form.public_id
    return page(
        "patient/check.html",
        g.site,
        is_sent=form.submitted_at is not None,
        rows=[_row(form, number, item) for number, item in enumerate(state().study.items, start=1)],
        regions=_regions(form) if state().study.asks_body_regions else None,
        # Never chosen beforehand: whoever corrects a form may be another than who filled it in.
        respondent=request.form.get("respondent"),
        error=error,
        action=url_for("sending.send", public_id=public_id),
        back_url=_back_url(public_id),
    )


def _back_url(public_id: str) -> str:
    if state().study.asks_body_regions:
        return url_for("regions.ask", public_id=public_id)
    return url_for("form.question", public_id=public_id, number=len(state().study.items))


def _row(form: Form, number: int, item: Item) -> CheckedAnswer:
    saved = form.answers.get(item.code)
    return CheckedAnswer(
        wording=item.words[page_language()],
        score=saved.score if saved else None,
        is_skipped=saved is not None and saved.is_skipped,
        change_url=None if form.is_locked(item.code, today(g.site)) else _change_url(form, number),
    )


def _change_url(form: Form, number: int) -> str:
    return url_for("form.question", public_id=form.public_id, number=number, back="check")


@dataclass(frozen=True)
class CheckedRegions:
    """Where it hurts, on the check page."""

    words: str
    change_url: str | None


def _regions(form: Form) -> CheckedRegions:
    marking = standing_regions(form)
    is_locked = marking is not None and form.is_after_the_window(today(g.site), given_on=marking.answered_on)
    change_url = None if is_locked else url_for("regions.ask", public_id=form.public_id, back="check")
    return CheckedRegions(_ticked_in_words(marking), change_url)


def _ticked_in_words(marking: SavedMarking | None) -> str:
    if marking is None:
        return translated("Not answered")
    ticked = [text for region, text in region_words().items() if region in marking.regions]
    return listed(ticked, page_language()) if ticked else translated("Nowhere")


def _next_form(form: Form) -> NextForm | None:
    """What the patient hears from the hospital about next, and how."""
    with state().database.look() as rows:
        return next_form(rows, patient_id=form.patient_id, follow_up_id=form.follow_up_id, today=today(g.site))


def _is_last(form: Form) -> bool:
    return state().study.next_timepoint(form.timepoint) is None
