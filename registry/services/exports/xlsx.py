"""Workbooks as XLSX, with the standard library alone: sheets of texts and whole numbers, written row by row.

The same rows give the same bytes. Texts are stored as texts and marked as such, so that no spreadsheet computes
them, neither when the file is opened nor when a cell is edited.
"""

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from registry.services.exports.cells import Cell, RenderedCells

MOST_ROWS = 1_048_576
"""What a sheet holds, its header included."""

# XML cannot write these, and a spreadsheet reads _x000B_ as the character of that number.
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_EPOCH = (1980, 1, 1, 0, 0, 0)

# Style 1 is a text as it stands, 2 a heading.
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" quotePrefix="1" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


class Sheet(NamedTuple):
    """A finished sheet: its name on the tab, and the file with its rows."""

    name: str
    file: Path


class SheetWriter:
    """A sheet that is written row by row; a cell of None is empty."""

    def __init__(self, file: IO[bytes], columns: Iterable[str]) -> None:
        self._file = file
        self._cells = RenderedCells(_cell)
        pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        view = f'<sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews>'
        self._write(f'{_DECLARATION}<worksheet xmlns="{_MAIN}">{view}<sheetData>')
        self._write(f"<row>{''.join(_text(name, style=2) for name in columns)}</row>")

    def write(self, row: Iterable[Cell]) -> None:
        """Add a row."""
        self._write(f"<row>{''.join(map(self._cells.__getitem__, row))}</row>")

    def finish(self) -> None:
        """Close the sheet; its file stays open."""
        self._write("</sheetData></worksheet>")
        self._file.flush()

    def _write(self, text: str) -> None:
        self._file.write(text.encode())


def write_workbook(file: IO[bytes], sheets: Sequence[Sheet]) -> None:
    """Put finished sheets into a workbook."""
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in _frame(sheets).items():
            archive.writestr(entry(name), _DECLARATION + content)
        for number, sheet in enumerate(sheets, start=1):
            with sheet.file.open("rb") as rows, archive.open(entry(f"xl/worksheets/sheet{number}.xml"), "w") as part:
                shutil.copyfileobj(rows, part)


def entry(name: str) -> ZipInfo:
    """A place in an archive without the time of day, so that the same content gives the same bytes."""
    made = ZipInfo(name, date_time=_EPOCH)
    made.compress_type = ZIP_DEFLATED
    made.external_attr = 0o600 << 16
    return made


def _cell(cell: Cell) -> str:
    if cell is None:
        return "<c/>"
    return _text(cell) if isinstance(cell, str) else f"<c><v>{cell:d}</v></c>"


def _text(text: str, style: int = 1) -> str:
    written = escape(_UNWRITABLE.sub(_as_number, text))
    return f'<c t="inlineStr" s="{style}"><is><t xml:space="preserve">{written}</t></is></c>'


def _as_number(found: re.Match[str]) -> str:
    return f"_x{ord(found.group()):04X}_"


def _frame(sheets: Sequence[Sheet]) -> dict[str, str]:
    """The parts of a workbook around its sheets."""
    numbered = list(enumerate(sheets, start=1))
    styles = len(sheets) + 1
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n, _ in numbered
    )
    tabs = "".join(f'<sheet name={quoteattr(sheet.name)} sheetId="{n}" r:id="rId{n}"/>' for n, sheet in numbered)
    links = "".join(_link(n, "worksheet", f"worksheets/sheet{n}.xml") for n, _ in numbered)
    return {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{parts}</Types>',
        "_rels/.rels": _links(_link(1, "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{tabs}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _links(links + _link(styles, "styles", "styles.xml")),
        "xl/styles.xml": _STYLES,
    }


def _links(links: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _link(number: int, kind: str, target: str) -> str:
    return f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
