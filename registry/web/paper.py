"""The form on paper as a reply: a PDF, or the same page for the browser to print where no PDF can be made."""

from datetime import date

from flask import Response, url_for

from registry.config import SiteSettings
from registry.figures.paper import PaperForm, PdfUnavailable, paper_html, paper_pdf
from registry.storage.enrolments import paper_label
from registry.web.state import state


def paper_response(*, follow_up_id: int, site: SiteSettings, language: str, closes_on: date | None) -> Response:
    """The paper form of a follow-up in a language."""
    with state().database.reading() as session:
        label = paper_label(session, follow_up_id=follow_up_id)
    form = PaperForm(
        instrument_version=state().study.instrument.version,
        items=state().study.items,
        language=language,
        hospital=site.name[language],
        phone=site.phone,
        phone_hours=site.phone_hours[language],
        address=site.address[language],
        study_id=label.study_id,
        timepoint=label.timepoint,
        closes_on=closes_on,
        is_demo=state().settings.demo.enabled,
    )
    try:
        return Response(paper_pdf(form), content_type="application/pdf")
    except PdfUnavailable:
        return Response(paper_html(form, stylesheet=url_for("static", filename="paper.css")), mimetype="text/html")
