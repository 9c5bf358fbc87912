"""The key file: made once, readable by its owner alone, and rotated without breaking what was signed."""

import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from itsdangerous import BadSignature

from registry.security.keys import KeyRing, KeysUnusable, load_keys
from registry.security.tokens import link_token

OLD, NEW = bytes(32), bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secret.key"


def _load(path: Path) -> tuple[bytes, ...]:
    return load_keys(path).keys


def test_a_missing_key_file_is_made(path: Path) -> None:
    (key,) = load_keys(path).keys

    assert len(key) == 32


def test_the_key_stays_the_same(path: Path) -> None:
    assert load_keys(path) == load_keys(path)


def test_a_key_file_is_readable_by_its_owner_alone(path: Path) -> None:
    load_keys(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_draft_is_left_beside_the_key_file(path: Path) -> None:
    load_keys(path)

    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.key" for number in range(40)]

    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        first, second = pool.map(_load_all, [paths, paths])

    assert first == second
    assert len(set(first)) == 40
    assert len(list(tmp_path.iterdir())) == 40


def _load_all(paths: list[Path]) -> list[tuple[bytes, ...]]:
    return [_load(path) for path in paths]


@pytest.mark.parametrize("content", ["", "\n\n", "zz" * 32, "ab" * 31, f"{'ab' * 32}\nab\n", "\xff\xfe"])
def test_a_file_that_holds_no_keys_is_refused(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content, encoding="latin-1")

    with pytest.raises(KeysUnusable, match=r"security\.key_file"):
        load_keys(path)


def test_a_refused_file_is_told_without_its_content(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("ab" * 31 + "x")

    with pytest.raises(KeysUnusable) as caught:
        load_keys(path)

    assert "abab" not in str(caught.value)


def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(KeysUnusable):
        load_keys(path)


# Rotation


def rotated(path: Path) -> tuple[KeyRing, KeyRing]:
    """The keys before and after a new one was written above the old."""
    before = load_keys(path)
    path.write_text(NEW.hex() + "\n" + path.read_text())
    return before, load_keys(path)


def test_the_newest_key_comes_first(path: Path) -> None:
    before, after = rotated(path)

    assert after.keys == (NEW, *before.keys)


def test_a_link_from_before_a_rotation_keeps_its_token(path: Path) -> None:
    before, after = rotated(path)

    key = after.derive("form", before.current_id)

    assert key is not None
    assert link_token(key, "public") == link_token(before.derive_current("form"), "public")


def test_a_new_link_uses_the_new_key(path: Path) -> None:
    before, after = rotated(path)

    assert after.current_id != before.current_id
    assert after.derive_current("form") == KeyRing((NEW,)).derive_current("form")


def test_a_key_that_was_taken_out_gives_nothing() -> None:
    assert KeyRing((NEW,)).derive("form", KeyRing((OLD,)).current_id) is None


def test_a_field_signed_before_a_rotation_stays_valid(path: Path) -> None:
    before, after = rotated(path)

    assert after.signer("form").loads(before.signer("form").dumps("public")) == "public"


def test_a_field_is_signed_with_the_newest_key() -> None:
    ring = KeyRing((NEW, OLD))

    assert ring.signer("form").dumps("x") == KeyRing((NEW,)).signer("form").dumps("x")


def test_a_field_signed_with_a_key_that_was_taken_out_is_refused() -> None:
    signed = KeyRing((OLD,)).signer("form").dumps("public")

    with pytest.raises(BadSignature):
        KeyRing((NEW,)).signer("form").loads(signed)


def test_a_field_signed_for_one_purpose_is_refused_for_another() -> None:
    ring = KeyRing((NEW,))

    with pytest.raises(BadSignature):
        ring.signer("preferences").loads(ring.signer("form").dumps("public"))


def test_a_changed_field_is_refused() -> None:
    signed = KeyRing((NEW,)).signer("form").dumps("public")

    with pytest.raises(BadSignature):
        KeyRing((NEW,)).signer("form").loads("x" + signed)


def test_purposes_have_keys_of_their_own() -> None:
    ring = KeyRing((NEW,))

    assert len({ring.derive_current(purpose) for purpose in ("form", "preferences", "session")}) == 3


def test_a_key_id_tells_nothing_of_its_key() -> None:
    assert KeyRing((NEW,)).current_id not in NEW.hex()
