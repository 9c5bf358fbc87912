"""What a paper says of a report: the result in each style, and the methods, in both languages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlmodel import Session

from registry.config import SiteSettings
from registry.domain.study import Study
from registry.journal_styles import Style
from registry.languages import LANGUAGES
from registry.services.reports.cohort import CohortResult
from registry.services.reports.methods_paragraph import CohortFacts, methods_paragraph
from registry.services.reports.result_sentence import result_sentence
from registry.storage.cohort_facts import mode_counts, operation_facts
from registry.storage.cohorts import CohortQuery


@dataclass(frozen=True)
class PaperWords:
    """The texts of one language."""

    results: Mapping[Style, str]
    methods: str


def paper_words(
    session: Session,
    *,
    result: CohortResult,
    study: Study,
    sites: Sequence[SiteSettings],
    query: CohortQuery,
    zone: ZoneInfo,
) -> Mapping[str, PaperWords]:
    """The result and the methods of a report, by language; costs a look at each answer that was compared."""
    facts = _facts(session, result, sites, query, zone)
    return {
        language: PaperWords(
            results={style: result_sentence(result, study, style=style, language=language) for style in Style},
            methods=methods_paragraph(result, facts, study, language=language),
        )
        for language in LANGUAGES
    }


def _facts(
    session: Session, result: CohortResult, sites: Sequence[SiteSettings], query: CohortQuery, zone: ZoneInfo
) -> CohortFacts:
    operated, definition = operation_facts(session, query), result.definition
    return CohortFacts(
        sites={language: [site.name[language] for site in sites] for language in LANGUAGES},
        procedures=operated.procedures,
        first_operated_on=operated.first_on,
        last_operated_on=operated.last_on,
        modes=mode_counts(
            session,
            query,
            timepoint=definition.timepoint,
            entry=definition.entry,
            groups=result.manifest.compared,
        ),
        zone=zone,
    )
