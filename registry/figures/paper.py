"""The paper twin of the form: the same words, each line exactly 100 mm long, as HTML and as PDF."""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import ceil

import segno

from registry.domain.instruments import Item
from registry.figures.pdf import PdfFailed as PdfFailed
from registry.figures.pdf import PdfUnavailable as PdfUnavailable
from registry.figures.pdf import pdf_of
from registry.languages import long_day
from registry.templating import environment

# Three leave a hand its room, and the words before the first and after the last item theirs.
MOST_ITEMS_A_SHEET = 3

SHIPPED_STYLESHEET = "shipped:/paper.css"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperForm:
    """What a form on paper says: of the patient it knows the study ID and nothing else."""

    instrument_version: str
    items: tuple[Item, ...]
    language: str
    hospital: str
    phone: str
    phone_hours: str
    address: str
    study_id: str
    timepoint: str
    closes_on: date | None
    is_demo: bool


def paper_html(form: PaperForm, *, stylesheet: str) -> str:
    """The form as a page to print, its stylesheet at this address."""
    template = environment(form.language).get_template("paper/form.html")
    return template.render(
        form=form,
        sheets=_sheets(form.items),
        closing_day=long_day(form.closes_on, form.language) if form.closes_on else None,
        qr_code=_qr_code(qr_text(form)),
        stylesheet=stylesheet,
    )


def paper_pdf(form: PaperForm) -> bytes:
    """The form as a PDF on A4, the same bytes for the same form; a second asking costs nothing."""
    return pdf_of(paper_html(form, stylesheet=SHIPPED_STYLESHEET))


def qr_text(form: PaperForm) -> str:
    """What the code on each page says to a scanner."""
    return f"{form.study_id} {form.timepoint}"


def _sheets(items: tuple[Item, ...]) -> list[list[tuple[int, Item]]]:
    """The items with their numbers from 1, spread evenly over two sheets, or over as many as they need."""
    n_sheets = min(len(items), max(2, ceil(len(items) / MOST_ITEMS_A_SHEET)))
    numbered = list(enumerate(items, start=1))
    ends = [ceil(len(items) * place / n_sheets) for place in range(n_sheets + 1)]
    return [numbered[start:end] for start, end in pairwise(ends)]


def _qr_code(text: str) -> str:
    code = segno.make_qr(text, error="m", boost_error=False)
    # The paper around it is its quiet zone.
    return code.svg_inline(border=0, title=text, omitsize=True, svgclass="qr", lineclass=None)
