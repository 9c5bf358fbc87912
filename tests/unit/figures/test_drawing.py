"""What holds of every figure: each format in both languages, in colour and in grey, the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from xml.etree import ElementTree

import pdfplumber
import pytest
from pdfminer.pdftypes import resolve1
from PIL import Image

from registry.figures.drawing import Drawing
from registry.figures.style import DOUBLE_COLUMN_MM, MM_PER_POINT, SINGLE_COLUMN_MM
from tests.unit.figures.cohorts import NAMES, drawn
from tests.unit.figures.reading import SVG, assert_words_are_apart, pdf_words, read, table, words

ROOT = Path(__file__).parents[3]
LANGUAGES = ("en", "ja")

every_figure = pytest.mark.parametrize("name", NAMES)
every_language = pytest.mark.parametrize("language", LANGUAGES)


def drawing(rows: tuple[tuple[str | float | None, ...], ...]) -> Drawing:
    return Drawing(
        name="plain",
        language="en",
        title="Title",
        description="Description",
        caption="Caption",
        width=84,
        height=20,
        columns=("a", "b"),
        rows=rows,
        draw=lambda sheet: sheet.word(2, 10, "word"),
    )


# What every format holds


@every_figure
@every_language
def test_words_are_apart_and_on_the_sheet(name: str, language: str) -> None:
    assert_words_are_apart(read(drawn(name, language)))


@every_figure
@every_language
def test_figure_is_as_wide_as_one_column_or_two(name: str, language: str) -> None:
    figure = read(drawn(name, language))

    width = float(figure.attrib["width"].removesuffix("pt")) * MM_PER_POINT
    assert min(abs(width - column) for column in (SINGLE_COLUMN_MM, DOUBLE_COLUMN_MM)) < 0.01


@every_figure
@every_language
def test_no_word_is_smaller_than_seven_points(name: str, language: str) -> None:
    assert min(word.size for word in words(read(drawn(name, language)))) >= 7


@every_figure
@every_language
def test_words_of_an_svg_are_text_and_none_is_drawn(name: str, language: str) -> None:
    figure = read(drawn(name, language))

    outlines = [element.attrib["id"] for element in figure.iter() if "DejaVu" in element.attrib.get("id", "")]
    assert len(words(figure)) > 10
    assert not any(re.fullmatch(r"word\d+", word.text) for word in words(figure))
    assert outlines == []


@every_figure
@every_language
def test_words_of_a_pdf_are_those_of_the_svg_with_their_fonts_inside(name: str, language: str) -> None:
    found = drawn(name, language)
    pdf = pdf_of(name, language)
    said = pdf_words(pdf)

    assert [word.text for word in words(read(found)) if word.text.replace(" ", "") not in said] == []
    assert fonts(pdf) == {("CIDFontType2", True)}


@cache
def pdf_of(name: str, language: str) -> bytes:
    return drawn(name, language).pdf()


def fonts(pdf: bytes) -> set[tuple[str, bool]]:
    """What kind the fonts of the page are, and whether their files are inside: TrueType is what Type 42 holds."""
    found = set()
    with pdfplumber.open(BytesIO(pdf)) as opened:
        for font in resolve1(opened.pages[0].page_obj.resources["Font"]).values():
            inner = resolve1(resolve1(resolve1(font)["DescendantFonts"])[0])
            found.add((inner["Subtype"].name, "FontFile2" in resolve1(inner["FontDescriptor"])))
    return found


@every_figure
@every_language
def test_letters_of_a_pdf_neither_cover_each_other_nor_leave_the_page(name: str, language: str) -> None:
    with pdfplumber.open(BytesIO(pdf_of(name, language))) as opened:
        page = opened.pages[0]
        letters = [char for char in page.chars if char["text"].strip()]
        outside = [c["text"] for c in letters if c["x0"] < 0 or c["x1"] > page.width or not 0 < c["top"] < page.height]

    letters.sort(key=lambda letter: letter["x0"])
    covered = [
        (a["text"], b["text"])
        for place, a in enumerate(letters)
        for b in takewhile(lambda other, end=a["x1"]: other["x0"] < end, letters[place + 1 :])
        if _cover(a, b)
    ]
    assert (covered, outside) == ([], [])


def _cover(a: dict[str, float], b: dict[str, float]) -> bool:
    """Whether two letters share a third of the narrower one's width and of a line's height."""
    across = min(a["x1"], b["x1"]) - max(a["x0"], b["x0"])
    up = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
    return across > 0.34 * min(a["x1"] - a["x0"], b["x1"] - b["x0"]) and up > 0.34 * a["size"]


@pytest.mark.parametrize(("name", "dpi"), [*((name, 300) for name in NAMES), ("raincloud", 600)])
def test_png_has_its_points_an_inch_and_is_not_transparent(name: str, dpi: int) -> None:
    found = drawn(name)

    coloured, grey = (Image.open(BytesIO(found.png(dpi=dpi, is_grey=is_grey))) for is_grey in (False, True))

    size = (found.width / 25.4 * dpi, found.height / 25.4 * dpi)
    assert coloured.size == pytest.approx(size, abs=1)
    assert coloured.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)
    assert (coloured.mode, grey.mode) == ("RGB", "L")


@every_figure
@every_language
def test_every_format_says_what_the_figure_shows_to_those_who_do_not_see_it(name: str, language: str) -> None:
    found = drawn(name, language)

    png = Image.open(BytesIO(found.png(dpi=100)))
    with pdfplumber.open(BytesIO(pdf_of(name, language))) as pdf:
        about = pdf.metadata
    figure = read(found)
    assert figure.attrib["lang"] == language
    assert (png.info["Title"], png.info["Description"]) == (found.title, found.description)
    assert (about["Title"], about["Subject"]) == (found.title, found.description)
    assert [figure[place].text for place in (0, 1)] == [found.title, found.description]


@every_figure
def test_japanese_figure_has_no_english_sentence(name: str) -> None:
    found = drawn(name, "ja", is_demonstration=False)

    said = [found.title, found.description, found.caption, *(word.text for word in words(read(found)))]
    assert [text for text in said if re.search(r"[a-z]{3}", text.replace("Wilson", ""))] == []


@every_figure
@every_language
def test_demonstration_is_marked_and_the_real_figure_is_not(name: str, language: str) -> None:
    marked, real = (drawn(name, language, is_demonstration=demo).svg().decode() for demo in (True, False))

    assert ("DEMO" in marked, "DEMO" in real) == (True, False)


# Grey


@every_figure
def test_grey_figure_has_no_colour_and_the_coloured_one_has(name: str) -> None:
    found = drawn(name)

    assert colours(found, is_grey=False) - greys(colours(found, is_grey=False))
    assert colours(found, is_grey=True) == greys(colours(found, is_grey=True))


def colours(found: Drawing, *, is_grey: bool) -> set[str]:
    return set(re.findall(r"#[0-9a-f]{6}\b", found.svg(is_grey=is_grey).decode()))


def greys(found: set[str]) -> set[str]:
    return {colour for colour in found if colour[1:3] == colour[3:5] == colour[5:7]}


@every_figure
@pytest.mark.parametrize("is_grey", [False, True])
def test_words_can_be_read_on_white(name: str, is_grey: bool) -> None:
    figure = read(drawn(name), is_grey=is_grey)

    fills = {re.search(r"fill: (#\w{6})", element.attrib["style"]) for element in figure.iter(f"{SVG}text")}
    inks = {found[1] for found in fills if found}
    assert inks
    assert {ink: contrast_with_white(ink) for ink in inks if contrast_with_white(ink) < 4.5} == {}


def contrast_with_white(colour: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


# Tables


@every_figure
def test_tables_of_both_languages_hold_the_same_numbers(name: str) -> None:
    english, japanese = ([_without_label(row) for row in table(drawn(name, language))] for language in LANGUAGES)

    assert len(english) > 5
    assert english == japanese


def _without_label(row: dict[str, str]) -> dict[str, str]:
    return {column: value for column, value in row.items() if column != "label"}


def test_name_that_a_spreadsheet_would_run_is_written_as_text() -> None:
    rows = table(drawing((("=1+1", -2.5), ("@sum", None), ("-A", 3))))

    assert [row["a"] for row in rows] == ["'=1+1", "'@sum", "'-A"]
    assert [row["b"] for row in rows] == ["-2.5", "", "3"]


def test_table_begins_with_the_mark_by_which_spreadsheets_know_japanese() -> None:
    assert drawing((("腰痛", 1),)).csv() == b"\xef\xbb\xbfa,b\r\n" + "腰痛,1\r\n".encode()


# The same bytes


def test_same_results_give_the_same_bytes_in_every_process() -> None:
    elsewhere = in_another_process("1" if os.environ.get("PYTHONHASHSEED") != "1" else "2")

    assert len(elsewhere) == len(NAMES) * 5
    assert elsewhere == digests()


def digests() -> dict[str, str]:
    """What the files of every figure come to."""
    return {f"{name} {form}": hashlib.sha256(file).hexdigest() for name in NAMES for form, file in files(name).items()}


def files(name: str) -> dict[str, bytes]:
    japanese, english = drawn(name, "ja"), drawn(name, "en")
    return {
        "csv": japanese.csv(),
        "svg": japanese.svg(),
        "pdf": japanese.pdf(),
        "png": japanese.png(dpi=100),
        "grey pdf": english.pdf(is_grey=True),
    }


def in_another_process(hash_seed: str) -> dict[str, str]:
    script = "import json\nfrom tests.unit.figures.test_drawing import digests\nprint(json.dumps(digests()))"
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment)
    found: dict[str, str] = json.loads(run.stdout)
    return found


@every_figure
def test_bytes_hold_no_date_and_no_version(name: str) -> None:
    found = drawn(name)

    assert "dc:date" not in found.svg().decode()
    with pdfplumber.open(BytesIO(pdf_of(name, "en"))) as pdf:
        assert set(pdf.metadata) == {"Title", "Subject"}
    assert set(Image.open(BytesIO(found.png(dpi=100))).info) == {"Title", "Description", "dpi"}


def test_numbers_and_words_of_every_figure_load_no_library_that_draws() -> None:
    script = (
        "import json, sys\nfrom tests.unit.figures.cohorts import NAMES, drawn\n"
        "said = [(drawn(name, language).description, drawn(name, language).csv()) for name in NAMES for language in"
        " ('en', 'ja')]\nprint(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, cwd=ROOT)
    loaded = set(json.loads(run.stdout))

    assert "registry.figures.waterfall" in loaded
    assert not {"matplotlib", "PIL"} & loaded


def test_drawing_loads_no_pyplot_and_leaves_the_settings_of_the_process_alone() -> None:
    script = (
        "import json, sys\nimport matplotlib as mpl\nbefore = dict(dict.items(mpl.rcParams))\n"
        "from tests.unit.figures.cohorts import drawn\nfound = drawn('raincloud', 'ja')\n"
        "found.svg(), found.pdf(), found.png(dpi=100)\n"
        "print(json.dumps([sorted(sys.modules), before == dict(dict.items(mpl.rcParams))]))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, cwd=ROOT)
    loaded, is_unchanged = json.loads(run.stdout)

    assert "matplotlib.figure" in loaded
    assert not {"matplotlib.pyplot", "matplotlib_fontja"} & set(loaded)
    assert is_unchanged


def test_words_of_the_protocol_are_no_formula_and_break_no_picture() -> None:
    words_of_protocol = "$x^2$ < & 'word1'"
    found = drawing(())
    strange = Drawing(**{**vars(found), "draw": lambda sheet: sheet.word(2, 10, words_of_protocol)})

    assert words_of_protocol in {word.text for word in words(ElementTree.fromstring(strange.svg()))}
    assert words_of_protocol.replace(" ", "") in pdf_words(strange.pdf())
