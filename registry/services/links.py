"""Links in mails: the same link in every reminder, though only the hash of its token is stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import ColumnElement, bindparam, insert, literal_column, select, update
from sqlmodel import Session

from registry.domain.actors import Actor
from registry.domain.errors import Unknown
from registry.security.keys import KeyRing
from registry.security.tokens import is_token, link_token, random_id, token_hash
from registry.services import audit
from registry.storage.database import Rows
from registry.storage.due_mails import StandingLink
from registry.storage.models import AccessLink, LinkPurpose
from registry.storage.models.base import table_of
from registry.storage.prepared import Prepared

_access_link = table_of(AccessLink).c


@dataclass(frozen=True)
class IssuedLink:
    """A link with its token, as it is written into a mail."""

    id: int
    public_id: str
    token: str


@dataclass(frozen=True)
class Issuing:
    """What it takes to issue a link: the transaction, the keys, who acts, and when."""

    session: Rows
    keys: KeyRing
    by: Actor
    now: datetime


def _standing_where(purpose: LinkPurpose, *conditions: ColumnElement[bool]) -> Prepared:
    return Prepared(
        select(_access_link.id, _access_link.public_id, _access_link.purpose, _access_link.key_id)
        .where(_access_link.purpose == literal_column(f"'{purpose}'"), _access_link.revoked_at.is_(None), *conditions)
        .order_by(_access_link.id.desc())
    )


_OF_FORM = _access_link.follow_up_id == bindparam("follow_up_id")
_FORM = _standing_where(LinkPurpose.FORM, _OF_FORM, _access_link.late_until.is_(None))
_LATE = _standing_where(LinkPurpose.FORM, _OF_FORM, _access_link.late_until == bindparam("late_until"))
_PREFERENCES = _standing_where(LinkPurpose.PREFERENCES, _access_link.patient_id == bindparam("patient_id"))
_ISSUE = Prepared(insert(table_of(AccessLink)).returning(_access_link.id))


class Wanted(NamedTuple):
    """What a link is to open, and for whom."""

    purpose: LinkPurpose
    patient_id: int
    follow_up_id: int | None = None
    late_until: date | None = None


def form_link(issuing: Issuing, *, patient_id: int, follow_up_id: int) -> IssuedLink:
    """The link to the form of a follow-up: the one that was issued before, or a new one."""
    standing = _standing(issuing, _FORM, follow_up_id=follow_up_id)
    return standing or _issue(issuing, Wanted(LinkPurpose.FORM, patient_id, follow_up_id))


def late_link(issuing: Issuing, *, patient_id: int, follow_up_id: int, late_until: date) -> IssuedLink:
    """The link to a form whose window has closed, good until a later day."""
    standing = _standing(issuing, _LATE, follow_up_id=follow_up_id, late_until=late_until)
    return standing or _issue(issuing, Wanted(LinkPurpose.FORM, patient_id, follow_up_id, late_until))


def tablet_link(issuing: Issuing, *, patient_id: int, follow_up_id: int) -> IssuedLink:
    """A link of its own for one sitting at the hospital's tablet; its token is never shown."""
    return _issue(issuing, Wanted(LinkPurpose.TABLET, patient_id, follow_up_id))


def preferences_link(issuing: Issuing, *, patient_id: int) -> IssuedLink:
    """The link to a patient's e-mail preferences: the one that was issued before, or a new one."""
    standing = _standing(issuing, _PREFERENCES, patient_id=patient_id)
    return standing or _issue(issuing, Wanted(LinkPurpose.PREFERENCES, patient_id))


def found_link(keys: KeyRing, purpose: LinkPurpose, link: StandingLink | None) -> IssuedLink | None:
    """A link that was found together with other facts, with its token; None when that cannot be worked out any more."""
    key = _key(keys, purpose, link.key_id) if link else None
    return IssuedLink(link.id, link.public_id, link_token(key, link.public_id)) if link and key else None


def issue_each(issuing: Issuing, wanted: Iterable[Wanted]) -> dict[Wanted, IssuedLink]:
    """New links, one for each that is wanted, however often."""
    issued = {each: _new_link(issuing, each) for each in dict.fromkeys(wanted)}
    audit.record_each(
        issuing.session,
        action="link_issued",
        subject="access_link",
        subject_ids=[link.id for link in issued.values()],
        by=issuing.by,
        now=issuing.now,
    )
    return issued


def open_link(session: Session, *, token: str, purpose: LinkPurpose) -> str:
    """The public id behind a token; malformed, unknown and revoked ones look alike."""
    if not is_token(token):
        raise Unknown("no such link")
    row = session.execute(
        select(_access_link.public_id).where(
            _access_link.token_hash == token_hash(token),
            _access_link.purpose == purpose,
            _access_link.revoked_at.is_(None),
        )
    ).first()
    if row is None:
        raise Unknown("no such link")
    return str(row.public_id)


def revoke_links(session: Session, *, patient_id: int, by: Actor, now: datetime) -> None:
    """Close every link that a patient was issued so far; the next mail carries new ones."""
    standing = (_access_link.patient_id == patient_id, _access_link.revoked_at.is_(None))
    revoked = session.execute(update(AccessLink).where(*standing).values(revoked_at=now).returning(_access_link.id))
    n_links = len(revoked.all())
    audit.record(
        session, action="links_revoked", subject="patient", subject_id=patient_id, by=by, now=now, n_links=n_links
    )


def end_sittings(session: Rows, *, follow_up_id: int, by: Actor, now: datetime) -> None:
    """Close the links of all sittings at a tablet for a form: a page that was left in one must not undo the last."""
    of_form = (_access_link.follow_up_id == follow_up_id, _access_link.purpose == LinkPurpose.TABLET)
    ended = update(AccessLink).where(*of_form, _access_link.revoked_at.is_(None)).values(revoked_at=now)
    for row in session.execute(ended.returning(_access_link.id)):
        audit.record(session, action="sitting_ended", subject="access_link", subject_id=row.id, by=by, now=now)


def _standing(issuing: Issuing, links: Prepared, **of: int | date) -> IssuedLink | None:
    """The newest link that still opens and whose token can still be worked out."""
    for row in links.all(issuing.session, of):
        key = _key(issuing.keys, row.purpose, row.key_id)
        if key is not None:
            return IssuedLink(row.id, row.public_id, link_token(key, row.public_id))
    return None


def _issue(issuing: Issuing, wanted: Wanted) -> IssuedLink:
    return issue_each(issuing, (wanted,))[wanted]


def _new_link(issuing: Issuing, wanted: Wanted) -> IssuedLink:
    public_id, key_id = random_id(), issuing.keys.current_id
    token = link_token(issuing.keys.derive_current(wanted.purpose), public_id)
    made = {"public_id": public_id, "key_id": key_id, "token_hash": token_hash(token), "issued_at": issuing.now}
    ((link_id,),) = _ISSUE.all(issuing.session, made | wanted._asdict())
    return IssuedLink(link_id, public_id, token)


@lru_cache(maxsize=64)
def _key(keys: KeyRing, purpose: str, key_id: str) -> bytes | None:
    # Kept, because each mail has two links.
    return keys.derive(purpose, key_id)
