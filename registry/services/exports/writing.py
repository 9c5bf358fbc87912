"""The files of an export, written row by row: tables, dictionary, scripts and manifest."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from registry import __version__
from registry.config import Settings
from registry.security.keys import KeyRing
from registry.services.exports import dictionary
from registry.services.exports.cells import Cell
from registry.services.exports.choices import ExportChoices, Format, Shape
from registry.services.exports.csv_files import CsvTable
from registry.services.exports.folder import ExportRefused, new_file, sha256_of
from registry.services.exports.layout import Layout, layout_of
from registry.services.exports.manifest import FileFacts, Made, manifest_of
from registry.services.exports.rows import CODES, Source, Tally, exported_rows
from registry.services.exports.scripts_r import r_script
from registry.services.exports.scripts_spss import spss_script
from registry.services.exports.scripts_stata import stata_script
from registry.services.exports.variables import Variable
from registry.services.exports.xlsx import MOST_ROWS, Sheet, SheetWriter, write_workbook
from registry.storage.database import Database, Session
from registry.storage.exported_rows import left_out, n_performed

MANIFEST = "manifest.json"
WORKBOOK = "registry.xlsx"
DEMO = "DEMO.txt"
_SCRIPTS: dict[Format, tuple[str, Callable[[str, Sequence[Variable]], str]]] = {
    Format.SPSS: ("sps", spss_script),
    Format.STATA: ("do", stata_script),
    Format.R: ("R", r_script),
}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An export that somebody asked for."""

    settings: Settings
    keys: KeyRing
    choices: ExportChoices
    site: str | None
    site_id: int | None
    today: date
    now: datetime
    progress: Progress | None = None

    @property
    def layout(self) -> Layout:
        """The columns of the tables."""
        return layout_of(self.settings.protocol, self.settings.sites, self.choices)


class _Table(Protocol):
    """What takes rows: a CSV file or a sheet."""

    def write(self, row: Sequence[Cell], /) -> None: ...

    def finish(self) -> None: ...


@dataclass
class _Writing:
    """An export being written into a folder."""

    asked: Asked
    folder: Path
    layout: Layout
    n_rows: dict[str, int] = field(default_factory=dict)

    @property
    def tables(self) -> Sequence[Shape]:
        """The tables that were asked for."""
        return self.asked.choices.shape.tables

    def sheet(self, name: str) -> Path:
        """Where the rows of a sheet wait until all are there."""
        return self.folder / f".{name}.sheet"


def write_export(database: Database, asked: Asked, folder: Path) -> Made:
    """Write every file of an export into an empty folder, as of one moment of the registry."""
    writing, tally = _Writing(asked, folder, asked.layout), Tally()
    with database.snapshot() as session:
        passed_over = left_out(session, site_id=asked.site_id)
        n_operations = n_performed(session, site_id=asked.site_id)
        _refuse_too_many(writing, n_operations)
        _write_tables(session, writing, tally, n_operations)
    _write_dictionary(writing)
    if Format.XLSX in asked.choices.formats:
        _write_workbook(writing)
    _write_scripts(writing)
    made = Made(
        cut_off=asked.now,
        study=asked.settings.protocol,
        site=asked.site,
        choices=asked.choices,
        is_demo=asked.settings.demo.enabled,
        files=_measured(writing),
        tally=tally,
        left_out=passed_over,
    )
    _put(folder / MANIFEST, manifest_of(made))
    return made


def _refuse_too_many(writing: _Writing, n_operations: int) -> None:
    """A sheet ends somewhere; said before hours of work, not after."""
    study = writing.asked.settings.protocol
    n_long = n_operations * len(study.timepoints) * len(study.items)
    n_most = max({Shape.LONG: n_long, Shape.WIDE: n_operations}[table] for table in writing.tables)
    if Format.XLSX in writing.asked.choices.formats and n_most >= MOST_ROWS:
        raise ExportRefused(
            f"a sheet of XLSX holds {MOST_ROWS - 1} rows, and a table would have {n_most}; choose CSV, or a site"
        )


def _write_tables(session: Session, writing: _Writing, tally: Tally, n_operations: int) -> None:
    asked = writing.asked
    source = Source(
        site_id=asked.site_id,
        study=asked.settings.protocol,
        today=asked.today,
        layout=writing.layout,
        key=asked.keys.derive_current(CODES),
    )
    with _opened(writing) as (long, wide):
        for rows in exported_rows(session, source, tally):
            if long:
                for row in rows.long:
                    for table in long:
                        table.write(row)
            for table in wide:
                table.write(rows.wide)
            if asked.progress is not None and tally.n_operations % 100 == 0:
                asked.progress(tally.n_operations, n_operations)


@contextmanager
def _opened(writing: _Writing) -> Iterator[tuple[list[_Table], list[_Table]]]:
    """What takes the long rows, and what takes the wide ones; finished at the end."""
    with ExitStack() as stack:
        found: dict[Shape, list[_Table]] = {Shape.LONG: [], Shape.WIDE: []}
        csv_tables = {}
        for shape in writing.tables:
            columns = [variable.name for variable in writing.layout.of(shape)]
            if writing.asked.choices.has_csv:
                csv_tables[shape] = CsvTable(stack.enter_context(new_file(writing.folder / f"{shape}.csv")), columns)
                found[shape].append(csv_tables[shape])
            if Format.XLSX in writing.asked.choices.formats:
                found[shape].append(SheetWriter(stack.enter_context(new_file(writing.sheet(shape))), columns))
        yield found[Shape.LONG], found[Shape.WIDE]
        for table in (*found[Shape.LONG], *found[Shape.WIDE]):
            table.finish()
        writing.n_rows.update({f"{shape}.csv": table.n_rows for shape, table in csv_tables.items()})


def _write_dictionary(writing: _Writing) -> None:
    with new_file(writing.folder / "dictionary.csv") as file:
        table = CsvTable(file, dictionary.COLUMNS)
        for row in dictionary.dictionary_rows(writing.layout):
            table.write(row)
        table.finish()
    writing.n_rows["dictionary.csv"] = table.n_rows


def _write_workbook(writing: _Writing) -> None:
    """The sheets of the tables, of the dictionary, and of what this is; without the cut-off, as every file but one."""
    settings = writing.asked.settings
    about = [("registry", __version__), ("instrument", settings.protocol.instrument.version)]
    if settings.demo.enabled:
        about.insert(0, ("DEMO", _DEMO_WORDS))
    _write_sheet(writing.sheet("dictionary"), dictionary.COLUMNS, dictionary.dictionary_rows(writing.layout))
    _write_sheet(writing.sheet("about"), ("what", "value"), iter(about))
    names = (*writing.tables, "dictionary", "about")
    with new_file(writing.folder / WORKBOOK) as file:
        write_workbook(file, [Sheet(name, writing.sheet(name)) for name in names])
    for name in names:
        writing.sheet(name).unlink()


def _write_sheet(path: Path, columns: Sequence[str], rows: Iterator[Sequence[Cell]]) -> None:
    with new_file(path) as file:
        sheet = SheetWriter(file, columns)
        for row in rows:
            sheet.write(row)
        sheet.finish()


_DEMO_WORDS = "Synthetic data. No person stands behind any of it."


def _write_scripts(writing: _Writing) -> None:
    for kind, (ending, made) in _SCRIPTS.items():
        if kind in writing.asked.choices.formats:
            for table in writing.tables:
                _put(writing.folder / f"{table}.{ending}", made(table, writing.layout.of(table)).encode())
    if writing.asked.settings.demo.enabled:
        _put(writing.folder / DEMO, f"DEMO\n{_DEMO_WORDS}\n".encode())


def _measured(writing: _Writing) -> dict[str, FileFacts]:
    return {
        path.name: FileFacts(sha256_of(path), path.stat().st_size, writing.n_rows.get(path.name))
        for path in sorted(writing.folder.iterdir())
    }


def _put(path: Path, content: bytes) -> None:
    with new_file(path) as file:
        file.write(content)
