"""Each kind of mail to an invented patient: for staff to read, and to send to themselves as a test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from registry.config import Settings, SiteSettings
from registry.domain.actors import Actor
from registry.domain.calendar import add_days
from registry.domain.ladder import MailKind
from registry.domain.vocabularies import Sex
from registry.mail.messages import Addressee, Letter, written_reminder
from registry.mail.outgoing import Outgoing
from registry.mail.transport import MailFailure, OutcomeUnknown, Transport
from registry.mail.writing import UnsafeHeader, header, safe
from registry.security.tokens import TOKEN_LENGTH, random_id
from registry.services import audit
from registry.storage.database import Database

TEST = "[TEST]"
"""What the subject of a test begins with, in either language."""
_NOBODY = "hanako@example.org"
_NAMES = {"en": ("Mihon", "Hanako"), "ja": ("見本", "花子")}
# Written as a token is, so that the mail looks as it will; no link has it.
_OPENS_NOTHING = "0" * TOKEN_LENGTH
_DAYS = 14


@dataclass(frozen=True)
class Tested:
    """How many test mails the server took, and why it did not take the others."""

    n_taken: int
    problem: str


def sample(settings: Settings, site: SiteSettings, *, kind: MailKind, language: str, now: datetime) -> Outgoing:
    """A mail as it would be written today to somebody who does not exist."""
    return _written(settings, site, kind, Addressee(_NOBODY, *_NAMES[language], Sex.FEMALE, language), now)


def send_test(
    database: Database,
    transport: Transport,
    settings: Settings,
    site: SiteSettings,
    *,
    recipient: str,
    language: str,
    by: Actor,
    now: datetime,
) -> Tested:
    """Send every kind of mail in a language to one address, outside every transaction; no reminder knows of it.

    The audit trail tells that it was done and what came of it, not to which address.
    """
    tested = _sent(transport, settings, site, Addressee(recipient, *_NAMES[language], Sex.FEMALE, language), now)
    facts: dict[str, str | int | bool] = {"language": language, "n_taken": tested.n_taken}
    facts["is_refused"] = bool(tested.problem)
    with database.transaction() as session:
        audit.record(
            session, action="test_mails_sent", subject="staff", subject_id=int(by.reference), by=by, now=now, **facts
        )
    return tested


def _sent(transport: Transport, settings: Settings, site: SiteSettings, addressee: Addressee, now: datetime) -> Tested:
    n_taken = 0
    try:
        for message in _tests(settings, site, addressee, now):
            transport.send(message, recipient=addressee.email, sender=settings.mail.sender)
            n_taken += 1
    except OutcomeUnknown as failure:
        return Tested(n_taken, f"It is not known whether the mail server took the test: {failure}")
    except MailFailure as failure:
        return Tested(n_taken, f"The mail server did not take the test: {failure}")
    except UnsafeHeader as failure:
        return Tested(n_taken, f"No mail can be written to this address: {failure}")
    return Tested(n_taken, "")


def _tests(settings: Settings, site: SiteSettings, addressee: Addressee, now: datetime) -> Sequence[Outgoing]:
    """All are written before the first one leaves."""
    return [_marked(_written(settings, site, kind, addressee, now)) for kind in MailKind]


def _written(settings: Settings, site: SiteSettings, kind: MailKind, addressee: Addressee, now: datetime) -> Outgoing:
    today = now.astimezone(site.zone).date()
    letter = Letter(
        kind=kind,
        addressee=addressee,
        site=site,
        form_url=f"{settings.base_url}/s/{_OPENS_NOTHING}",
        stop_url=f"{settings.base_url}/m/{_OPENS_NOTHING}",
        closes_on=add_days(today, _DAYS),
        n_items=len(settings.protocol.items),
        first_written_on=add_days(today, -_DAYS),
        is_demo=settings.demo.enabled,
    )
    message_id = f"<{random_id(20)}@{settings.mail.sender.rpartition('@')[2]}>"
    return written_reminder(letter, settings=settings.mail, message_id=message_id, now=now)


def _marked(message: Outgoing) -> Outgoing:
    """The same mail under a subject that says what it is."""
    _, found, rest = message.content.partition(b"\r\nFrom:")
    subject = header("Subject", safe(f"{TEST} {message.parsed()['Subject']}"))
    return replace(message, content=subject + found.removeprefix(b"\r\n") + rest)
