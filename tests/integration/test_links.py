"""The same link in every mail, opened by nobody else, and never stored."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from registry.config import Settings
from registry.domain.actors import Actor
from registry.domain.errors import Unknown
from registry.security.keys import KeyRing, load_keys
from registry.security.tokens import is_token, token_hash
from registry.services import links
from registry.services.links import IssuedLink, Issuing
from registry.storage.database import Database
from registry.storage.models import AccessLink, AuditEvent, FollowUp, LinkPurpose
from tests.factories import make_operation, make_patient

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Desk:
    """One patient with follow-ups, and the shortest ways to issue and open links."""

    def __init__(self, session: Session, keys: KeyRing, settings: Settings, by: Actor, now: datetime) -> None:
        self.session, self.keys, self.by, self.now = session, keys, by, now
        self.patient = make_patient(session, now=now)
        make_operation(session, self.patient, settings, now=now, today=now.date(), operated_on=date(2025, 11, 20))
        follow_ups = session.exec(select(FollowUp)).all()
        self.follow_ups = {follow_up.timepoint: follow_up.id for follow_up in follow_ups}

    def form(self, timepoint: str = "M12", *, keys: KeyRing | None = None) -> IssuedLink:
        issuing = Issuing(self.session, keys or self.keys, self.by, self.now)
        return links.form_link(issuing, patient_id=self.patient.id, follow_up_id=self.follow_ups[timepoint])

    def preferences(self) -> IssuedLink:
        issuing = Issuing(self.session, self.keys, self.by, self.now)
        return links.preferences_link(issuing, patient_id=self.patient.id)

    def open(self, token: str, purpose: LinkPurpose = LinkPurpose.FORM) -> str:
        return links.open_link(self.session, token=token, purpose=purpose)

    def row(self, link: IssuedLink) -> AccessLink:
        return self.session.get_one(AccessLink, link.id)


@pytest.fixture
def desk(database: Database, keys: KeyRing, settings: Settings, by: Actor, now: datetime) -> Iterator[Desk]:
    with database.transaction() as session:
        yield Desk(session, keys, settings, by, now)


def test_a_link_opens_its_form(desk: Desk) -> None:
    link = desk.form()

    assert desk.open(link.token) == desk.row(link).public_id


def test_every_mail_of_a_form_carries_the_same_link(desk: Desk) -> None:
    assert desk.form() == desk.form()


def test_every_form_has_a_link_of_its_own(desk: Desk) -> None:
    assert len({desk.form(timepoint).token for timepoint in desk.follow_ups}) == 5


def test_every_mail_of_a_patient_carries_the_same_stop_link(desk: Desk) -> None:
    assert desk.preferences() == desk.preferences()


def test_patients_have_stop_links_of_their_own(desk: Desk) -> None:
    first = desk.preferences()
    desk.patient = make_patient(desk.session, now=desk.now)

    assert desk.preferences().token != first.token


def test_a_link_opens_for_its_purpose_only(desk: Desk) -> None:
    form, preferences = desk.form(), desk.preferences()

    for token, purpose in ((form.token, LinkPurpose.PREFERENCES), (preferences.token, LinkPurpose.FORM)):
        with pytest.raises(Unknown):
            desk.open(token, purpose)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + ".",
        lambda token: token.upper(),
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: "0" * 26,
        lambda token: token + "\x00",
        token_hash,
    ],
)
def test_malformed_and_unknown_tokens_look_alike(desk: Desk, mangle: object) -> None:
    assert callable(mangle)
    token = desk.form().token

    with pytest.raises(Unknown, match=r"^no such link$"):
        desk.open(mangle(token))


def test_a_revoked_link_looks_unknown(desk: Desk) -> None:
    link = desk.form()
    links.revoke_links(desk.session, patient_id=desk.patient.id, by=desk.by, now=desk.now)

    with pytest.raises(Unknown, match=r"^no such link$"):
        desk.open(link.token)


def test_after_a_revocation_the_next_mail_carries_a_new_link(desk: Desk) -> None:
    old = desk.form()
    links.revoke_links(desk.session, patient_id=desk.patient.id, by=desk.by, now=desk.now)

    new = desk.form()

    assert new.token != old.token
    assert desk.open(new.token) == desk.row(new).public_id


def test_opening_a_link_writes_nothing(desk: Desk) -> None:
    link = desk.form()
    desk.session.flush()
    before = desk.session.exec(select(AuditEvent)).all()

    for _ in range(3):
        desk.open(link.token)

    assert desk.session.exec(select(AuditEvent)).all() == before
    assert not desk.session.dirty


# What is stored


def test_only_the_hash_of_a_token_is_stored(desk: Desk) -> None:
    link = desk.form()

    assert is_token(link.token)
    assert desk.row(link).token_hash == token_hash(link.token)


@on_sqlite
def test_no_file_of_the_database_holds_a_token(
    database: Database, keys: KeyRing, settings: Settings, by: Actor, now: datetime, tmp_path: Path
) -> None:
    with database.transaction() as session:
        desk = Desk(session, keys, settings, by, now)
        tokens = [desk.form().token, desk.preferences().token]
        public_id = desk.row(desk.form()).public_id
    with database.reading() as session:
        session.execute(text("SELECT 1"))

    content = b"".join(path.read_bytes() for path in tmp_path.glob("registry.db*"))

    assert public_id.encode() in content
    assert [token for token in tokens if token.encode() in content] == []


def test_the_audit_trail_holds_no_token(desk: Desk) -> None:
    link = desk.form()

    events = desk.session.exec(select(AuditEvent).where(AuditEvent.subject == "access_link")).all()

    assert [(event.action, event.subject_id, event.details) for event in events] == [("link_issued", link.id, {})]


def test_a_link_is_audited_once_however_many_mails_carry_it(desk: Desk) -> None:
    for _ in range(3):
        desk.form()

    found = desk.session.exec(select(AuditEvent).where(AuditEvent.action == "link_issued")).all()

    assert len(found) == 1


def test_a_revocation_is_audited(desk: Desk) -> None:
    desk.form()
    links.revoke_links(desk.session, patient_id=desk.patient.id, by=desk.by, now=desk.now)

    (found,) = desk.session.exec(select(AuditEvent).where(AuditEvent.action == "links_revoked")).all()

    assert (found.subject, found.subject_id, found.details) == ("patient", desk.patient.id, {"n_links": 1})


# Rotation of the key


def rotated(path: Path) -> KeyRing:
    path.write_text("ab" * 32 + "\n" + path.read_text())
    return load_keys(path)


def test_a_link_from_before_a_rotation_stays_the_same(desk: Desk, settings: Settings) -> None:
    before = desk.form()

    assert desk.form(keys=rotated(settings.security.key_file)) == before


def test_a_link_from_before_a_rotation_still_opens(desk: Desk, settings: Settings) -> None:
    link = desk.form()
    desk.keys = rotated(settings.security.key_file)

    assert desk.open(link.token) == desk.row(link).public_id


def test_a_link_after_a_rotation_uses_the_new_key(desk: Desk, settings: Settings) -> None:
    keys = rotated(settings.security.key_file)

    assert desk.row(desk.form(keys=keys)).key_id == keys.current_id != desk.keys.current_id


def test_when_the_old_key_is_gone_a_new_link_is_issued_and_the_old_still_opens(desk: Desk) -> None:
    old = desk.form()

    new = desk.form(keys=KeyRing((b"x" * 32,)))

    assert new.token != old.token
    assert desk.open(old.token) == desk.row(old).public_id
