"""The words that patients agree to: one text file for each version and language, filled in for each hospital."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from string import Formatter

from registry.places import TEMPLATES

SLOTS = ("hospital", "address", "phone", "contact", "study_no", "n_questions", "months")
_SUMMARY_ENDS = "----------------------------------------"


@dataclass(frozen=True)
class Section:
    """A part of the full text: a heading and what stands under it."""

    heading: str
    text: str


@dataclass(frozen=True)
class ConsentWords:
    """What a patient reads before deciding: the summary, the full text, and the hash of both."""

    summary: Sequence[str]
    sections: Sequence[Section]
    digest: str


@cache
def consent_text(version: str, language: str) -> str | None:
    """The text of a version as it stands in its file; None when there is no such file."""
    path = TEMPLATES / "consent" / f"{version}.{language}.txt"
    return path.read_text(encoding="utf-8") if path.is_file() else None


def unknown_slots(text: str) -> set[str]:
    """The placeholders of a text that nothing would fill."""
    try:
        found = {name for _, name, _, _ in Formatter().parse(text) if name is not None} - set(SLOTS)
        if not found:
            text.format_map(dict.fromkeys(SLOTS, ""))
    except (ValueError, KeyError, AttributeError, IndexError):
        return {"{"}
    return found


def consent_words(version: str, language: str, details: Mapping[str, str]) -> ConsentWords:
    """The words of a version, filled in with the hospital's details."""
    filled = (consent_text(version, language) or "").format_map(details)
    summary, _, full = filled.partition(f"\n{_SUMMARY_ENDS}\n")
    return ConsentWords(
        summary=summary.strip().split("\n\n"),
        sections=[_section(block) for block in full.strip().split("\n\n") if block],
        digest=hashlib.sha256(filled.encode()).hexdigest(),
    )


def _section(block: str) -> Section:
    heading, _, text = block.partition("\n")
    return Section(heading, text)
