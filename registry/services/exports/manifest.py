"""The manifest of an export: what it is, of which moment, under which versions, and what is not in it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from registry import __version__
from registry.domain.study import Study
from registry.domain.vocabularies import OperationState
from registry.services.exports.choices import ExportChoices, Shape
from registry.services.exports.rows import Tally
from registry.storage.exported_rows import LeftOut

Data = dict[str, Any]


@dataclass(frozen=True)
class FileFacts:
    """A file of an export: its hash, its size, and its rows where it is a table."""

    sha256: str
    n_bytes: int
    n_rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """An export as it was made."""

    cut_off: datetime
    study: Study
    site: str | None
    choices: ExportChoices
    is_demo: bool
    files: Mapping[str, FileFacts]
    tally: Tally
    left_out: LeftOut

    @property
    def files_sha256(self) -> str:
        """One hash for all files: the same rows and versions give the same, whenever the export was made."""
        lines = (f"{facts.sha256}  {name}\n" for name, facts in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def n_rows(self) -> Mapping[Shape, int]:
        """The rows of each table, in whichever file it is."""
        n_scores = len(self.study.timepoints) * len(self.study.items)
        of_operation = {Shape.LONG: n_scores, Shape.WIDE: 1}
        return {table: of_operation[table] * self.tally.n_operations for table in self.choices.shape.tables}


def manifest_of(made: Made) -> bytes:
    """The manifest as JSON."""
    data = {
        "is_demo": made.is_demo,
        "cut_off": made.cut_off.isoformat(),
        "registry_version": __version__,
        "protocol": _protocol(made.study),
        "instruments": dict(sorted(made.tally.instruments.items())),
        "filters": _filters(made),
        "n_patients": made.tally.n_patients,
        "n_operations": made.tally.n_operations,
        "n_rows": made.n_rows,
        "files": {name: asdict(facts) for name, facts in sorted(made.files.items())},
        "files_sha256": made.files_sha256,
        "left_out": list(_left_out(made)),
    }
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _protocol(study: Study) -> Data:
    return {
        "instrument": study.instrument.version,
        "items": [item.code for item in study.items],
        "timepoints": [asdict(timepoint) for timepoint in study.timepoints],
        "groupings": {grouping.code: list(grouping.groups) for grouping in study.groupings},
        "consent": study.consent.version or None,
    }


def _filters(made: Made) -> Data:
    choices = made.choices
    return {
        "site": made.site,
        "shape": choices.shape,
        "formats": sorted(choices.formats),
        "with_dates": choices.with_dates,
        "with_study_ids": choices.with_study_ids,
        "with_texts": choices.with_texts,
    }


def _left_out(made: Made) -> Iterator[Data]:
    yield _entry("names, addresses, telephone numbers and dates of birth", "never in an export")
    yield _entry(
        "earlier versions of corrected answers, regions of the body, how a line was marked, calls, letters and mails",
        "not part of this export",
    )
    missing = made.left_out
    yield _entry("patients", "they do not agree to take part", missing.n_refused)
    yield _entry("patients", "no operation of theirs was performed", missing.n_not_operated)
    for state in (OperationState.PLANNED, OperationState.POSTPONED, OperationState.CANCELLED):
        yield _entry("operations", f"they are {state}: there is no day 0", missing.n_operations[state])
    yield from _not_asked_for(made)


def _not_asked_for(made: Made) -> Iterator[Data]:
    if not made.choices.with_dates:
        yield _entry("calendar dates", "pseudonymous: days from the operation and its year stand instead")
    if not made.choices.with_study_ids:
        yield _entry("study IDs", "pseudonymous: export codes stand instead")
    if not made.choices.with_texts:
        why = "free words can name somebody: `other` stands instead"
        yield _entry("procedures in free words", why, made.tally.n_free_procedures)


def _entry(what: str, why: str, n: int | None = None) -> Data:
    return {"what": what, "why": why} if n is None else {"what": what, "n": n, "why": why}
