"""The buttons of the review judge what their page has shown, and nothing that came since."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from registry.config import Settings
from registry.storage.database import Database
from tests.desk import ITEMS, Desk, at_desk
from tests.integration.test_review import on_device, standing


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


# An answer that waited for another writer is older than a page that was made meanwhile and could not show it.
@pytest.mark.parametrize("later", [timedelta(minutes=5), -timedelta(seconds=1)], ids=["later", "it waited"])
@pytest.mark.parametrize("verdict", ["confirm", "set-aside"])
def test_what_came_after_the_page_was_opened_is_not_judged_by_it(alice: Desk, verdict: str, later: timedelta) -> None:
    patient = alice.patient()
    on_device(alice, patient, score=20)
    seen = re.search(r'name="seen" value="([^"]+)"', alice.page("/answers-to-review"))
    assert seen is not None
    alice.clock.instant += later
    on_device(alice, patient, score=99)
    form = patient.assessment()
    assert form is not None

    response = alice.send(f"/answers-to-review/{form.id}/{verdict}", seen=seen.group(1))
    page = alice.page(response.headers["Location"])

    assert "More has come since you opened the page" in page
    assert (form.confirmed_at, standing(patient)) == (None, dict.fromkeys(ITEMS, 99))
    again = re.search(r'name="seen" value="([^"]+)"', page)
    assert again is not None
    alice.send(f"/answers-to-review/{form.id}/confirm", seen=again.group(1))
    assert "No answers wait for you" in alice.page("/answers-to-review")


@pytest.mark.parametrize("seen", [{}, {"seen": ""}, {"seen": "2026-11-20T12:00:00"}, {"seen": "9" * 5000}])
def test_a_page_that_does_not_say_what_it_has_shown_judges_nothing(alice: Desk, seen: dict[str, str]) -> None:
    patient = alice.patient()
    on_device(alice, patient, score=20)
    form = patient.assessment()
    assert form is not None

    response = alice.send(f"/answers-to-review/{form.id}/confirm", **seen)

    assert (response.status_code, form.confirmed_at) == (303, None)
    assert "Look again" in alice.page(response.headers["Location"])


def test_the_buttons_on_the_page_of_the_patient_judge_what_it_shows(alice: Desk) -> None:
    patient = alice.patient()
    on_device(alice, patient, score=20)
    form = patient.assessment()
    assert form is not None
    seen = re.search(r'name="seen" value="(\d+)"', alice.page(patient.path))
    assert seen is not None

    alice.send(f"/answers-to-review/{form.id}/confirm", seen=seen.group(1))

    assert "No answers wait for you" in alice.page("/answers-to-review")
