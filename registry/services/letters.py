"""What a mail says and which links it carries, put together from its rows."""

from collections.abc import Sequence
from datetime import date

from registry.config import Settings, SiteSettings
from registry.domain.ladder import MailKind, mail_kind
from registry.domain.schedule import last_late_day
from registry.mail.messages import Addressee, Letter
from registry.services.links import (
    IssuedLink,
    Issuing,
    Wanted,
    form_link,
    found_link,
    issue_each,
    late_link,
    preferences_link,
)
from registry.storage.due_mails import DueMail
from registry.storage.models import LinkPurpose, ReminderKind


def links_for(issuing: Issuing, mail: DueMail) -> tuple[IssuedLink, IssuedLink]:
    """The link to the form and the link to the patient's choices; the same ones in every mail of a ladder."""
    reminder, keys = mail.reminder, issuing.keys
    ids = {"patient_id": reminder.patient_id, "follow_up_id": reminder.follow_up_id}
    stop = found_link(keys, LinkPurpose.PREFERENCES, mail.stop)
    stop = stop or preferences_link(issuing, patient_id=reminder.patient_id)
    if reminder.kind == ReminderKind.FRESH_LINK:
        return late_link(issuing, **ids, late_until=_closes_on(mail)), stop
    return found_link(keys, LinkPurpose.FORM, mail.form) or form_link(issuing, **ids), stop


def form_link_ids(issuing: Issuing, mails: Sequence[DueMail]) -> dict[int, int]:
    """The link to the form for each mail of a ladder, by the mail's id; what links they lack are issued together."""
    stops = [_stop(mail) for mail in mails if mail.stop is None]
    issued = issue_each(issuing, [_form(mail) for mail in mails if mail.form is None] + stops)
    return {mail.reminder.id: mail.form.id if mail.form else issued[_form(mail)].id for mail in mails}


def _form(mail: DueMail) -> Wanted:
    return Wanted(LinkPurpose.FORM, mail.reminder.patient_id, mail.reminder.follow_up_id)


def _stop(mail: DueMail) -> Wanted:
    return Wanted(LinkPurpose.PREFERENCES, mail.reminder.patient_id)


def letter_for(mail: DueMail, site: SiteSettings, settings: Settings, form: IssuedLink, stop: IssuedLink) -> Letter:
    """A mail as data."""
    patient, contact, first = mail.patient, mail.contact, mail.ladder.first_sent_at
    return Letter(
        kind=_kind(mail),
        addressee=Addressee(
            contact.email or "", contact.family_name, contact.given_name, patient.sex, patient.language
        ),
        site=site,
        form_url=f"{settings.base_url}/s/{form.token}",
        stop_url=f"{settings.base_url}/m/{stop.token}",
        closes_on=_closes_on(mail),
        n_items=len(settings.protocol.items),
        first_written_on=first.astimezone(site.zone).date() if first else None,
        is_demo=settings.demo.enabled,
    )


def _closes_on(mail: DueMail) -> date:
    closes_on = mail.follow_up.closes_on
    return last_late_day(closes_on) if mail.reminder.kind == ReminderKind.FRESH_LINK else closes_on


def _kind(mail: DueMail) -> MailKind:
    if mail.reminder.kind == ReminderKind.FRESH_LINK:
        return MailKind.FRESH_LINK
    ladder = mail.ladder
    return mail_kind(is_first=ladder.first_sent_at is None, is_last=mail.reminder.rung == ladder.last_rung)
