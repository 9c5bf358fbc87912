"""Rows out: an export into a folder, or as one file, each with a line in the audit trail."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

from registry.domain.actors import Actor
from registry.services import audit
from registry.services.exports.choices import ExportChoices, Format, Shape
from registry.services.exports.folder import ExportRefused, draft_beside, give_name, refuse_unfit
from registry.services.exports.manifest import Made
from registry.services.exports.writing import Asked, write_export
from registry.services.exports.xlsx import entry
from registry.storage.database import Database

__all__ = [
    "Asked",
    "ExportChoices",
    "ExportRefused",
    "Format",
    "Made",
    "Shape",
    "export_archive",
    "export_folder",
]

# No row: the export of all hospitals.
_ALL_SITES = 0


def export_folder(database: Database, *, asked: Asked, folder: Path, by: Actor) -> Made:
    """Write an export into a new or empty folder, where all of it appears at once, or nothing."""
    refuse_unfit(folder)
    with draft_beside(folder) as draft:
        made = write_export(database, asked, draft)
        # Before the files have their name: no export is anywhere of which the trail does not tell.
        _record(database, asked, made, by)
        give_name(draft, folder)
    return made


def export_archive(database: Database, *, asked: Asked, by: Actor) -> IO[bytes]:
    """The same files as a ZIP archive in a file without a name, which is gone once it is closed."""
    with _private_folder() as folder:
        made = write_export(database, asked, folder)
        archive = TemporaryFile()  # noqa: SIM115  whoever sends it closes it
        with ZipFile(archive, "w", ZIP_DEFLATED) as packed:
            for path in sorted(folder.iterdir()):
                with path.open("rb") as content, packed.open(entry(path.name), "w") as part:
                    while block := content.read(1 << 20):
                        part.write(block)
    _record(database, asked, made, by)
    archive.seek(0)
    return archive


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that only its owner may open, gone at the end."""
    with TemporaryDirectory(prefix="registry-export-") as name:
        yield Path(name)


def _record(database: Database, asked: Asked, made: Made, by: Actor) -> None:
    choices = asked.choices
    with database.transaction() as session:
        audit.record(
            session,
            action="rows_exported",
            subject="site",
            subject_id=asked.site_id or _ALL_SITES,
            by=by,
            now=asked.now,
            shape=choices.shape,
            formats=", ".join(sorted(choices.formats)),
            with_dates=choices.with_dates,
            with_study_ids=choices.with_study_ids,
            with_texts=choices.with_texts,
            n_patients=made.tally.n_patients,
            n_operations=made.tally.n_operations,
            n_rows=sum(made.n_rows.values()),
            files_sha256=made.files_sha256,
        )
