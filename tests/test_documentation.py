"""The documents keep up with the program: settings, commands, decisions and links."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from registry.cli import registry
from registry.config import Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

# Variables that are no settings: one belongs to a command, one to the tests.
OTHER_VARIABLES = {"REGISTRY_STAFF_PASSWORD", "REGISTRY_TEST_REQUIRE"}


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The section behind a field: the field's own type, or that of a list's entries."""
    found = [annotation, *get_args(annotation)]
    return next((kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _fields(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting under its full dotted name."""
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is None:
            yield place + name, field
        else:
            yield from _fields(inner, f"{place}{name}.")


SETTINGS = dict(_fields(Settings))


def _is_table_or_list(field: FieldInfo) -> bool:
    return any(word in str(field.annotation) for word in ("Mapping", "tuple"))


def _variables() -> set[str]:
    """The variable of each single value that the environment can give: one directly in a section of its own."""
    return {
        f"REGISTRY_{name.replace('.', '_').upper()}"
        for name, field in SETTINGS.items()
        if name.count(".") == 1 and not name.startswith("sites.") and not _is_table_or_list(field)
    }


def _missing(names: set[str], text: str) -> set[str]:
    return {name for name in names if f"`{name}`" not in text}


def _commands(group: click.Group, place: str = "registry") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{place} {name}")
        else:
            yield f"{place} {name}"


def _without_commands(text: str) -> set[str]:
    return {name for name in _commands(registry) if not re.search(rf"`{name}(?= |`)", text)}


def _slugs(page: Path) -> set[str]:
    """What the headings of a page are called in an address."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _dead_links(page: Path, text: str) -> list[str]:
    """The relative links of a page that lead nowhere."""
    addresses = re.findall(r"\]\(([^)]+)\)|<img src=\"([^\"]+)\"", text)
    dead = []
    for address in ("".join(found) for found in addresses):
        name, _, heading = address.partition("#")
        target = page.parent / name if name else page
        is_elsewhere = re.match(r"[a-z]+:", address)
        is_there = target.exists() and (not heading or heading in _slugs(target))
        if not is_elsewhere and not is_there:
            dead.append(address)
    return dead


def _wrong_decisions(headings: dict[str, str]) -> list[str]:
    """Files of decisions whose number is taken, or is not that of their heading."""
    numbers = [name[:4] for name in headings]
    return [
        name
        for name, heading in headings.items()
        if numbers.count(name[:4]) > 1 or not heading.startswith(f"# {name[:4]} · ")
    ]


def test_every_setting_is_explained() -> None:
    assert _missing(set(SETTINGS), (DOCS / "configuration.md").read_text()) == set()


def test_walk_reaches_settings_on_every_level() -> None:
    assert {"web.port", "sites.phone_hours", "study.before.opens_days_before", "study.groupings.labels"} <= set(
        SETTINGS
    )


def test_setting_without_explanation_is_found() -> None:
    assert _missing({"web.port", "web.colour"}, "| `web.port` | the port |") == {"web.colour"}


def test_every_variable_is_named() -> None:
    assert _missing(_variables(), (DOCS / "configuration.md").read_text()) == set()


def test_every_variable_that_is_named_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"\bREGISTRY_[A-Z_]+", page.read_text())}

    assert named <= _variables() | OTHER_VARIABLES


def test_variables_are_those_of_single_values() -> None:
    assert {"REGISTRY_WEB_PORT", "REGISTRY_MAIL_PASSWORD", "REGISTRY_STUDY_INSTRUMENT"} <= _variables()
    assert not {"REGISTRY_STUDY_ITEMS", "REGISTRY_SITES_CODE"} & _variables()


def test_every_command_is_explained() -> None:
    assert _without_commands((DOCS / "operations.md").read_text()) == set()


def test_command_without_explanation_is_found() -> None:
    missing = _without_commands("`registry serve` and `registry staff add NAME`; `registry runs`")

    assert {"registry run", "registry reminders send"} <= missing
    assert not {"registry serve", "registry staff add"} & missing


def test_decisions_have_numbers_of_their_own() -> None:
    headings = {path.name: path.read_text().partition("\n")[0] for path in DECISIONS}

    assert headings
    assert _wrong_decisions(headings) == []


def test_decision_with_a_wrong_number_is_found() -> None:
    headings = {
        "0001-a.md": "# 0001 · A",
        "0002-b.md": "# 0003 · B",
        "0004-c.md": "# 0004 · C",
        "0004-d.md": "# 0004 · D",
    }

    assert _wrong_decisions(headings) == ["0002-b.md", "0004-c.md", "0004-d.md"]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision_has_its_parts(path: Path) -> None:
    text = path.read_text()

    assert re.search(r"^Date: \d{4}-\d\d-\d\d · Status: (accepted|superseded by \d{4})$", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert _dead_links(page, page.read_text()) == []


def test_dead_link_is_found() -> None:
    text = '[a](docs/nowhere.md) [b](LICENSE) [c](docs/glossary.md#nobody) [d](https://example.org) <img src="e.png">'

    assert _dead_links(ROOT / "README.md", text) == ["docs/nowhere.md", "docs/glossary.md#nobody", "e.png"]


def test_readme_fits_on_a_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 60
