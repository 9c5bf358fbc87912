"""What a mail says and which links it carries, put together from its rows."""

from datetime import date

from registry.config import Settings, SiteSettings
from registry.domain.ladder import MailKind, mail_kind
from registry.domain.schedule import last_late_day
from registry.mail.messages import Addressee, Letter
from registry.services.links import IssuedLink, Issuing, form_link, late_link, preferences_link
from registry.storage.due_mails import DueMail
from registry.storage.models import ReminderKind


def links_for(issuing: Issuing, mail: DueMail) -> tuple[IssuedLink, IssuedLink]:
    """The link to the form and the link to the patient's choices; the same ones in every mail of a ladder."""
    reminder = mail.reminder
    stop = preferences_link(issuing, patient_id=reminder.patient_id)
    ids = {"patient_id": reminder.patient_id, "follow_up_id": reminder.follow_up_id}
    if reminder.kind == ReminderKind.FRESH_LINK:
        return late_link(issuing, **ids, late_until=_closes_on(mail)), stop
    return form_link(issuing, **ids), stop


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
