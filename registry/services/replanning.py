"""The plan of everybody brought in line with a schedule that was changed: looked at first, then done as it was seen."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from time import sleep

from sqlmodel import Session

from registry.domain.actors import Actor
from registry.services import audit
from registry.services.change_preview import Basis, Preview, ToBeConfirmed, effects
from registry.services.follow_up_plan import plan_again
from registry.storage.database import Database
from registry.storage.enrolments import PAGE_SIZE, PatientRow, count_patients, page_of_patients

# Whoever waits to write into an SQLite database looks ten times a second whether it is free: between pages it is.
_TURN_SECONDS = 0.15


@dataclass(frozen=True)
class Replanning:
    """Of which site the plan is brought in line with which schedule."""

    site_id: int
    basis: Basis


def replan_preview(database: Database, schedule: Replanning) -> Preview:
    """What the schedule does to the plan of a site; every page of patients is planned anew and taken back at once."""
    with database.reading() as session:
        pages = _pages(session, schedule)
    found: list[Preview] = []
    for page in pages:
        sleep(_TURN_SECONDS if found else 0)
        with database.transaction() as session:
            found.append(_replanned(session, schedule, page))
            session.rollback()
    return _together(found)


def replan(
    session: Session, schedule: Replanning, *, preview: Preview, confirmed: str, by: Actor, now: datetime
) -> None:
    """Plan those anew whom a preview names, if it is the one that was confirmed and is what happens; else refuse."""
    if preview.fingerprint != confirmed:
        # Before anybody is kept waiting for what would be taken back.
        raise ToBeConfirmed(preview)
    touched = {change.study_id for change in preview.changes}
    done = _together([_replanned(session, schedule, page, only=touched) for page in _pages(session, schedule)])
    if done.fingerprint != confirmed:
        raise ToBeConfirmed(done)
    for operation_id in sorted({change.operation_id for change in done.changes}):
        audit.record(
            session, action="operation_replanned", subject="operation", subject_id=operation_id, by=by, now=now
        )


def _pages(session: Session, schedule: Replanning) -> range:
    return range(1, -(-count_patients(session, site_id=schedule.site_id) // PAGE_SIZE) + 1)


def _replanned(session: Session, schedule: Replanning, page: int, *, only: Container[str] | None = None) -> Preview:
    basis = schedule.basis

    def read() -> list[PatientRow]:
        rows = page_of_patients(session, site_id=schedule.site_id, page=page)
        return [row for row in rows if only is None or row.patient.study_id in only]

    patient_ids = [row.patient.id for row in read()]
    with effects(session, read, basis) as found:
        for patient_id in patient_ids:
            plan_again(session, patient_id=patient_id, study=basis.study, today=basis.today)
    return found()


def _together(previews: Iterable[Preview]) -> Preview:
    found = list(previews)
    changes = tuple(change for preview in found for change in preview.changes)
    return Preview(changes, sum(preview.n_waiting for preview in found))
