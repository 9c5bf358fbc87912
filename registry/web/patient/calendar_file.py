"""The next time as an entry for a patient's calendar: a whole day, and nothing that says why."""

from datetime import date, timedelta

from registry.storage.forms import Form
from registry.web.rendering import translated


def calendar_file(day: date, *, form: Form, hospital: str, language: str) -> bytes:
    """One all-day event, the same bytes at every download, so that a calendar replaces it instead of adding another."""
    # Only who asks for the file pays for the library.
    from icalendar import Calendar, Event

    event = Event()
    event.add("uid", f"{form.reference}@pain-registry")
    event.add("dtstamp", form.submitted_at)
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", translated("%(hospital)s will write to you", hospital=hospital), {"LANGUAGE": language})
    event.add("transp", "TRANSPARENT")
    calendar = Calendar()
    calendar.add("prodid", "-//pain-registry//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
