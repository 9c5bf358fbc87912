"""The registry's secret keys: kept in a file outside the database, the newest first, older ones still honoured."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from itsdangerous import URLSafeSerializer

from registry.domain.errors import RegistryError

_KEY_BYTES = 32


class KeysUnusable(RegistryError):
    """The key file cannot be used."""


@dataclass(frozen=True)
class KeyRing:
    """The secret keys, newest first."""

    keys: tuple[bytes, ...]

    @property
    def current_id(self) -> str:
        """Which key new tokens are made with."""
        return _key_id(self.keys[0])

    def derive(self, purpose: str, key_id: str) -> bytes | None:
        """The key for one purpose under a key id; None when that key was taken out of the file."""
        key = next((key for key in self.keys if _key_id(key) == key_id), None)
        return _for_purpose(key, purpose) if key else None

    def derive_current(self, purpose: str) -> bytes:
        """The newest key for one purpose."""
        return _for_purpose(self.keys[0], purpose)

    def derive_each(self, purpose: str) -> tuple[bytes, ...]:
        """The keys for one purpose, newest first: what an older one has signed is still believed."""
        return tuple(_for_purpose(key, purpose) for key in self.keys)

    def signer(self, purpose: str) -> URLSafeSerializer:
        """Signs with the newest key and accepts every key of the file, without an expiry."""
        return _signer(self.keys, purpose)


def load_keys(path: Path) -> KeyRing:
    """Read the key file; make it, readable by its owner alone, when there is none."""
    try:
        if not path.exists():
            _create(path)
        keys = tuple(bytes.fromhex(line) for line in path.read_text().split())
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"security.key_file: {path} cannot be read as keys: {error}") from None
    if not keys or any(len(key) < _KEY_BYTES for key in keys):
        raise KeysUnusable(f"security.key_file: {path} must hold keys of {_KEY_BYTES} bytes in hexadecimal, one a line")
    return KeyRing(keys)


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    create_once(path, secrets.token_hex(_KEY_BYTES))


def create_once(path: Path, line: str) -> None:
    """Write a file under another name and link it into place: two processes that start at once share one."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@cache
def _signer(keys: tuple[bytes, ...], purpose: str) -> URLSafeSerializer:
    # Kept, because each page of a patient signs or checks a value.
    oldest_first = [_for_purpose(key, purpose) for key in reversed(keys)]
    return URLSafeSerializer(oldest_first, salt=purpose)


def _for_purpose(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode(), hashlib.sha256)


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"key id" + key).hexdigest()[:16]
