"""The list of addresses from which mails came back: whose they are, and what staff do about each."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from registry.config import Settings
from registry.storage.database import Database
from registry.storage.models import AuditEvent, Contact, Patient, Site
from tests.desk import AtDesk, Desk, at_desk


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


def dead(desk: Desk, **values: str) -> AtDesk:
    """A patient to whose address no mail goes any longer."""
    patient = desk.patient(**values)
    stopped = {"email_bounced_at": desk.clock(), "email_bounce": "no such mailbox (5.1.1)"}
    with desk.database.transaction() as session:
        session.execute(update(Contact).where(col(Contact.patient_id) == patient.id).values(**stopped))
    return patient


def is_stopped(desk: Desk, patient: AtDesk) -> bool:
    with desk.database.reading() as session:
        return session.get_one(Contact, patient.id).email_bounced_at is not None


def move_elsewhere(desk: Desk, patient: AtDesk) -> None:
    """Let a patient belong to another hospital."""
    with desk.database.transaction() as session:
        site = Site(code="OTHER")
        session.add(site)
        session.flush()
        session.execute(update(Patient).where(col(Patient.id) == patient.id).values(site_id=site.id))


def test_an_empty_list_says_so(alice: Desk) -> None:
    assert "No address waits for you." in alice.page("/bounced")


def test_the_list_says_who_since_when_and_why_and_leads_to_the_correction(alice: Desk) -> None:
    patient = dead(alice, study_id="K-007", email="hanako@example.org")

    page = alice.page("/bounced")

    told = ["K-007", "2026-11-20 12:00", "no such mailbox (5.1.1)", f'href="{patient.path}/contact"', "1 address "]
    assert [text for text in told if text not in page] == []
    assert [text for text in ("hanako@example.org", "Mihon") if text in page] == []


def test_a_corrected_address_leaves_the_list(alice: Desk) -> None:
    patient = dead(alice)
    details = {"family_name": "Mihon", "language": "en", "email": "right@example.org"}

    saved = alice.send(f"{patient.path}/contact", **details)

    assert saved.status_code == 303
    assert (is_stopped(alice, patient), patient.study_id in alice.page("/bounced")) == (False, False)


def test_a_right_address_is_tried_again_once(alice: Desk) -> None:
    patient = dead(alice)

    first = alice.send(f"/bounced/{patient.public_id}/again")
    said = alice.page("/bounced")
    alice.send(f"/bounced/{patient.public_id}/again")

    assert (first.status_code, first.headers["Location"]) == (303, "/bounced")
    assert "Mails go to this address again." in said
    assert "Somebody else has already seen to this address." in alice.page("/bounced")
    with alice.database.reading() as session:
        tried = session.exec(select(AuditEvent).where(AuditEvent.action == "address_tried_again")).all()
    assert [(event.subject_id, event.actor_kind) for event in tried] == [(patient.id, "staff")]


def test_another_hospitals_address_is_not_there(alice: Desk) -> None:
    patient = dead(alice, study_id="K-OTHER")
    move_elsewhere(alice, patient)

    assert "K-OTHER" not in alice.page("/bounced")
    assert alice.send(f"/bounced/{patient.public_id}/again").status_code == 404
    assert is_stopped(alice, patient)


@pytest.mark.parametrize("path", ["/bounced", "/bounced/abc/again"])
def test_nobody_sees_the_list_or_changes_it_without_signing_in(
    database: Database, settings: Settings, now: datetime, path: str
) -> None:
    with at_desk(database, settings, now) as stranger:
        response = stranger.client.get(path) if path == "/bounced" else stranger.send(path)

    assert response.status_code == (303 if path == "/bounced" else 401)


def test_a_try_without_the_pages_token_is_refused(alice: Desk) -> None:
    patient = dead(alice)

    assert alice.client.post(f"/bounced/{patient.public_id}/again").status_code == 400
    assert is_stopped(alice, patient)
