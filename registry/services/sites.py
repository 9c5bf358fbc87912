"""Sites: a row for each that the configuration describes."""

from collections.abc import Iterable

from sqlmodel import Session, select

from registry.config import SiteSettings
from registry.storage.models import Site


def ensure_sites(session: Session, *, sites: Iterable[SiteSettings]) -> None:
    """Add a row for each configured site that has none; running it again changes nothing."""
    standing = set(session.exec(select(Site.code)))
    session.add_all(Site(code=site.code) for site in sites if site.code not in standing)
    session.flush()
