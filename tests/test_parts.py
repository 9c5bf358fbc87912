"""What is said when a part of the machine is missing."""

import pytest

from tests.parts import CHROMIUM_MISSING, POSTGRESQL_MISSING, missing


@pytest.mark.parametrize("line", [CHROMIUM_MISSING, POSTGRESQL_MISSING])
def test_a_missing_part_is_skipped_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.delenv("REGISTRY_TEST_REQUIRE", raising=False)

    with pytest.raises(pytest.skip.Exception, match="apt-get install"):
        missing(line)


def test_a_missing_part_fails_where_nothing_may_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_TEST_REQUIRE", "all")

    with pytest.raises(pytest.fail.Exception, match="Chromium is not installed"):
        missing(CHROMIUM_MISSING)
