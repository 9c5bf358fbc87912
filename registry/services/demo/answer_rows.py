"""The simulated answers as rows: who filled a form in, every score, and where it hurts."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from registry.domain.vocabularies import Respondent
from registry.security.tokens import random_id
from registry.services.demo.answers import SimulatedAnswer, regions_of
from registry.services.demo.forms import Form
from registry.services.demo.simulation import Loading, Simulated
from registry.storage.bulk import Row, insert_rows, insert_with_ids
from registry.storage.models import Answer, Assessment, BodyMarking

_RESPONDENTS = (Respondent.PROXY, *[Respondent.HELPED] * 3, *[Respondent.SELF] * 16)


def insert_answers(loading: Loading, forms: Sequence[tuple[int, int, Simulated, Form, Any, Any]]) -> None:
    """Write what was answered on the follow-ups with these ids."""
    answered = [(key, id_, one, form, given) for key, id_, one, form, given, _ in forms if given]
    rows = [_assessment(loading, key, id_, one, form) for key, id_, one, form, _ in answered]
    ids = insert_with_ids(loading.session, Assessment, rows, key=["follow_up_id"])
    answers = [
        _answer(loading, assessment_id, row, answer, form)
        for assessment_id, row, (_, _, _, form, given) in zip(ids, rows, answered, strict=True)
        for answer in given
    ]
    insert_rows(loading.session, Answer, answers)
    insert_rows(loading.session, BodyMarking, list(_markings(loading, ids, rows, answered)))


def _markings(
    loading: Loading, ids: Sequence[int], rows: Sequence[Row], answered: Sequence[tuple[int, int, Simulated, Form, Any]]
) -> Iterator[Row]:
    """Who is asked where it hurts ticks what goes with the scores; every third patient leaves the page out."""
    for assessment_id, row, (_, _, one, form, given) in zip(ids, rows, answered, strict=True):
        if loading.settings.protocol.asks_body_regions and one.number % 3:
            yield {
                "assessment_id": assessment_id,
                "version": 1,
                "regions": regions_of(given),
                "answered_on": form.answered_on,
                "recorded_at": row["submitted_at"] or row["started_at"],
            }


def _assessment(loading: Loading, follow_up_id: int, patient_id: int, one: Simulated, form: Form) -> Row:
    day = form.answered_on or form.window.due_on
    started_at = loading.instant(day, loading.random.randint(10, 20), loading.random.randint(0, 50))
    return {
        "follow_up_id": follow_up_id,
        "patient_id": patient_id,
        "reference": random_id(8),
        "language": one.person.language,
        "started_at": started_at,
        "submitted_at": started_at + timedelta(minutes=loading.random.randint(2, 9)) if form.is_sent else None,
        "respondent": _RESPONDENTS[one.number % len(_RESPONDENTS)] if form.is_sent else None,
    }


def _answer(loading: Loading, assessment_id: int, assessment: Row, answer: SimulatedAnswer, form: Form) -> Row:
    is_drawn = answer.viewport_px is not None
    return {
        "assessment_id": assessment_id,
        "item": answer.item,
        "version": 1,
        "score": answer.score,
        "is_skipped": answer.score is None,
        "mode": answer.mode,
        "instrument_version": loading.settings.protocol.instrument.version,
        "language": assessment["language"],
        "answered_on": form.answered_on,
        "recorded_at": assessment["submitted_at"] or assessment["started_at"],
        "viewport_px": answer.viewport_px,
        "line_px": min((answer.viewport_px or 0) - 32, 640) if is_drawn else None,
        "ms_to_first_mark": loading.random.randint(1500, 15000) if is_drawn else None,
        "n_changes": loading.random.choice((0, 0, 0, 1, 1, 2)) if is_drawn else None,
    }
