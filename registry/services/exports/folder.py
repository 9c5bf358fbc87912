"""The folder of an export: made under another name beside its place, and given its name once all of it is there."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from registry.domain.errors import RegistryError


class ExportRefused(RegistryError):
    """Nothing was exported; the text says why and what to do."""


def refuse_unfit(folder: Path) -> None:
    """An export never adds to a folder that holds something, and makes no folders above its own."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ExportRefused(f"{folder} is not a folder; name one that is empty or not there yet")
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise ExportRefused(f"{folder} is not empty; name a folder that is empty or not there yet")
    except OSError as error:
        raise ExportRefused(f"{folder} cannot be read: {error.strerror}") from None
    if not folder.absolute().parent.is_dir():
        raise ExportRefused(f"there is no folder {folder.absolute().parent}")


@contextmanager
def draft_beside(folder: Path) -> Iterator[Path]:
    """An empty folder that only its owner may open, beside the other one, gone at the end unless it got its name."""
    # Not the path as it was typed: the name of "." is empty.
    place = folder.absolute()
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        draft.mkdir(mode=0o700)
        yield draft
    except OSError as error:
        raise ExportRefused(f"{folder} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def give_name(draft: Path, folder: Path) -> None:
    """Give the draft its name in one step, which fails where somebody has put a file into the folder meanwhile."""
    for path in (*sorted(draft.iterdir()), draft):
        _to_disk(path)
    try:
        draft.rename(folder.absolute())
    except OSError as error:
        refuse_unfit(folder)
        raise ExportRefused(f"{folder} cannot be written: {error.strerror}") from None
    _to_disk(folder.absolute().parent)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that only its owner may read, and that was not there before."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        yield file


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
