"""The next time as an entry for a patient's calendar: a whole day, and nothing that says why."""

from dataclasses import dataclass
from datetime import date, timedelta

from registry.storage.forms import Form
from registry.web.rendering import translated


@dataclass(frozen=True)
class CalendarEntry:
    """The day, the hospital's name, whether it will write, and the language of the words."""

    day: date
    hospital: str
    has_emails: bool
    language: str


def calendar_file(entry: CalendarEntry, *, form: Form) -> bytes:
    """One all-day event, the same bytes at every download, so that a calendar replaces it instead of adding another."""
    # Only who asks for the file pays for the library.
    from icalendar import Calendar, Event

    event = Event()
    event.add("uid", f"{form.reference}@follow-up")
    event.add("dtstamp", form.submitted_at)
    event.add("dtstart", entry.day)
    event.add("dtend", entry.day + timedelta(days=1))
    event.add("summary", _summary(entry), {"LANGUAGE": entry.language})
    event.add("transp", "TRANSPARENT")
    calendar = Calendar()
    calendar.add("prodid", "-//follow-up//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _summary(entry: CalendarEntry) -> str:
    if entry.has_emails:
        return translated("%(hospital)s will write to you", hospital=entry.hospital)
    return translated("Get in touch with %(hospital)s", hospital=entry.hospital)
