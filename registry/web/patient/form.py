"""The form: one question a page, each saved by a POST, sent at the end."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from registry.domain.actors import patient_link
from registry.domain.calendar import add_months
from registry.domain.errors import Unknown
from registry.domain.instruments import Item, Wording
from registry.languages import LANGUAGES
from registry.services.assessment import record_answer, refuse_unless_open, submit
from registry.services.links import open_link
from registry.storage.forms import Form
from registry.storage.models import LinkPurpose
from registry.web.patient.access import Pass, give_pass, pass_of, shown_form, writing, written_form
from registry.web.patient.answers import TypedAnswer, given_answer, typed_answer
from registry.web.patient.context import page
from registry.web.rendering import page_language, translated
from registry.web.state import now, state, today

blueprint = Blueprint("form", __name__)

# The pages of a form, as what follows the address of its start page.
_PAGES = re.compile(r"(/q/\d+|/check|/done)?(\?back=check)?")


@blueprint.get("/s/<token>")
def enter(token: str) -> AnyResponse:
    """Take the token out of the address: a cookie for this form, and the clean address. Changes no row."""
    with state().database.reading() as session:
        public_id = open_link(session, token=token, purpose=LinkPurpose.FORM)
    return give_pass(_to("form.start", public_id), Pass(public_id))


@blueprint.get("/form/<public_id>")
def start(public_id: str) -> str | AnyResponse:
    """What it is about, and one button; a form that was sent shows its receipt."""
    form = shown_form(public_id)
    if form.submitted_at is not None:
        return _to("form.done", public_id)
    refuse_unless_open(form, today(g.site))
    action = url_for("form.begin", public_id=public_id)
    return page(
        "patient/start.html",
        g.site,
        n_questions=len(state().study.items),
        closes_on=form.window.closes_on,
        action=action,
        is_resumed=bool(form.answers),
    )


@blueprint.post("/form/<public_id>/start")
def begin(public_id: str) -> AnyResponse:
    """Go to the first question that is still open."""
    form = written_form(public_id)
    first_open = _first_open(form)
    target = _to("form.question", public_id, number=first_open) if first_open else _to("form.check", public_id)
    return give_pass(target, pass_of(form))


@blueprint.get("/form/<public_id>/q/<int:number>")
def question(public_id: str, number: int) -> str:
    """One question, with the answer given before."""
    form = shown_form(public_id)
    refuse_unless_open(form, today(g.site))
    item = _item(number)
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
        return _question_page(form, number, item, typed, error=_problem(item, typed)), 422
    with writing(public_id) as (session, form):
        record_answer(session, form=form, answer=given, language=page_language(), **_recording(form))
    return give_pass(_after(public_id, number), pass_of(form))


@blueprint.get("/form/<public_id>/check")
def check(public_id: str) -> str:
    """The answers before they are sent."""
    form = shown_form(public_id)
    refuse_unless_open(form, today(g.site))
    last = len(state().study.items)
    return page(
        "patient/check.html",
        g.site,
        is_sent=form.submitted_at is not None,
        rows=[_row(form, number, item) for number, item in enumerate(state().study.items, start=1)],
        action=url_for("form.send", public_id=public_id),
        back_url=url_for("form.question", public_id=public_id, number=last),
    )


@blueprint.post("/form/<public_id>/check")
def send(public_id: str) -> AnyResponse:
    """Send the answers; pressing twice sends once."""
    with writing(public_id) as (session, form):
        first_open = _first_open(form)
        if first_open is None:
            submit(session, form=form, **_recording(form))
    target = _to("form.done", public_id) if first_open is None else _to("form.question", public_id, number=first_open)
    return give_pass(target, pass_of(form))


@blueprint.get("/form/<public_id>/done")
def done(public_id: str) -> str | AnyResponse:
    """The receipt, as often as it is opened."""
    form = shown_form(public_id)
    if form.submitted_at is None:
        return _to("form.start", public_id)
    can_change = not form.is_closed(today(g.site))
    return page(
        "patient/done.html",
        g.site,
        received_at=form.submitted_at.astimezone(g.site.zone),
        reference=form.reference,
        closes_on=form.window.closes_on,
        next_on=_next_on(form),
        months=max(timepoint.months for timepoint in state().study.timepoints),
        change_url=url_for("form.check", public_id=public_id) if can_change else None,
    )


@blueprint.post("/form/<public_id>/language")
def change_language(public_id: str) -> AnyResponse:
    """Show the form in the other language, at the same place."""
    form = written_form(public_id)
    language = request.form.get("language")
    back = request.form.get("next", "")
    start_url = url_for("form.start", public_id=public_id)
    is_a_page = back.startswith(start_url) and _PAGES.fullmatch(back.removeprefix(start_url))
    target = back if is_a_page else start_url
    return give_pass(_see_other(target), Pass(form.public_id, language if language in LANGUAGES else page_language()))


@dataclass(frozen=True)
class CheckedAnswer:
    """One line of the check page."""

    wording: Wording
    score: int | None
    is_skipped: bool
    change_url: str


def _row(form: Form, number: int, item: Item) -> CheckedAnswer:
    saved = form.answers.get(item.code)
    return CheckedAnswer(
        wording=item.words[page_language()],
        score=saved.score if saved else None,
        is_skipped=saved is not None and saved.is_skipped,
        change_url=url_for("form.question", public_id=form.public_id, number=number, back="check"),
    )


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
        return url_for("form.check", public_id=form.public_id)
    if number == 1:
        return url_for("form.start", public_id=form.public_id)
    return url_for("form.question", public_id=form.public_id, number=number - 1)


def _problem(item: Item, typed: TypedAnswer) -> str:
    if typed.typed.strip():
        return translated("Enter a whole number from 0 to 100")
    name = item.words[page_language()].name
    return translated("Mark the line for %(item)s, or choose “Skip this question”", item=name)


def _item(number: int) -> Item:
    items = state().study.items
    if not 1 <= number <= len(items):
        raise Unknown("no such question")
    return items[number - 1]


def _after(public_id: str, number: int) -> Response:
    if number == len(state().study.items) or request.args.get("back") == "check":
        return _to("form.check", public_id)
    return _to("form.question", public_id, number=number + 1)


def _first_open(form: Form) -> int | None:
    """The number of the first question without an answer."""
    numbered = enumerate(state().study.items, start=1)
    return next((number for number, item in numbered if item.code not in form.answers), None)


def _recording(form: Form) -> dict[str, Any]:
    by = patient_link(form.public_id)
    return {"study": state().study, "today": today(g.site), "by": by, "now": now()}


def _next_on(form: Form) -> date | None:
    """About when the patient hears from the hospital again."""
    current, following = state().study.timepoint(form.timepoint), state().study.next_timepoint(form.timepoint)
    if current is None or following is None:
        return None
    return add_months(form.window.due_on, following.months - current.months)


def _to(endpoint: str, public_id: str, **values: Any) -> Response:
    return _see_other(url_for(endpoint, public_id=public_id, **values))


def _see_other(target: str) -> Response:
    return redirect(target, code=303, Response=Response)  # type: ignore[return-value]
