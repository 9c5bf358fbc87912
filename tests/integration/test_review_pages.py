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


@pytest.mark.parametrize("verdict", ["confirm", "set-aside"])
def test_what_came_after_the_page_was_opened_is_not_judged_by_it(alice: Desk, verdict: str) -> None:
    patient = alice.patient()
    on_device(alice, patient, score=20)
    seen = re.search(r'name="seen" value="([^"]+)"', alice.page("/answers-to-review"))
    assert seen is not None
    alice.clock.instant += timedelta(minutes=5)
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
