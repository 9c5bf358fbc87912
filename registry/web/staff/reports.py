"""The cohort report on a page, and its figures."""

from typing import Any

from flask import Blueprint, Response, render_template, request

from registry.domain.errors import InvalidInput
from registry.figures.drawing import Drawing
from registry.journal_styles import Style
from registry.services.reports.cohort import (
    CohortDefinition,
    CohortResult,
    check_definition,
    cohort_report,
)
from registry.services.reports.cohort_words import words_of
from registry.services.reports.paper_words import paper_words
from registry.storage.cohorts import CohortQuery
from registry.storage.database import Session
from registry.web.staff.access import require_staff, site, staff
from registry.web.staff.report_figures import LANGUAGE_NAMES, check_wanted, drawing, drawings, file_of, shown
from registry.web.state import now, state, today

blueprint = Blueprint("reports", __name__, url_prefix="/reports")
blueprint.before_request(require_staff)

_STYLES = {Style.AMA: "AMA", Style.APA: "APA", Style.NEJM: "NEJM", Style.LANCET: "The Lancet"}


@blueprint.get("/cohort")
def cohort() -> str | tuple[str, int]:
    """Compare the groups on one item at one timepoint."""
    asked = _asked()
    try:
        result, figures = _result(_definition(asked))
    except InvalidInput as error:
        return _page(asked, problems=error.problems, words=None), 422
    words = words_of(result, state().study)
    return _page(asked, problems={}, words=words, figures=[shown(figure, asked) for figure in figures])


def _page(asked: dict[str, Any], **values: Any) -> str:
    """The report under the choices that define it."""
    study = state().study
    least = study.entry_rule.at_least
    return render_template(
        "reports/cohort.html",
        asked=asked,
        item_options=[(item.code, item.words["en"].name.capitalize()) for item in study.items],
        timepoint_options=[(found.code, f"{found.months} months") for found in study.follow_ups],
        grouping_options=[(found.code, found.code.replace("_", " ").capitalize()) for found in study.groupings],
        entry_options=[(str(least), f"{least} or more before"), ("none", "Everyone")],
        **values,
    )


@blueprint.get("/cohort/paper")
def paper() -> str | tuple[str, int]:
    """What a paper says of the report: the result in each journal's style, and the methods, in both languages."""
    asked, study = _asked(), state().study
    try:
        definition = _definition(asked)
    except InvalidInput as error:
        return _page(asked, problems=error.problems, words=None), 422
    query = CohortQuery(definition.item, definition.grouping, today(site()), staff().site_id)
    with state().database.snapshot() as session:
        result = _numbers(session, definition)
        texts = paper_words(session, result=result, study=study, sites=[site()], query=query, zone=site().zone)
    return render_template("reports/paper.html", asked=asked, texts=texts, styles=_STYLES, languages=LANGUAGE_NAMES)


@blueprint.get("/cohort/fig/<name>.<extension>")
def figure(name: str, extension: str) -> Response | tuple[str, int]:
    """A figure of the report as a file."""
    try:
        definition, wanted = _definition(_asked()), check_wanted(name, extension, request.args)
        with state().database.snapshot() as session:
            found = drawing(session, wanted, definition)
    except InvalidInput as error:
        reasons = list(error.problems.values())
        return render_template("errors/plain.html", title="There is no such figure", reasons=reasons), 422
    return file_of(found, wanted, definition)


def _asked() -> dict[str, Any]:
    """What the address asks for, with the protocol's usual cohort where it says nothing."""
    study = state().study
    usual = {
        "item": study.entry_rule.item,
        "timepoint": "M12" if study.timepoint("M12") else study.follow_ups[-1].code,
        "grouping": study.groupings[0].code,
        "entry": str(study.entry_rule.at_least),
    }
    return {name: request.args.get(name, value) for name, value in usual.items()}


def _definition(asked: dict[str, Any]) -> CohortDefinition:
    return check_definition(state().study, **asked)


def _result(definition: CohortDefinition) -> tuple[CohortResult, list[Drawing]]:
    """The numbers, and the figures of the same moment."""
    with state().database.snapshot() as session:
        return _numbers(session, definition), drawings(session, definition)


def _numbers(session: Session, definition: CohortDefinition) -> CohortResult:
    return cohort_report(
        session,
        definition=definition,
        study=state().study,
        today=today(site()),
        now=now(),
        is_demo=state().settings.demo.enabled,
        site_id=staff().site_id,
    )
