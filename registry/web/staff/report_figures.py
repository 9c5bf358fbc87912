"""The figures of the cohort report: which there are, and each as a file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flask import Response, url_for

from registry.domain.errors import InvalidInput
from registry.domain.study import Study
from registry.figures.cumulative import cumulative
from registry.figures.drawing import Drawing
from registry.figures.raincloud import raincloud
from registry.figures.responders import responders
from registry.figures.subject import Group, Subject
from registry.figures.trajectory import Series, trajectory
from registry.figures.trajectory_labels import LABELS
from registry.figures.waterfall import MOST_BARS, n_bars, waterfall
from registry.languages import LANGUAGES, SOURCE_LANGUAGE
from registry.services.reports.cohort import CohortDefinition, cohort_course, cohort_tables
from registry.storage.database import Session
from registry.web.staff.access import site, staff
from registry.web.state import state, today

OF_CHANGES = {"raincloud": raincloud, "cumulative": cumulative, "responders": responders, "waterfall": waterfall}
NAMES = ("trajectory", *OF_CHANGES)
# Side by side on the page: they are as wide as one column of a journal.
NARROW = ("raincloud", "responders")
MEDIA = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png", "csv": "text/csv"}
RESOLUTIONS = {"300": 300, "600": 600}
SWITCHES = {"0": False, "1": True}

# What the page offers, in words, with what its address adds to that of the report.
FILES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("SVG", "svg", {}),
    ("SVG grey", "svg", {"grey": "1"}),
    ("PDF", "pdf", {}),
    ("PDF grey", "pdf", {"grey": "1"}),
    ("PNG 300 dpi", "png", {}),
    ("PNG 600 dpi", "png", {"dpi": "600"}),
    ("PNG 600 dpi grey", "png", {"dpi": "600", "grey": "1"}),
    ("CSV", "csv", {}),
)
LANGUAGE_NAMES = {"en": "English", "ja": "Japanese"}
PIXELS_PER_MM = 96 / 25.4

# The picture brings its colours along, and can neither run nor load anything.
_SEALED = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One figure on the page, with the addresses of its files in each language."""

    name: str
    description: str
    caption: str
    width: int
    height: int
    address: str
    is_narrow: bool
    files: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One figure as a file."""

    name: str
    extension: str
    language: str
    dpi: int
    is_grey: bool


def check_wanted(name: str, extension: str, asked: Mapping[str, str]) -> Wanted:
    """The file that an address asks for, or what is wrong with each of its words."""
    language, dpi, grey = asked.get("lang", SOURCE_LANGUAGE), asked.get("dpi", "300"), asked.get("grey", "0")
    choices = {
        "name": (name, NAMES, "a figure"),
        "extension": (extension, tuple(MEDIA), "a format"),
        "lang": (language, LANGUAGES, "a language"),
        "dpi": (dpi, tuple(RESOLUTIONS), "a resolution"),
        "grey": (grey, tuple(SWITCHES), "a choice of grey"),
    }
    problems = {
        word: f"{found[:40]!r} is not {what}; choose one of {', '.join(known)}"
        for word, (found, known, what) in choices.items()
        if found not in known
    }
    if problems:
        raise InvalidInput(problems)
    return Wanted(name=name, extension=extension, language=language, dpi=RESOLUTIONS[dpi], is_grey=SWITCHES[grey])


def drawing(rows: Session, wanted: Wanted, definition: CohortDefinition) -> Drawing:
    """The figure that is wanted, from the rows that it needs and no others."""
    if wanted.name == "trajectory":
        return _trajectory(rows, definition, wanted.language)
    groups = _groups(rows, definition, wanted.language)
    if wanted.name == "waterfall" and n_bars(groups) > MOST_BARS:
        problem = f"The waterfall shows every patient, at most {MOST_BARS}; this cohort has {n_bars(groups)}."
        raise InvalidInput({"name": problem})
    return OF_CHANGES[wanted.name](groups, subject=_subject(definition, wanted.language))


def drawings(rows: Session, definition: CohortDefinition) -> list[Drawing]:
    """Every figure that this cohort has, in the language of the staff pages."""
    groups = _groups(rows, definition, SOURCE_LANGUAGE)
    subject = _subject(definition, SOURCE_LANGUAGE)
    fitting = [name for name in OF_CHANGES if name != "waterfall" or 0 < n_bars(groups) <= MOST_BARS]
    of_changes = [OF_CHANGES[name](groups, subject=subject) for name in fitting]
    return [_trajectory(rows, definition, SOURCE_LANGUAGE), *of_changes]


def shown(found: Drawing, asked: Mapping[str, str]) -> Shown:
    """A figure as the page shows it, under the words that its own address asked for."""
    address = partial(_address, found.name, asked)
    files = (
        (name, tuple((words, address(extension, {"lang": language, **more})) for words, extension, more in FILES))
        for language, name in LANGUAGE_NAMES.items()
    )
    return Shown(
        name=found.name,
        description=found.description,
        caption=found.caption,
        width=round(found.width * PIXELS_PER_MM),
        height=round(found.height * PIXELS_PER_MM),
        address=address("svg", {}),
        is_narrow=found.name in NARROW,
        files=tuple(files),
    )


def _address(name: str, asked: Mapping[str, str], extension: str, more: Mapping[str, str]) -> str:
    values: dict[str, Any] = {"name": name, "extension": extension, **asked, **more}
    return url_for("reports.figure", **values)


def file_of(found: Drawing, wanted: Wanted, definition: CohortDefinition) -> Response:
    """The figure as a file to keep; its name says what it shows."""
    response = Response(_bytes(found, wanted), mimetype=MEDIA[wanted.extension])
    response.headers.set("Content-Disposition", "attachment", filename=_file_name(wanted, definition))
    if wanted.extension == "svg":
        response.headers["Content-Security-Policy"] = _SEALED
    return response


def _bytes(found: Drawing, wanted: Wanted) -> bytes:
    if wanted.extension == "csv":
        return found.csv()
    if wanted.extension == "png":
        return found.png(dpi=wanted.dpi, is_grey=wanted.is_grey)
    return found.svg(is_grey=wanted.is_grey) if wanted.extension == "svg" else found.pdf(is_grey=wanted.is_grey)


def _file_name(wanted: Wanted, definition: CohortDefinition) -> str:
    who = "everyone" if definition.entry is None else f"from-{definition.entry}"
    words = [wanted.name, definition.item, definition.timepoint, definition.grouping, who, wanted.language]
    if wanted.is_grey and wanted.extension != "csv":
        words.append("grey")
    if wanted.extension == "png":
        words.append(f"{wanted.dpi}dpi")
    return f"{'-'.join(words)}.{wanted.extension}"


def _trajectory(rows: Session, definition: CohortDefinition, language: str) -> Drawing:
    study = state().study
    course = cohort_course(rows, definition=definition, study=study, today=today(site()), site_id=staff().site_id)
    wording = next(item for item in study.items if item.code == definition.item).words[language]
    labels = replace(
        LABELS[language], item=wording.name.capitalize(), lowest=wording.lowest.lower(), highest=wording.highest.lower()
    )
    series = [
        Series(group=group, label=_label(study, definition, group, language), points=tuple(points))
        for group, points in course.items()
    ]
    return trajectory(series, labels=labels, is_demonstration=state().settings.demo.enabled)


def _groups(rows: Session, definition: CohortDefinition, language: str) -> list[Group]:
    study = state().study
    tables = cohort_tables(rows, definition=definition, study=study, today=today(site()), site_id=staff().site_id)
    return [
        Group(code=group, label=_label(study, definition, group, language), table=table)
        for group, table in tables.items()
    ]


def _label(study: Study, definition: CohortDefinition, group: str, language: str) -> str:
    grouping = next(found for found in study.groupings if found.code == definition.grouping)
    return grouping.label(group, language)


def _subject(definition: CohortDefinition, language: str) -> Subject:
    study = state().study
    return Subject(
        language=language,
        item=next(item for item in study.items if item.code == definition.item).words[language].name,
        months=next(found.months for found in study.follow_ups if found.code == definition.timepoint),
        is_demonstration=state().settings.demo.enabled,
    )
