"""Rows out on a page: what an export would hold is said first, then it is one file to keep."""

from flask import Blueprint, Response, render_template, send_file
from wtforms import BooleanField, RadioField, SelectMultipleField
from wtforms.fields import SelectChoice

from registry.services.exports import Asked, ExportChoices, Format, Shape, export_archive
from registry.web.forms import StaffForm
from registry.web.staff.access import by, require_staff, site, staff
from registry.web.staff.saving import Page
from registry.web.state import now, state, today

blueprint = Blueprint("exports", __name__, url_prefix="/export")
blueprint.before_request(require_staff)

_SHAPES = [
    SelectChoice(Shape.BOTH.value, "Both"),
    SelectChoice(Shape.LONG.value, "Long: a row for each operation, timepoint and item"),
    SelectChoice(Shape.WIDE.value, "Wide: a row for each operation"),
]
_FORMATS = [
    SelectChoice(Format.CSV.value, "CSV, which Excel opens as well"),
    SelectChoice(Format.XLSX.value, "Excel (XLSX)"),
    SelectChoice(Format.SPSS.value, "SPSS: CSV and a syntax file"),
    SelectChoice(Format.STATA.value, "Stata: CSV and a do-file"),
    SelectChoice(Format.R.value, "R: CSV and a script"),
]


class ExportForm(StaffForm):
    """What an export is to hold."""

    shape = RadioField("Tables", choices=_SHAPES, default=Shape.BOTH.value)
    formats = SelectMultipleField("For which program", choices=_FORMATS, default=[Format.CSV.value])
    with_dates = BooleanField("Calendar dates beside the days from the operation")
    with_study_ids = BooleanField("Study IDs beside the codes")
    with_texts = BooleanField("Procedures in free words")


@blueprint.get("")
def shown() -> str:
    """Say what an export holds, and ask for which program."""
    return _page(ExportForm())


@blueprint.post("")
def made() -> Page | Response:
    """Make the export, and write down that it was made."""
    form = ExportForm()
    if not form.validate():
        return _page(form), 422
    if not form.formats.data:
        form.refuse({"formats": "Choose at least one program"})
        return _page(form), 422
    archive = export_archive(state().database, asked=_asked(form), by=by())
    mark = "DEMO-" if state().settings.demo.enabled else ""
    name = f"registry-export-{mark}{staff().site_code}-{today(site())}.zip"
    response = send_file(archive, mimetype="application/zip", as_attachment=True, download_name=name)
    # Flask would let the browser keep it.
    response.headers["Cache-Control"] = "no-store"
    return response


def _asked(form: ExportForm) -> Asked:
    choices = ExportChoices(
        shape=Shape(form.shape.data),
        formats=frozenset(map(Format, form.formats.data)),
        with_dates=form.with_dates.data,
        with_study_ids=form.with_study_ids.data,
        with_texts=form.with_texts.data,
    )
    return Asked(
        settings=state().settings,
        keys=state().keys,
        choices=choices,
        site=staff().site_code,
        site_id=staff().site_id,
        today=today(site()),
        now=now(),
    )


def _page(form: ExportForm) -> str:
    return render_template("exports/export.html", form=form, hospital=site().name["en"])
