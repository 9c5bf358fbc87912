"""Rules that find impossible values; each problem is a field and a sentence."""

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta

from registry.domain.calendar import add_months
from registry.domain.vocabularies import OperationState, Suspicion

OLDEST_AGE = 120
FURTHEST_PLAN_MONTHS = 24

# Nobody reads three questions in three seconds, and few open a mail within a minute of its sending.
_FEWEST_ANSWERS = 3
_FASTEST = timedelta(seconds=3)
_SOONEST = timedelta(seconds=60)

Problem = tuple[str, str]

_STUDY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,39}")


def problems_of_birth(birth_year: int | None, born_on: date | None, *, today: date) -> Iterator[Problem]:
    """A year of birth that nobody living has, or a date of birth in another year."""
    if birth_year is not None and not today.year - OLDEST_AGE <= birth_year <= today.year:
        yield "birth_year", f"Enter a year from {today.year - OLDEST_AGE} to {today.year}"
    if born_on is not None and birth_year is not None and born_on.year != birth_year:
        yield "born_on", f"The date of birth is not in {birth_year}; correct one of the two"
    if born_on is not None and born_on > today:
        yield "born_on", "The date of birth is in the future"


def is_study_id(text: str) -> bool:
    """Whether a text can be a study ID: letters, digits and signs without blanks, so that no name slips in."""
    return _STUDY_ID.fullmatch(text) is not None


def earliest_birth(birth_year: int, born_on: date | None) -> date:
    """The day of birth, or the first on which somebody of that year can have been born."""
    return born_on or date(birth_year, 1, 1)


def problems_of_operation(
    *,
    state: OperationState,
    planned_on: date | None,
    operated_on: date | None,
    born_on: date,
    today: date,
) -> Iterator[Problem]:
    """A state without its day, a day before birth, a performed operation in the future, a plan years away."""
    if state == OperationState.PERFORMED and operated_on is None:
        yield "operated_on", "Enter the day of the operation"
    if state == OperationState.PLANNED and planned_on is None:
        yield "planned_on", "Enter the day for which the operation is planned"
    if state != OperationState.PERFORMED and operated_on is not None:
        yield "operated_on", "Only a performed operation has a day of operation"
    for field, day in (("planned_on", planned_on), ("operated_on", operated_on)):
        if day is not None and day < born_on:
            yield field, f"This day is before the patient was born ({born_on.year})"
    if operated_on is not None and operated_on > today:
        yield "operated_on", "This day is in the future; record the operation as planned"
    if planned_on is not None and planned_on > add_months(today, FURTHEST_PLAN_MONTHS):
        yield "planned_on", f"This day is more than {FURTHEST_PLAN_MONTHS} months ahead"


def problems_of_day(field: str, day: date | None, *, earliest: date | None, today: date) -> Iterator[Problem]:
    """A day in the future, or before the day on which it could first happen."""
    if day is not None and day > today:
        yield field, "This day is in the future"
    if day is not None and earliest is not None and day < earliest:
        yield field, f"This day is before {earliest.isoformat()}"


def suspicion_of(*, recorded_at: Iterable[datetime], mailed_at: datetime | None, now: datetime) -> Suspicion | None:
    """Why an answer given now may come from a program: a third one within seconds, or one right after the mail."""
    n_just_now = sum(_is_within(earlier, now, _FASTEST) for earlier in recorded_at)
    if n_just_now + 1 >= _FEWEST_ANSWERS:
        return Suspicion.TOO_FAST
    if mailed_at is not None and _is_within(mailed_at, now, _SOONEST):
        return Suspicion.RIGHT_AFTER_MAIL
    return None


def moments_in_doubt(
    recorded_at: Iterable[datetime], *, suspected_at: datetime, mailed_at: Collection[datetime] = ()
) -> frozenset[datetime]:
    """When answers came in the visit that raised a suspicion, and in every other as quick, or as soon after a mail."""
    visits = _visits([*recorded_at, suspected_at])
    in_doubt = (visit for visit in visits if suspected_at in visit or _is_hasty(visit, mailed_at))
    return frozenset(moment for visit in in_doubt for moment in visit)


def _visits(moments: Iterable[datetime]) -> Iterator[list[datetime]]:
    """The moments in their order, parted wherever a minute passed without any."""
    visit: list[datetime] = []
    for moment in sorted(moments):
        if visit and moment - visit[-1] >= _SOONEST:
            yield visit
            visit = []
        visit.append(moment)
    yield visit


def _is_hasty(visit: list[datetime], mailed_at: Iterable[datetime]) -> bool:
    if any(_is_within(mailed, visit[0], _SOONEST) for mailed in mailed_at):
        return True
    return any(suspicion_of(recorded_at=visit, mailed_at=None, now=moment) for moment in visit)


def is_of_one_visit(*, decided_at: datetime, recorded_at: Iterable[datetime]) -> bool:
    """Whether answers came so soon before or after a decision that whoever gave them had taken it, too."""
    return any(abs(answered - decided_at) < _SOONEST for answered in recorded_at)


def _is_within(earlier: datetime, now: datetime, limit: timedelta) -> bool:
    """Whether little time has passed; none at all says only that the clock of a demonstration stands still."""
    return timedelta(0) < now - earlier < limit
