"""The form: how it is entered, and one question a page, each saved by a POST."""

import re
from typing import Any

from flask import Blueprint, g, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from registry.domain.errors import Unknown
from registry.domain.instruments import Item
from registry.languages import LANGUAGES
from registry.services.assessment import record_answer, refuse_unless_agreed, refuse_unless_open, refuse_unless_taken
from registry.services.identity import Finding, check_birth_year
from registry.services.links import open_link
from registry.storage.forms import Form
from registry.storage.mailboxes import shares_address
from registry.storage.models import LinkPurpose
from registry.web.patient.access import (
    Pass,
    chosen_language,
    entered_form,
    give_pass,
    pass_of,
    shown_form,
    shown_open_form,
    writing_rows,
    written_form,
)
from registry.web.patient.answers import TypedAnswer, given_answer, typed_answer
from registry.web.patient.birth_year import wrong_birth_year
from registry.web.patient.context import page
from registry.web.patient.steps import (
    after_question,
    by_patient,
    language_read,
    recording,
    see_other,
    step_to_resume,
    to,
)
from registry.web.rendering import page_language, translated
from registry.web.state import now, state, today

blueprint = Blueprint("form", __name__)

# The pages of a form, as what follows the address of its start page.
_PAGES = re.compile(
    r"(/q/\d+|/consent(/text|/refused)?|/regions|/check|/done|/phone(/asked)?|/renewed)?(\?back=check)?"
)


@blueprint.get("/s/<token>")
def enter(token: str) -> AnyResponse:
    """Take the token out of the address: a cookie for this form, and the clean address. Changes no row."""
    with state().database.reading() as session:
        public_id = open_link(session, token=token, purpose=LinkPurpose.FORM)
        is_shared = shares_address(session, public_id=public_id)
    given = Pass(public_id, chosen_language(public_id), asks_birth_year=is_shared)
    return give_pass(to("form.start", public_id), given)


@blueprint.get("/form/<public_id>")
def start(public_id: str) -> str | AnyResponse:
    """What it is about, and one button; a form that was sent shows its receipt."""
    form = shown_form(public_id)
    asks_birth_year = g.is_entry
    if form.submitted_at is not None and not asks_birth_year:
        return to("sending.done", public_id)
    refuse_unless_open(form, today(g.site))
    if form.has_refused and not asks_birth_year:
        return to("consent.refused", public_id)
    return _start_page(form, asks_birth_year=asks_birth_year)


def _start_page(form: Form, *, asks_birth_year: bool, typed: str = "", error: str | None = None) -> str:
    return page(
        "patient/start.html",
        g.site,
        n_questions=len(state().study.items),
        closes_on=form.closes_on,
        action=url_for("form.begin", public_id=form.public_id),
        is_resumed=bool(form.answers) and not asks_birth_year,
        asks_birth_year=asks_birth_year,
        typed=typed,
        error=error,
    )


@blueprint.get("/form/<public_id>/start")
def begin_again(public_id: str) -> AnyResponse:
    """A browser that opens the page of a refused first button anew lands where that button is."""
    return to("form.start", public_id)


@blueprint.post("/form/<public_id>/start")
def begin(public_id: str) -> AnyResponse | tuple[str, int]:
    """Go to the first question that is still open, by way of what has to be asked before."""
    form, asks_birth_year = entered_form(public_id)
    if asks_birth_year and (error := _wrong_birth_year(form)) is not None:
        typed = request.form.get("birth_year", "")
        return _start_page(form, asks_birth_year=True, typed=typed, error=error), 422
    return give_pass(see_other(step_to_resume(form)), pass_of(form))


def _wrong_birth_year(form: Form) -> str | None:
    def find(typed: str) -> Finding:
        with state().database.transaction() as session:
            return check_birth_year(session, patient_id=form.patient_id, typed=typed, by=by_patient(form), now=now())

    return wrong_birth_year(find)


@blueprint.get("/form/<public_id>/q/<int:number>")
def question(public_id: str, number: int) -> str | AnyResponse:
    """One question, with the answer given before."""
    form = shown_open_form(public_id)
    item = _item(number)
    if form.is_locked(item.code, today(g.site)):
        return to("sending.check", public_id)
    saved = form.answers.get(item.code)
    typed = TypedAnswer(
        typed="" if saved is None or saved.score is None else str(saved.score),
        is_skipped=saved is not None and saved.is_skipped,
        mode=(saved.mode or "") if saved else "",
        meta="",
    )
    return _question_page(form, number, item, typed, error=None)


@blueprint.post("/form/<public_id>/q/<int:number>")
def answer(public_id: str, number: int) -> AnyResponse | tuple[str, int]:
    """Save one answer and go on; without one, say what to do and keep what was typed."""
    item = _item(number)
    typed = typed_answer(request.form, item.code)
    given = given_answer(typed, item.code)
    if given is None:
        form = written_form(public_id)
        # As for an answer that can be saved: one that is a little late is shown again to be put right.
        refuse_unless_taken(form, today(g.site))
        refuse_unless_agreed(form, state().study)
        return _question_page(form, number, item, typed, error=_problem(item, typed)), 422
    with writing_rows(public_id) as (rows, form):
        record_answer(rows, form=form, answer=given, language=language_read(), **recording(form))
    return give_pass(see_other(after_question(public_id, number)), pass_of(form))


@blueprint.post("/form/<public_id>/language")
def change_language(public_id: str) -> AnyResponse:
    """Show the form in the other language, at the same place."""
    form, is_entry = entered_form(public_id)
    language = request.form.get("language")
    back = request.form.get("next", "")
    start_url = url_for("form.start", public_id=public_id)
    is_a_page = back.startswith(start_url) and _PAGES.fullmatch(back.removeprefix(start_url))
    chosen = language if language in LANGUAGES else page_language()
    given = Pass(public_id, chosen, is_entry, pass_of(form).valid_until)
    return give_pass(see_other(back if is_a_page else start_url), given)


def _question_page(form: Form, number: int, item: Item, typed: TypedAnswer, *, error: str | None) -> str:
    is_correction = request.args.get("back") == "check"
    here: dict[str, Any] = {"public_id": form.public_id, "number": number} | (
        {"back": "check"} if is_correction else {}
    )
    return page(
        "patient/question.html",
        g.site,
        item=item,
        wording=item.words[page_language()],
        number=number,
        n_questions=len(state().study.items),
        typed=typed.typed,
        is_skipped=typed.is_skipped,
        mode=typed.mode,
        error=error,
        action=url_for("form.answer", **here),
        back_url=_back_url(form, number, is_correction=is_correction),
    )


def _back_url(form: Form, number: int, *, is_correction: bool) -> str:
    if is_correction:
        return url_for("sending.check", public_id=form.public_id)
    if number == 1:
        return url_for("form.start", public_id=form.public_id)
    return url_for("form.question", public_id=form.public_id, number=number - 1)


def _problem(item: Item, typed: TypedAnswer) -> str:
    if typed.is_contradictory:
        return translated("Either clear the number, or untick “Skip this question”")
    if typed.typed.strip():
        return translated("Enter a whole number from 0 to 100")
    name = item.words[page_language()].name
    return translated("Mark the line for %(item)s, or choose “Skip this question”", item=name)


def _item(number: int) -> Item:
    items = state().study.items
    if not 1 <= number <= len(items):
        raise Unknown("no such question")
    return items[number - 1]
