"""What several tests of pages ask for."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from registry.config import Settings
from registry.security.keys import KeyRing
from registry.storage.database import Database
from tests.opened import Opened, opened_form


@pytest.fixture
def opened(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Iterator[Opened]:
    """A form of a patient who has agreed to take part."""
    with opened_form(database, settings, keys, now) as found:
        yield found


@pytest.fixture
def unasked(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Iterator[Opened]:
    """A form of a patient who was never asked whether to take part."""
    with opened_form(database, settings, keys, now, has_consented=False) as found:
        yield found
