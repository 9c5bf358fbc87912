"""What commands share: the configuration, the database and its site."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError

from registry.config import Settings, load_settings
from registry.domain.errors import RegistryError
from registry.storage.database import Database
from registry.storage.enrolments import site_codes, site_id_of
from registry.storage.migrating import is_current


class NotReady(RegistryError):
    """The database has not been brought to this version."""


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--config FILE`, and the settings read from it as its first argument."""

    @click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path),
        default=Path("config.toml"),
        show_default=True,
        help="The configuration file.",
    )
    def configured(config: Path, **arguments: Any) -> None:
        command(load_settings(config), **arguments)

    configured.__doc__ = command.__doc__
    configured.__name__ = command.__name__
    # Options declared on the command itself were collected on the inner function.
    configured.__click_params__ = [  # type: ignore[attr-defined]
        *configured.__click_params__,  # type: ignore[attr-defined]
        *getattr(command, "__click_params__", []),
    ]
    return configured


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database, at the schema of this version."""
    with reachable(settings) as database:
        if not is_current(database):
            raise NotReady("the database is not at this version; run `registry database upgrade` first")
        _check_sites(database, settings)
        yield database


@contextmanager
def reachable(settings: Settings) -> Iterator[Database]:
    """The database at whatever schema; one that cannot be opened or does not answer is said in one line."""
    try:
        database = Database(settings.database.url)
    except (ArgumentError, OSError) as error:
        raise NotReady(f"the database cannot be opened: {str(error).splitlines()[0]}") from None
    try:
        yield database
    except DatabaseError as error:
        if isinstance(error, IntegrityError):
            raise
        raise NotReady(f"the database does not answer: {str(error.orig).splitlines()[0]}") from None
    finally:
        database.dispose()


def _check_sites(database: Database, settings: Settings) -> None:
    """Every site that has rows must be described: a mail without its hospital's name cannot be written."""
    with database.reading() as session:
        for code in site_codes(session):
            settings.site(code)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, for work that counts what is done and how much there is; silent elsewhere."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield progress


def site_code(settings: Settings, code: str | None) -> str:
    """The site that was named, or the only one there is."""
    if code is not None:
        return settings.site(code).code
    if len(settings.sites) > 1:
        raise RegistryError(f"there are several sites; name one with --site ({_codes(settings)})")
    return settings.sites[0].code


def site_row(database: Database, code: str) -> int:
    """The row of a site."""
    with database.reading() as session:
        found = site_id_of(session, code=code)
    if found is None:
        raise NotReady(f"the database does not know site {code}; run `registry database upgrade`")
    return found


def _codes(settings: Settings) -> str:
    return ", ".join(site.code for site in settings.sites)
