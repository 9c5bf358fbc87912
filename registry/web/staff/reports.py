"""The cohort report on a page, and its figure."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from registry.domain.errors import InvalidInput
from registry.figures.trajectory import Series, trajectory
from registry.figures.trajectory_labels import ENGLISH
from registry.services.reports.cohort import (
    CohortDefinition,
    CohortResult,
    check_definition,
    cohort_course,
    cohort_report,
)
from registry.services.reports.cohort_words import words_of
from registry.web.staff.access import require_staff, site, staff
from registry.web.state import now, state, today

blueprint = Blueprint("reports", __name__, url_prefix="/reports")
blueprint.before_request(require_staff)


@blueprint.get("/cohort")
def cohort() -> str | tuple[str, int]:
    """Compare the groups on one item at one timepoint."""
    asked = _asked()
    try:
        result = _result(_definition(asked))
    except InvalidInput as error:
        return _page(asked, problems=error.problems, words=None), 422
    figure_url = url_for("reports.figure", **asked)
    return _page(asked, problems={}, words=words_of(result, state().study), figure_url=figure_url)


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


@blueprint.get("/cohort/trajectory.svg")
def figure() -> Response:
    """The course of the mean scores as a picture."""
    study, definition = state().study, _definition(_asked())
    with state().database.reading() as session:
        course = cohort_course(
            session, definition=definition, study=study, today=today(site()), site_id=staff().site_id
        )
    grouping = next(found for found in study.groupings if found.code == definition.grouping)
    wording = next(item for item in study.items if item.code == definition.item).words["en"]
    labels = replace(
        ENGLISH, item=wording.name.capitalize(), lowest=wording.lowest.lower(), highest=wording.highest.lower()
    )
    series = [
        Series(group=group, label=grouping.label(group, "en"), points=tuple(points)) for group, points in course.items()
    ]
    picture = trajectory(series, labels=labels, is_demonstration=state().settings.demo.enabled)
    response = Response(picture, mimetype="image/svg+xml")
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return response


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


def _result(definition: CohortDefinition) -> CohortResult:
    with state().database.reading() as session:
        return cohort_report(
            session,
            definition=definition,
            study=state().study,
            today=today(site()),
            now=now(),
            is_demo=state().settings.demo.enabled,
            site_id=staff().site_id,
        )
