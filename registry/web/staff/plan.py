"""What goes out in the coming days, and what does not and why: `registry reminders plan` as a page."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, render_template, request

from registry.domain.calendar import add_days
from registry.services.forecast import Forecast, forecast
from registry.web.staff.access import require_staff, site, staff
from registry.web.state import state, today

blueprint = Blueprint("plan", __name__, url_prefix="/plan")
blueprint.before_request(require_staff)

DAYS = 60
MOST_ROWS = 100


@dataclass(frozen=True)
class Place:
    """Where a page begins: a day, and how many of its mails stood on the page before."""

    day: date
    n_before: int = 0


@blueprint.get("")
def shown() -> str:
    """One page of the mails of the coming days, from the day in the address on."""
    day = today(site())
    place = Place(
        max(request.args.get("from", day, date.fromisoformat), day), max(request.args.get("after", 0, int), 0)
    )
    hours = state().settings.sending_hours
    with (
        state().database.reading() as session,
        closing(forecast(session, site_id=staff().site_id, hours=hours, today=day, days=DAYS)) as found,
    ):
        mails, following = _page(found, place)
    values = {"mails": mails, "following": following, "place": place, "today": day}
    return render_template("plan/list.html", until=add_days(day, DAYS), **values)


def _page(found: Iterable[Forecast], place: Place) -> tuple[list[Forecast], Place | None]:
    """The mails from a place on, and where the next page begins; what comes after it is not read."""
    mails: list[Forecast] = []
    here = Place(place.day)
    for mail in found:
        here = Place(mail.leaves_on, here.n_before + 1 if mail.leaves_on == here.day else 1)
        if mail.leaves_on < place.day or (mail.leaves_on == place.day and here.n_before <= place.n_before):
            continue
        if len(mails) == MOST_ROWS:
            return mails, Place(here.day, here.n_before - 1)
        mails.append(mail)
    return mails, None
