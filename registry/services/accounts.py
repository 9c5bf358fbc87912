"""Staff: their accounts, signing in and out, and the sessions in between."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, select

from registry.domain.actors import Actor, staff_member
from registry.domain.errors import InvalidInput, SignInRefused
from registry.domain.vocabularies import StaffRole
from registry.security.passwords import MAX_LENGTH, MIN_LENGTH, hash_password, is_password
from registry.security.tokens import random_secret, token_hash
from registry.services import audit
from registry.storage.models import Site, Staff, StaffSession
from registry.storage.models.base import table_of

_site = table_of(Site).c
_staff = table_of(Staff).c
_staff_session = table_of(StaffSession).c

# A session's last use is written down this often, not at every page.
NOTE_USE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class SessionLimits:
    """How long a session lasts when unused, and at most."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True)
class SignedIn:
    """The member of staff behind a request."""

    staff_id: int
    site_id: int
    site_code: str
    display_name: str
    role: StaffRole
    last_seen_at: datetime


def add_staff(
    session: Session,
    *,
    site_id: int,
    sign_in_name: str,
    display_name: str,
    password: str,
    role: StaffRole,
    by: Actor,
    now: datetime,
) -> Staff:
    """Give a person an account at one site."""
    problems = _problems_of_account(session, sign_in_name, password)
    if problems:
        raise InvalidInput(problems)
    staff = Staff(
        site_id=site_id,
        sign_in_name=sign_in_name,
        display_name=display_name,
        role=role,
        password_hash=hash_password(password),
        created_at=now,
    )
    session.add(staff)
    session.flush()
    audit.record(session, action="staff_added", subject="staff", subject_id=staff.id, by=by, now=now, role=role)
    return staff


def _problems_of_account(session: Session, sign_in_name: str, password: str) -> dict[str, str]:
    problems = {}
    if not sign_in_name.strip():
        problems["sign_in_name"] = "Enter a sign-in name"
    if session.exec(select(_staff.id).where(_staff.sign_in_name == sign_in_name)).first() is not None:
        problems["sign_in_name"] = f"The sign-in name {sign_in_name} is taken"
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        problems["password"] = f"The password must have {MIN_LENGTH} to {MAX_LENGTH} characters"
    return problems


def checked_staff(session: Session, *, sign_in_name: str, password: str) -> int:
    """Whose name and password these are; a wrong name and a wrong password look and last alike.

    Apart from `sign_in`, because a password takes long to check and patients must not wait for it to save.
    """
    staff = session.exec(select(Staff).where(_staff.sign_in_name == sign_in_name)).first()
    is_right = is_password(password, staff.password_hash if staff else None)
    if staff is None or not is_right or not staff.is_active:
        raise SignInRefused("The name or the password is not right")
    return staff.id


def sign_in(session: Session, *, staff_id: int, now: datetime) -> str:
    """Begin a session of somebody whose password was checked, and return its secret."""
    secret = random_secret()
    session.add(StaffSession(staff_id=staff_id, secret_hash=token_hash(secret), started_at=now, last_seen_at=now))
    audit.record(session, action="signed_in", subject="staff", subject_id=staff_id, by=staff_member(staff_id), now=now)
    return secret


def signed_in(session: Session, *, secret: str, limits: SessionLimits, now: datetime) -> SignedIn | None:
    """Who is behind a session's secret, unless it has ended, expired or the account was closed."""
    row = session.exec(
        select(StaffSession, Staff, Site)
        .join(Staff, _staff.id == _staff_session.staff_id)
        .join(Site, _site.id == _staff.site_id)
        .where(
            _staff_session.secret_hash == token_hash(secret),
            _staff_session.ended_at.is_(None),
            _staff_session.started_at > now - limits.longest,
            _staff_session.last_seen_at > now - limits.idle,
            _staff.is_active.is_(True),
        )
    ).first()
    if row is None:
        return None
    standing, staff, site = row
    return SignedIn(staff.id, staff.site_id, site.code, staff.display_name, staff.role, standing.last_seen_at)


def note_use(session: Session, *, secret: str, now: datetime) -> None:
    """Keep a session alive that is in use."""
    used = update(StaffSession).where(_staff_session.secret_hash == token_hash(secret))
    session.execute(used.values(last_seen_at=now))


def sign_out(session: Session, *, secret: str, by: Actor, now: datetime) -> None:
    """End a session; its cookie opens nothing any more."""
    ended = update(StaffSession).where(
        _staff_session.secret_hash == token_hash(secret), _staff_session.ended_at.is_(None)
    )
    session.execute(ended.values(ended_at=now))
    audit.record(session, action="signed_out", subject="staff", subject_id=int(by.reference), by=by, now=now)
