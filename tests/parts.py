"""Real parts that a test needs: where they are, and one clear line when they are not."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

POSTGRESQL_MISSING = "PostgreSQL is not installed: its tests are skipped (Debian: apt-get install postgresql)"
R_MISSING = "R is not installed: its scripts are not run again (Debian: apt-get install r-base-core)"
CHROMIUM_MISSING = "Chromium is not installed: browser tests are skipped (Debian: apt-get install chromium)"


def missing(line: str) -> NoReturn:
    """Skip with the line, or fail where nothing may be skipped."""
    if os.environ.get("REGISTRY_TEST_REQUIRE") == "all":
        pytest.fail(line)
    pytest.skip(line)


def find_postgresql() -> Path | None:
    """The folder of PostgreSQL's programs: the newest that Debian installed, or the one on the path."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    found = installed[-1] if installed else Path(on_path).resolve() if on_path else None
    return found.parent if found else None


def find_chromium() -> str | None:
    """The browser's program."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
