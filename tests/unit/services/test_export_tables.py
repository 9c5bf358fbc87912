"""How cells are written: texts that are never computed, numbers that stay numbers, the same bytes twice."""

import csv
import re
from io import BytesIO, StringIO
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

from registry.services.exports.cells import Cell, RenderedCells
from registry.services.exports.csv_files import CsvTable
from registry.services.exports.rows import code_of
from registry.services.exports.xlsx import Sheet, SheetWriter, write_workbook

XML = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
COMPUTED = [
    '=HYPERLINK("http://evil.example","x")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "-5",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
]
PLAIN = ["laminoplasty", "a=b", "M12", "痛み", "C3-C6", "'quoted'", 'a "b", c', "two\r\nlines", " =1+1", "1e5", "0012"]


def as_csv(*rows: list[Cell]) -> bytes:
    file = BytesIO()
    table = CsvTable(file, ("first", "second"))
    for row in rows:
        table.write(row)
    table.finish()
    assert table.n_rows == len(rows)
    return file.getvalue()


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), strict=True))[1:]


def as_xlsx(folder: Path, *rows: list[Cell]) -> bytes:
    with (folder / "sheet").open("wb") as file:
        sheet = SheetWriter(file, ("first", "second"))
        for row in rows:
            sheet.write(row)
        sheet.finish()
    book = BytesIO()
    write_workbook(book, [Sheet("wide & long", folder / "sheet")])
    return book.getvalue()


def read_xlsx(content: bytes) -> list[list[Cell]]:
    """A second reading of a sheet: what a spreadsheet would show, text as text and number as number."""
    with ZipFile(BytesIO(content)) as book:
        tree = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    return [[_read(cell) for cell in row] for row in tree.iter(f"{XML}row")][1:]


def _read(cell: ElementTree.Element) -> Cell:
    if cell.get("t") == "inlineStr":
        written = cell.find(f"{XML}is/{XML}t")
        assert written is not None
        return re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found.group(1), 16)), written.text or "")
    value = cell.find(f"{XML}v")
    return None if value is None else int(value.text or "")


@pytest.mark.parametrize("text", COMPUTED)
def test_a_text_that_a_spreadsheet_would_compute_begins_with_an_apostrophe(text: str) -> None:
    assert read_csv(as_csv([text, 1])) == [["'" + text, "1"]]


@pytest.mark.parametrize("text", PLAIN)
def test_any_other_text_is_written_as_it_is(text: str) -> None:
    assert read_csv(as_csv([text, 1])) == [[text, "1"]]


@pytest.mark.parametrize("number", [-16, -1, 0, 100])
def test_a_number_stays_a_number_with_its_sign(number: int) -> None:
    assert as_csv([number, "x"]).endswith(f"\r\n{number},x\r\n".encode())


def test_a_missing_cell_is_empty_and_a_zero_is_not() -> None:
    assert as_csv([None, 0]).endswith(b"\r\n,0\r\n")


def test_csv_is_utf_8_with_a_mark_and_ends_its_lines_as_the_standard_has_it() -> None:
    assert as_csv(["痛み, 強", 1]) == b"\xef\xbb\xbf" + 'first,second\r\n"痛み, 強",1\r\n'.encode()


@pytest.mark.parametrize("text", [*COMPUTED, *PLAIN])
def test_a_text_is_a_text_in_a_workbook(tmp_path: Path, text: str) -> None:
    content = as_xlsx(tmp_path, [text, -16])

    with ZipFile(BytesIO(content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert read_xlsx(content) == [[text, -16]]
    assert ("<f>" in sheet, "<c><v>-16</v></c>" in sheet) == (False, True)


@pytest.mark.parametrize("text", ["a\x0bb", "a\x00b", "_x0041_", "a\ufffeb", "<b>&amp;", " edges ", "a\rb", "a\tb"])
def test_what_xml_cannot_write_comes_back_from_a_workbook(tmp_path: Path, text: str) -> None:
    assert read_xlsx(as_xlsx(tmp_path, [text, None])) == [[text, None]]


def test_a_text_of_a_workbook_is_not_computed_when_it_is_edited(tmp_path: Path) -> None:
    with ZipFile(BytesIO(as_xlsx(tmp_path, ["=1+1", 2]))) as book:
        styles, sheet = book.read("xl/styles.xml").decode(), book.read("xl/worksheets/sheet1.xml").decode()

    style = re.findall(r'<xf [^>]*xfId="0"[^>]*>', styles)[1]
    assert ('quotePrefix="1"' in style, '<c t="inlineStr" s="1">' in sheet) == (True, True)


def test_a_workbook_holds_what_its_parts_name(tmp_path: Path) -> None:
    with ZipFile(BytesIO(as_xlsx(tmp_path, ["x", 1]))) as book:
        names = set(book.namelist())
        trees = {name: ElementTree.fromstring(book.read(name)) for name in names}

    named = {part.get("PartName", "").removeprefix("/") for part in trees["[Content_Types].xml"]} - {""}
    linked = {f"xl/{link.get('Target')}" for link in trees["xl/_rels/workbook.xml.rels"]}
    assert (
        named
        == linked | {"xl/workbook.xml"}
        == names - {"[Content_Types].xml", "_rels/.rels", "xl/_rels/workbook.xml.rels"}
    )
    tab = trees["xl/workbook.xml"].find(f"{XML}sheets/{XML}sheet")
    assert tab is not None
    assert tab.get("name") == "wide & long"


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows: list[list[Cell]] = [["痛み", -1], [None, 0]]

    assert as_csv(*rows) == as_csv(*rows)
    assert as_xlsx(tmp_path, *rows) == as_xlsx(tmp_path, *rows)


def test_cells_that_were_written_are_not_kept_for_ever() -> None:
    cells = RenderedCells(str)

    written = [cells[number] for number in range(100_000)]

    assert written == [str(number) for number in range(100_000)]
    assert len(cells) <= 4096


def test_a_code_belongs_to_a_patient_and_a_key() -> None:
    codes = {code_of(key, patient) for key in (b"a" * 32, b"b" * 32) for patient in ("one", "two")}

    assert len(codes) == 4
    assert code_of(b"a" * 32, "one") == code_of(b"a" * 32, "one")
    assert all(re.fullmatch("P[A-Z2-7]{12}", code) for code in codes)
