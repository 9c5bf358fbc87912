"""The form on paper, measured in the PDF itself: lengths in millimetres, words, code, and what must not be there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pdfplumber
import pytest
import zxingcpp
from pdfplumber.page import Page
from pdfplumber.pdf import PDF

from registry.domain.instruments import VAS6
from registry.figures.paper import PaperForm, paper_html, paper_pdf
from registry.figures.pdf import PdfUnavailable, pdf_of
from registry.figures.style import MM_PER_POINT
from tests.parts import missing

ROOT = Path(__file__).parents[3]
LINE = '<svg width="{0}mm" height="8mm" viewBox="0 0 {0} 8"><rect y="3.75" width="{0}" height="{1}"/></svg>'

ENGLISH = PaperForm(
    instrument_version=VAS6.version,
    items=VAS6.items,
    language="en",
    hospital="Demo Hospital",
    phone="06-0000-0000",
    phone_hours="weekdays 9:00-16:00",
    address="1-1 Example, Osaka",
    study_id="DEMO-0012",
    timepoint="M12",
    closes_on=date(2026, 12, 18),
    is_demo=True,
)
JAPANESE = replace(
    ENGLISH,
    language="ja",
    hospital="見本病院",
    phone_hours="平日9時〜16時",
    address="〒000-0000　大阪市見本区1-1",
)
LONG_WINDED = replace(
    JAPANESE,
    hospital="地方独立行政法人見本市立総合医療センター附属病院 整形外科",
    phone="06-0000-0000（内線 1234）",
    phone_hours="祝日を除く月曜から金曜の9時〜12時、13時〜16時",
    address="〒000-0000　大阪府大阪市見本区見本町一丁目1番1号 見本ビルディング南館12階",
    study_id="W" * 40,
    timepoint="before",
)
BOTH = pytest.mark.parametrize("form", [ENGLISH, JAPANESE], ids=["en", "ja"])

Rectangle = dict[str, Any]


@pytest.fixture(autouse=True, scope="module")
def _pango() -> None:
    try:
        paper_pdf(ENGLISH)
    except PdfUnavailable as reason:
        missing(str(reason))


def pages(form: PaperForm) -> list[Page]:
    return opened(paper_pdf(form)).pages


@cache
def opened(pdf: bytes) -> PDF:
    return pdfplumber.open(BytesIO(pdf))


def drawn_lines(sheets: Sequence[Page], *, length: float, width: float) -> list[list[Rectangle]]:
    """The horizontal lines of this length and width in millimetres, page by page."""
    return [
        [each for each in sheet.rects if _is(each["width"], length) and _is(each["height"], width)] for sheet in sheets
    ]


def _is(points: float, millimetres: float) -> bool:
    return abs(points * MM_PER_POINT - millimetres) <= 0.02


def caps(sheet: Page, line: Rectangle, *, height: float) -> list[float]:
    """Where upright strokes of this height cross a line, in millimetres from its left end to their outer edge."""
    upright = [
        each
        for each in sheet.rects
        if _is(each["height"], height) and each["top"] < line["top"] and each["bottom"] > line["bottom"]
    ]
    inside = [each for each in upright if each["x0"] >= line["x0"] - 1 and each["x1"] <= line["x1"] + 1]
    middle = (line["x0"] + line["x1"]) / 2
    outer = [each["x0"] if each["x0"] < middle else each["x1"] for each in inside]
    return sorted(round((x - line["x0"]) * MM_PER_POINT, 2) for x in outer)


def text(sheets: Sequence[Page]) -> str:
    """The words without the breaks between lines, which differ between the languages."""
    return "".join("".join(char["text"] for char in sheet.chars) for sheet in sheets).replace(" ", "")


def footer_top(sheet: Page) -> float:
    """Where the foot of a page begins: at the upper end of its ruler's caps."""
    ruler = drawn_lines([sheet], length=50, width=0.3)[0][0]
    return float(ruler["top"]) - 2 / MM_PER_POINT


@BOTH
def test_six_lines_are_100_mm_long_and_half_a_millimetre_wide(form: PaperForm) -> None:
    found = drawn_lines(pages(form), length=100, width=0.5)

    assert [len(lines) for lines in found] == [3, 3]


def test_a_line_of_97_mm_or_of_one_millimetre_is_not_taken_for_one() -> None:
    def found(length: float, width: float) -> list[list[Rectangle]]:
        page = f"<!doctype html><html lang=en><title>Lines</title>{LINE.format(length, width)}"
        return drawn_lines(opened(pdf_of(page)).pages, length=100, width=0.5)

    assert len(found(100, 0.5)[0]) == 1
    assert found(97, 0.5) == [[]]
    assert found(100, 1) == [[]]


@BOTH
def test_each_line_has_a_cap_of_8_mm_at_each_end_and_nothing_else_on_it(form: PaperForm) -> None:
    for sheet in pages(form):
        for line in drawn_lines([sheet], length=100, width=0.5)[0]:
            assert caps(sheet, line, height=8) == [0, 100]
            near = sheet.crop((line["x0"] + 2, line["top"] - 16, line["x1"] - 2, line["bottom"] + 8))
            assert [each["text"] for each in near.chars if each["text"].strip()] == []
            assert [each for each in near.rects if each["width"] < 200] == []


@BOTH
def test_lines_are_at_least_25_mm_apart(form: PaperForm) -> None:
    for lines in drawn_lines(pages(form), length=100, width=0.5):
        tops = sorted(line["top"] for line in lines)
        assert min(lower - upper for upper, lower in pairwise(tops)) * MM_PER_POINT >= 25


@BOTH
def test_each_page_has_a_control_line_of_50_mm_with_its_label(form: PaperForm) -> None:
    for sheet in pages(form):
        (ruler,) = drawn_lines([sheet], length=50, width=0.3)[0]
        assert caps(sheet, ruler, height=4) == [0, 50]
        assert "50mm" in text([sheet])


@BOTH
def test_pages_are_a4(form: PaperForm) -> None:
    sizes = [(round(sheet.width * MM_PER_POINT, 1), round(sheet.height * MM_PER_POINT, 1)) for sheet in pages(form)]

    assert sizes == [(210.0, 297.0)] * 2


@BOTH
def test_words_are_those_of_the_screen_in_their_order(form: PaperForm) -> None:
    said, place = text(pages(form)), 0
    for item in form.items:
        wording = item.words[form.language]
        for words in (wording.question, wording.lowest, wording.highest):
            place = said.index(words.replace(" ", ""), place) + 1


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (ENGLISH, ["I did", "I answered and someone helped me enter it", "Someone answered for me"]),
        (JAPANESE, ["本人", "本人が答え、ほかの人が入力を手伝った", "ほかの人が本人に代わって答えた"]),
        (
            ENGLISH,
            ["Make one mark across the line", "by Friday 18 December 2026", "1-1 Example, Osaka", "06-0000-0000"],
        ),
        (
            JAPANESE,
            ["線を横切る印を1本つけてください", "2026年12月18日（金）までに", "大阪市見本区1-1", "06-0000-0000"],
        ),
    ],
)
def test_form_says_how_who_and_where_to(form: PaperForm, words: list[str]) -> None:
    said = text(pages(form))

    assert [each for each in words if each.replace(" ", "") not in said] == []


@BOTH
def test_anchors_stand_under_the_ends_of_their_line(form: PaperForm) -> None:
    for sheet in pages(form):
        for line in drawn_lines([sheet], length=100, width=0.5)[0]:
            below = sheet.crop((0, line["bottom"] + 8, sheet.width, line["bottom"] + 40)).chars
            middle = (line["x0"] + line["x1"]) / 2
            for end, side in ((line["x0"], [c for c in below if c["x1"] < middle]), (line["x1"], below)):
                anchor = [c for c in side if end == line["x0"] or c["x0"] > middle]
                centre = (min(c["x0"] for c in anchor) + max(c["x1"] for c in anchor)) / 2
                assert centre == pytest.approx(end, abs=8)


@BOTH
def test_each_page_names_study_id_timepoint_instrument_and_its_place(form: PaperForm) -> None:
    place = "Page{}of2" if form.language == "en" else "2ページ中{}ページ目"
    for number, sheet in enumerate(pages(form), start=1):
        said = text([sheet])
        assert "DEMO-0012M12" in said
        assert VAS6.version in said
        assert place.format(number) in said


@BOTH
def test_code_on_each_page_reads_study_id_and_timepoint_and_nothing_else(form: PaperForm) -> None:
    for sheet in pages(form):
        read = zxingcpp.read_barcodes(sheet.to_image(resolution=150).original)
        assert [code.text for code in read] == ["DEMO-0012 M12"]


def test_form_has_no_place_for_a_name() -> None:
    known = {
        *("instrument_version", "items", "language", "hospital", "phone", "phone_hours", "address"),
        *("study_id", "timepoint", "closes_on", "is_demo"),
    }

    assert {field.name for field in fields(PaperForm)} == known


@BOTH
def test_text_is_14_points_at_least_and_10_in_the_foot(form: PaperForm) -> None:
    for sheet in pages(form):
        foot = footer_top(sheet)
        assert min(char["size"] for char in sheet.chars if char["bottom"] < foot) == pytest.approx(14, rel=0.001)
        assert min(char["size"] for char in sheet.chars) == pytest.approx(10, rel=0.001)


@BOTH
def test_the_one_font_is_inside_the_file(form: PaperForm) -> None:
    pdf = paper_pdf(form)

    assert {char["fontname"].partition("+")[2] for sheet in pages(form) for char in sheet.chars} == {"IPAexGothic"}
    assert _font_files(pdf) == 1


def _font_files(pdf: bytes) -> int:
    document = opened(pdf).doc
    objects = (document.getobj(number) for xref in document.xrefs for number in xref.get_objids())
    return sum("FontFile2" in each for each in objects if isinstance(each, dict))


@BOTH
def test_file_is_tagged_and_has_its_language_and_title(form: PaperForm) -> None:
    document = opened(paper_pdf(form))

    assert document.doc.catalog["MarkInfo"] == {"Marked": True}
    assert document.doc.catalog["Lang"] == form.language.encode()
    assert document.metadata["Title"] == f"{form.hospital} – DEMO-0012 M12"
    assert b'pdfuaid:part="1"' in document.doc.catalog["Metadata"].resolve().get_data()


def test_each_drawing_can_be_heard() -> None:
    heard = [node.get("alt_text") for node in _nodes(pages(ENGLISH)[0].structure_tree) if node["type"] == "Figure"]

    pain = "A line from “No pain at all” to “Worst pain imaginable”"
    numbness = "A line from “No numbness at all” to “Worst numbness imaginable”"
    assert heard == [pain, pain, numbness, "A control line of 50 mm", "DEMO-0012 M12"]


def _nodes(tree: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for node in tree for found in (node, *_nodes(node.get("children", [])))]


@BOTH
def test_demo_is_marked_on_each_page_and_only_there(form: PaperForm) -> None:
    banner = {"en": "DEMO—syntheticdata", "ja": "デモ—架空のデータです"}[form.language]

    assert all(banner in text([sheet]) for sheet in pages(form))
    assert banner not in text(pages(replace(form, is_demo=False)))


def test_without_a_last_day_none_is_named() -> None:
    said = text(pages(replace(ENGLISH, closes_on=None)))

    assert "Pleasepostorbringbackthisform.DemoHospital" in said


@pytest.mark.parametrize("n_items", range(1, 7))
@pytest.mark.parametrize("form", [ENGLISH, LONG_WINDED], ids=["en", "long"])
def test_everything_stays_on_its_page_and_above_the_foot(form: PaperForm, n_items: int) -> None:
    sheets = pages(replace(form, items=VAS6.items[:n_items]))

    found = drawn_lines(sheets, length=100, width=0.5)
    assert [len(lines) for lines in found] == {1: [1], 2: [1, 1], 3: [2, 1], 4: [2, 2], 5: [3, 2], 6: [3, 3]}[n_items]
    for sheet in sheets:
        foot = footer_top(sheet)
        assert [char["text"] for char in sheet.chars if char["top"] < foot < char["bottom"]] == []
        assert max(char["bottom"] for char in sheet.chars if char["size"] > 13) < foot
        assert max(each["bottom"] for each in (*sheet.chars, *sheet.rects)) < sheet.height - 20
        assert max(char["x1"] for char in sheet.chars) < sheet.width - 20


def test_same_form_gives_the_same_bytes_in_another_process() -> None:
    script = (
        "import sys; from tests.unit.figures.test_paper import JAPANESE; from registry.figures.paper import paper_pdf; "
        "sys.stdout.buffer.write(paper_pdf(JAPANESE))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=True)

    assert run.stdout == paper_pdf(JAPANESE)
    assert run.stdout != paper_pdf(replace(JAPANESE, study_id="DEMO-0013"))


def test_rendering_makes_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    paper_pdf(replace(ENGLISH, study_id="QUIET-1"))

    assert caplog.text == ""


def test_page_for_a_browser_names_its_stylesheet_and_holds_no_style_or_script() -> None:
    html = paper_html(ENGLISH, stylesheet="/static/paper.css")

    assert '<link rel="stylesheet" href="/static/paper.css">' in html
    assert "style=" not in html
    assert "<script" not in html


def test_what_a_form_holds_is_text_and_never_markup() -> None:
    html = paper_html(replace(ENGLISH, hospital="<b>&", study_id="A<B", address="</p>"), stylesheet="/paper.css")

    assert "&lt;b&gt;&amp;" in html
    assert "A&lt;B" in html
    assert "<b>" not in html
    assert "A<B" not in html


def test_making_paper_loads_no_heavy_library_into_this_process() -> None:
    script = (
        "import json, sys; from registry.domain.instruments import VAS6; from registry.figures.paper import *; "
        "paper_pdf(PaperForm(instrument_version='', items=VAS6.items, language='en', hospital='', phone='', "
        "phone_hours='', address='', study_id='A', timepoint='M3', closes_on=None, is_demo=False)); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}

    assert "segno" in loaded
    assert not {"weasyprint", "fontTools", "matplotlib", "matplotlib_fontja", "numpy", "scipy"} & loaded
