"""Taking part: asked once before the first answer, with two equal choices and no preference."""

from flask import Blueprint, g, request, url_for
from werkzeug.wrappers import Response

from registry.domain.vocabularies import ConsentRoute
from registry.languages import LANGUAGES
from registry.services.assessment import refuse_unless_open
from registry.services.consent import Decision, decide, words_for
from registry.storage.forms import Form
from registry.web.patient.access import give_pass, pass_of, shown_form, writing, written_form
from registry.web.patient.answers import only
from registry.web.patient.context import page
from registry.web.patient.steps import recording, see_other, step_to_resume, to
from registry.web.rendering import page_language, translated
from registry.web.state import state, today

blueprint = Blueprint("consent", __name__)

_CHOICES = {"agree": True, "disagree": False}


@blueprint.get("/form/<public_id>/consent")
def ask(public_id: str) -> str:
    """The summary and the two choices."""
    form = shown_form(public_id)
    refuse_unless_open(form, today(g.site))
    return _ask_page(form, error=None)


@blueprint.post("/form/<public_id>/consent")
def answer(public_id: str) -> Response | tuple[str, int]:
    """Keep the decision; without one, say what to do."""
    form, chosen = written_form(public_id), only(request.form, "consent")
    refuse_unless_open(form, today(g.site))
    language = _language_read()
    if language is None:
        error = translated("The information has changed since you opened this page. Please read it once more")
        return _ask_page(form, error=error), 422
    if chosen not in _CHOICES:
        return _ask_page(form, error=translated("Choose whether you agree or do not agree to take part")), 422
    with writing(public_id) as (session, form):
        refuse_unless_open(form, today(g.site))
        decide(session, patient_id=form.patient_id, decision=_decision(form, chosen, language), **recording(form))
    if not _CHOICES[chosen]:
        return give_pass(to("consent.refused", public_id), pass_of(form))
    return give_pass(see_other(step_to_resume(written_form(public_id))), pass_of(form))


@blueprint.get("/form/<public_id>/consent/text")
def text(public_id: str) -> str:
    """The full text, to read at leisure or to print."""
    shown_form(public_id)
    words = words_for(state().settings, g.site, page_language())
    return page("patient/consent_text.html", g.site, words=words, back_url=url_for("consent.ask", public_id=public_id))


@blueprint.get("/form/<public_id>/consent/refused")
def refused(public_id: str) -> str | Response:
    """What happens after a no, and the way back."""
    form = shown_form(public_id)
    if not form.has_refused:
        return to("form.start", public_id)
    return page("patient/consent_refused.html", g.site, change_url=url_for("consent.ask", public_id=public_id))


def _ask_page(form: Form, *, error: str | None) -> str:
    public_id = form.public_id
    return page(
        "patient/consent.html",
        g.site,
        words=words_for(state().settings, g.site, page_language()),
        error=error,
        action=url_for("consent.answer", public_id=public_id),
        text_url=url_for("consent.text", public_id=public_id),
        back_url=url_for("form.start", public_id=public_id),
    )


def _language_read() -> str | None:
    """In which language the words of today were read; none when the page showed others, for nobody agreed to these."""
    read = request.form.get("words", "")
    return next((one for one in LANGUAGES if words_for(state().settings, g.site, one).digest == read), None)


def _decision(form: Form, chosen: str, language: str) -> Decision:
    return Decision(
        version=state().study.consent.version,
        words_hash=words_for(state().settings, g.site, language).digest,
        is_given=_CHOICES[chosen],
        route=ConsentRoute.FORM,
        language=language,
        decided_on=today(g.site),
        follow_up_id=form.follow_up_id,
    )
