"""Regions of the body that a patient ticks: the whole set is one answer, and a correction is a new version."""

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import Session

from registry.domain.actors import Actor
from registry.domain.study import Study
from registry.domain.vocabularies import BodyRegion
from registry.services import audit
from registry.services.assessment import begun, look_for_haste, refuse_unless_agreed, refuse_unless_taken
from registry.storage.forms import Form, marking_of
from registry.storage.models import BodyMarking
from registry.storage.models.base import table_of

_marking = table_of(BodyMarking).c
_NEWEST = (
    select(_marking.version, _marking.regions)
    .where(_marking.assessment_id == bindparam("assessment_id"))
    .order_by(_marking.version.desc())
    .limit(1)
)


def record_marking(
    session: Session,
    *,
    form: Form,
    regions: Collection[BodyRegion],
    study: Study,
    language: str,
    today: date,
    by: Actor,
    now: datetime,
) -> None:
    """Save where it hurts, on a form locked and opened in this transaction; no region at all means nowhere."""
    refuse_unless_taken(form, today)
    refuse_unless_agreed(form, study)
    ticked = [region.value for region in BodyRegion if region in regions]
    standing = marking_of(session, form=form)
    if standing and list(standing.regions) == ticked and standing.answered_on >= form.window.opens_on:
        return
    # As with answers: what was given in time stays, and what comes late is kept beside it.
    is_beside = standing is not None and form.is_after_the_window(today, given_on=standing.answered_on)
    assessment_id = begun(session, form=form, language=language, now=now)
    newest = session.execute(_NEWEST, {"assessment_id": assessment_id}).first()
    if is_beside and newest and list(newest.regions) == ticked:
        return
    if standing is not None and not is_beside:
        session.execute(update(BodyMarking).where(_marking.id == standing.id).values(superseded_at=now))
    version = newest.version + 1 if newest else 1
    row = {"assessment_id": assessment_id, "version": version, "regions": ticked, "answered_on": today}
    session.execute(insert(BodyMarking).values(recorded_at=now, superseded_at=now if is_beside else None, **row))
    audit.record(
        session,
        action="regions_saved",
        subject="assessment",
        subject_id=assessment_id,
        by=by,
        now=now,
        version=version,
    )
    look_for_haste(session, form=form, assessment_id=assessment_id, by=by, now=now)
