"""Many patients with a mail that is due, written without the services because there are many."""

import sqlite3
from contextlib import closing
from datetime import date, datetime

from sqlalchemy import insert, select

from registry.domain.vocabularies import OperationState, Region, Sex
from registry.security.tokens import random_id
from registry.storage.database import Session
from registry.storage.enrolments import site_id_of
from registry.storage.models import Contact, Enrolment, FollowUp, Operation, Patient, Reminder

OPERATED_ON = date(2026, 8, 20)
DUE_ON = date(2026, 11, 20)
CLOSES_ON = date(2027, 1, 4)


def add_due(session: Session, n: int, *, now: datetime) -> None:
    """So many patients with one due mail each, every other one in Japanese."""
    site_id = site_id_of(session, code="DEMO")
    last = session.execute(select(Patient.id).order_by(Patient.id.desc()).limit(1)).scalar()  # type: ignore[attr-defined]
    numbers = range((last or 0) + 1, (last or 0) + 1 + n)
    session.execute(
        insert(Patient),
        [
            {"id": i, "public_id": random_id(), "site_id": site_id, "study_id": str(i), "sex": Sex.FEMALE}
            | {"birth_year": 1950, "language": ("en", "ja")[i % 2], "created_at": now}
            for i in numbers
        ],
    )
    session.execute(
        insert(Contact), [{"patient_id": i, "family_name": "Mihon", "email": f"p{i}@example.org"} for i in numbers]
    )
    session.execute(insert(Enrolment), [{"patient_id": i, "enrolled_on": OPERATED_ON} for i in numbers])
    operated = {"state": OperationState.PERFORMED, "operated_on": OPERATED_ON, "region": Region.CERVICAL}
    session.execute(
        insert(Operation),
        [{"id": i, "patient_id": i, "procedure": "laminoplasty", "recorded_at": now} | operated for i in numbers],
    )
    window = {"timepoint": "M3", "opens_on": DUE_ON, "due_on": DUE_ON, "closes_on": CLOSES_ON}
    session.execute(insert(FollowUp), [{"id": i, "patient_id": i, "operation_id": i} | window for i in numbers])
    session.execute(
        insert(Reminder), [{"follow_up_id": i, "patient_id": i, "rung": 0, "due_on": DUE_ON} for i in numbers]
    )


def add_patients(path: str, n_patients: int, *, n_due: int, today: date) -> None:
    """So many patients with a mail each, of which so many are due today: only the rows that finding them reads."""
    with closing(sqlite3.connect(path)) as rows, rows:
        rows.execute("PRAGMA foreign_keys = OFF")
        numbers = "WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < :n)"
        given = {"n": n_patients, "step": n_patients // n_due, "today": today.isoformat()}
        rows.execute(
            f"INSERT INTO patient (id, public_id, site_id, study_id, sex, birth_year, language, created_at) {numbers}"
            " SELECT i, 'p' || i, 1, i, 'female', 1950, 'en', '2026-01-01' FROM number",
            given,
        )
        rows.execute(
            f"INSERT INTO reminder (follow_up_id, patient_id, kind, rung, due_on, state, fence, n_attempts, failure)"
            f" {numbers} SELECT i, i, 'ladder', 0,"
            " CASE WHEN i % :step = 0 THEN :today ELSE date(:today, '+' || (1 + i % 700) || ' days') END,"
            " 'planned', 0, 0, '' FROM number",
            given,
        )
