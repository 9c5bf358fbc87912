"""Which mails should leave, found day by day from the published rules and from nothing of the registry's own code."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.simulation.lives import BEGINS, DAYS, SITES, ZERO, Happening, Life, Outage, What

AFTER = {"M3": (3, 14, 45), "M6": (6, 14, 60), "M12": (12, 14, 90), "M24": (24, 14, 90)}

Mail = tuple[int, str, date]


def first_moments(outages: Sequence[Outage], site: str) -> dict[date, datetime]:
    """For each morning of sending, the first moment between nine and ten at which a scheduler runs, if there is one."""
    zone, found = ZoneInfo(SITES[site]), {}
    for offset in range(DAYS):
        day = BEGINS + timedelta(days=offset)
        if day.weekday() > 3:
            continue
        opens, closes = (datetime.combine(day, time(hour), zone).astimezone(UTC) for hour in (9, 10))
        moment = _first_alive(outages, opens)
        if moment < closes:
            found[day] = moment
    return found


def _first_alive(outages: Sequence[Outage], moment: datetime) -> datetime:
    minute = int((moment - ZERO).total_seconds() // 60)
    while down := [one.ends for one in outages if one.begins <= minute < one.ends]:
        minute = max(down)
    return ZERO + timedelta(minutes=minute)


@dataclass
class _Form:
    """One form of a patient: its days, the mails still to come, and those that went out."""

    opens: date
    due: date
    closes: date
    is_before: bool
    waiting: dict[int, date] = field(default_factory=dict)
    sent: dict[int, date] = field(default_factory=dict)


def expected(life: Life, mornings: dict[date, datetime]) -> set[Mail]:
    """Every mail that this patient should get: for which form, and on which day."""
    forms: dict[str, _Form] = {}
    found: set[Mail] = set()
    happened: list[Happening] = []
    to_come = list(life.happenings)
    for offset in range(DAYS):
        day = BEGINS + timedelta(days=offset)
        if day in mornings:
            for name, form in forms.items():
                if _takes_mail(form, name, happened, day):
                    found.add((life.number, name, day))
        while to_come and to_come[0].on == day:
            happening = to_come.pop(0)
            happened.append(happening)
            _plan(forms, happening, happened)
    return found


def _takes_mail(form: _Form, name: str, happened: list[Happening], day: date) -> bool:
    """Several mails that came due since the last morning are one; a mail that may not go is gone."""
    due = {number: on for number, on in form.waiting.items() if on <= day}
    for number in due:
        del form.waiting[number]
    if not due or _is_over(form, name, happened, day):
        return False
    form.sent[max(due)] = due[max(due)]
    return True


def _is_over(form: _Form, name: str, happened: list[Happening], day: date) -> bool:
    if any(one.what in (What.STOPPED, What.WITHDREW, What.DIED) for one in happened):
        return True
    if any(one.what == What.ANSWERED and one.timepoint == name and one.on >= form.opens for one in happened):
        return True
    return day > form.closes or (form.is_before and day >= form.due)


def _plan(forms: dict[str, _Form], happening: Happening, happened: list[Happening]) -> None:
    if happening.what == What.PUT_OFF:
        for form in forms.values():
            form.waiting.clear()
    if happening.what not in (What.PLANNED, What.OPERATED) or happening.day is None:
        return
    enrolled = happened[0].on
    day = happening.day
    before = _Form(day - timedelta(days=60), day, day, is_before=True)
    start = max(enrolled, before.opens)
    eve = [start + timedelta(days=offset) for offset in range(0, max(0, (day - start).days), 3)]
    _move(forms, "before", before, eve, happening.on)
    if happening.what == What.OPERATED:
        for name, (months, earlier, later) in AFTER.items():
            due = _months_later(day, months)
            form = _Form(due - timedelta(days=earlier), due, due + timedelta(days=later), is_before=False)
            _move(forms, name, form, [due + timedelta(days=days) for days in (0, 7, 14)], happening.on)


def _move(forms: dict[str, _Form], name: str, form: _Form, days: list[date], today: date) -> None:
    """A form on new days: what went out stays, what is to come is counted anew and never on the day itself.

    What has come due and waits for the next morning keeps its day when the new days have it too.
    """
    sent, due = (forms[name].sent, forms[name].waiting.values()) if name in forms else ({}, ())
    forms[name] = form
    form.sent = sent
    if form.closes < today:
        return
    is_begun = any(on >= form.opens for on in sent.values())
    first = max((number for number, on in sent.items() if form.is_before or on < form.opens), default=-1) + 1
    if form.is_before:
        # Every third day there is one, whichever it is; what is to come is counted on.
        days = [day for day in days if day not in sent.values() and not (is_begun and day <= today and day not in due)]
    wanted = {first + number: day for number, day in enumerate(days)}
    form.waiting = {
        number: day
        for number, day in wanted.items()
        if number not in sent and not (is_begun and day <= today and day not in due)
    }


def _months_later(day: date, months: int) -> date:
    """The same day of a later month, or that month's last."""
    total = day.year * 12 + day.month - 1 + months
    for number in range(day.day, 27, -1):
        try:
            return date(total // 12, total % 12 + 1, number)
        except ValueError:
            continue
    return date(total // 12, total % 12 + 1, day.day)
