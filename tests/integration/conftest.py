"""What several tests of pages ask for."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from argon2 import PasswordHasher

from registry.config import Settings
from registry.security import passwords
from registry.security.keys import KeyRing
from registry.storage.database import Database
from tests.opened import Opened, opened_form


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords at the least that argon2 can cost: what they cost in use is tested where they are hashed."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    # The hash that stands for nobody's is kept, and belongs to the hasher that made it.
    passwords._hash_of_nobody.cache_clear()
    yield
    passwords._hash_of_nobody.cache_clear()


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
