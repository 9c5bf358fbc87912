"""Ten years on a virtual clock: the mails that left beside those that the published rules ask for."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random

import pytest

from registry.config import Settings
from registry.security.keys import KeyRing
from registry.storage.database import Database
from tests.simulation.lives import DAYS, SITES, ZERO, Happening, Life, Outage, What, lives, outages
from tests.simulation.oracle import Mail, expected, first_moments
from tests.simulation.world import World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
# Moments at which a scheduler looks although no mail may leave, such as in the night.
N_OTHER_LOOKS = 300
SEED = 20261121
SAME: dict[str, list[Mail]] = {"not asked for": [], "missing": []}


@pytest.fixture
def world(database: Database, settings: Settings, keys: KeyRing) -> World:
    return World(database, settings, keys)


def difference(world: World, people: list[Life], down: Sequence[Outage], *, seed: int = SEED) -> dict[str, list[Mail]]:
    """Let everything happen; which mails left that should not have, and which should have and did not."""
    mornings = {site: first_moments(down, site) for site in SITES}
    wanted = {mail for life in people for mail in expected(life, mornings[life.site])}
    at_nine = {moment for days in mornings.values() for moment in days.values()}
    world.live(people, at_nine, other_looks(seed, down))
    left = world.mails()
    return {"not asked for": sorted(left - wanted), "missing": sorted(wanted - left)}


def other_looks(seed: int, down: Sequence[Outage]) -> set[datetime]:
    random = Random(seed + 2)
    minutes = (random.randrange(DAYS * 1440) for _ in range(N_OTHER_LOOKS))
    moments = {ZERO + timedelta(minutes=at) for at in minutes}
    return {moment for moment in moments if not any(one.covers(moment) for one in down)}


def test_ten_years_of_mails_leave_on_the_mornings_that_the_rules_name(world: World) -> None:
    assert difference(world, lives(SEED, 60), outages(SEED)) == SAME
    # Each was handed over once: what the rows say is what the way out has seen.
    assert len(world.post.recipients) == len(world.mails()) > 600


def test_an_operation_that_moves_again_and_again_is_written_about_until_its_eve(world: World) -> None:
    """Mails that went out for an earlier day must not count as later than those for a new day."""
    begins = date(2030, 6, 15)
    moves = ((0, date(2030, 8, 5)), (11, date(2030, 8, 16)), (46, date(2030, 8, 22)), (53, date(2030, 9, 25)))
    moved = (Happening(begins + timedelta(days=days), What.PLANNED, day) for days, day in moves)
    answered = Happening(begins + timedelta(days=7), What.ANSWERED, timepoint="before")
    happenings = sorted([Happening(begins, What.ENROLLED), *moved, answered], key=lambda one: one.on)
    life = Life(1, "BERLIN", tuple(happenings))

    assert difference(world, [life], []) == SAME
    assert len([mail for mail in world.mails() if mail[2] > date(2030, 8, 7)]) > 8


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_ten_years_of_a_thousand_patients(world: World, seed: int) -> None:
    assert difference(world, lives(seed, 1000), outages(seed), seed=seed) == SAME
    assert len(world.post.recipients) == len(world.mails()) > 10_000


# What the comparison would see


@pytest.mark.parametrize("forgotten", [What.ANSWERED, What.STOPPED, What.WITHDREW, What.DIED, What.PUT_OFF])
def test_a_mail_that_nothing_has_stopped_would_be_seen(world: World, forgotten: What) -> None:
    """A registry that is not told what the oracle knows: the mails that it sends too many come to light."""
    people = [life for life in lives(SEED, 60) if any(one.what == forgotten for one in life.happenings)][:4]
    world.forgets = forgotten

    found = difference(world, people, [])

    assert (bool(found["not asked for"]), found["missing"]) == (True, [])


def test_a_mail_on_another_day_would_be_seen(world: World) -> None:
    ladder = world.settings.study.reminders.model_copy(update={"email_days": (0, 8, 14)})
    study = world.settings.study.model_dump() | {"reminders": ladder.model_dump()}
    world.settings = world.settings.model_copy(update={"study": type(world.settings.study).model_validate(study)})

    found = difference(world, lives(SEED, 6), [])

    assert (bool(found["not asked for"]), bool(found["missing"])) == (True, True)


def test_a_mail_that_an_outage_has_swallowed_would_be_seen(world: World) -> None:
    people, month = lives(SEED, 6), 30 * 1440
    swallowed = [Outage(begins, begins + month) for begins in range(0, DAYS * 1440, 3 * month)]
    world.is_down = lambda moment: any(one.covers(moment) for one in swallowed)

    found = difference(world, people, [])

    assert found["missing"]
