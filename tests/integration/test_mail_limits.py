"""How many mails leave at once: the provider's limit, and the pause while the server wants none of ours."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier, Lock

import pytest
from sqlalchemy import select, update

from registry.config import Settings
from registry.mail.outgoing import Outgoing
from registry.mail.transport import MailFailure, Refused, TryLater, Unreachable, Unwelcome
from registry.security.keys import KeyRing
from registry.services import mail_limits, outbox
from registry.services.mail_limits import LONGEST_PAUSE, SHORTEST_PAUSE, held_until
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database
from registry.storage.models import Patient, Reminder, ReminderState
from registry.storage.models.people import Site
from tests.integration.test_outbox import Desk, MemoryTransport, many_due

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SPAM = Unwelcome("554 5.7.1 rejected as spam")


@pytest.fixture
def desk(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    return Desk(database, settings, keys, now)


def with_mail(desk: Desk, **changes: object) -> None:
    desk.settings = desk.settings.model_copy(update={"mail": desk.settings.mail.model_copy(update=changes)})


def due(desk: Desk, n: int) -> None:
    desk.write(lambda session: many_due(session, n, desk.now))


# Several at once


class CountingTransport(MemoryTransport):
    """Keeps count of how many mails are on their way at once."""

    def __init__(self, wait: Callable[[], object]) -> None:
        super().__init__()
        self._lock, self._wait = Lock(), wait
        self.n_now = self.most = 0

    def send(self, message: Outgoing, *, recipient: str, sender: str) -> None:
        with self._lock:
            self.n_now += 1
            self.most = max(self.most, self.n_now)
        self._wait()
        with self._lock:
            self.recipients.append(recipient)
            self.n_now -= 1


def test_so_many_mails_leave_at_once_and_each_leaves_once(desk: Desk) -> None:
    due(desk, 60)
    with_mail(desk, host="127.0.0.1", connections=3)
    together = Barrier(3)
    desk.transport = CountingTransport(lambda: together.wait(timeout=20))

    outcome = desk.run()

    assert outcome == {"accepted": 60}
    assert (desk.transport.most, len(set(desk.transport.recipients))) == (3, 60)


def test_what_stops_one_of_several_stops_all_after_the_mail_on_its_way(desk: Desk) -> None:
    due(desk, 60)
    with_mail(desk, host="127.0.0.1", connections=3)
    desk.transport.failures = [KeyboardInterrupt()]

    with pytest.raises(KeyboardInterrupt):
        desk.run()

    states = Counter(row.state for row in desk.rows())
    assert states[ReminderState.SENDING] == 1
    assert states[ReminderState.PLANNED] >= 20


# A mail that was given back is what it was


def test_a_second_attempt_that_was_given_back_is_still_one(desk: Desk) -> None:
    for number in range(2):
        desk.enrol(email=f"p{number}@example.org")
    desk.transport.failures = [TryLater("451 later"), TryLater("451 later")]
    desk.run()
    later = desk.now + HOUR
    stopped: list[object] = []
    desk.transport.on_send = stopped.append
    clock = lambda: later  # noqa: E731
    send_due_reminders(
        Dispatch(desk.database, desk.settings, desk.keys, desk.transport, clock, is_stopping=lambda: bool(stopped))
    )

    states = sorted(row.state for row in desk.rows() if row.rung == 0)
    assert states == [ReminderState.ACCEPTED, ReminderState.DEFERRED]


# So many an hour


def sent_by(desk: Desk, times: list[datetime]) -> list[int]:
    """How many mails had left altogether after each run."""
    found = []
    for at in times:
        desk.run(at)
        found.append(len(desk.transport.recipients))
    return found


def test_no_more_than_so_many_leave_in_any_hour(desk: Desk) -> None:
    due(desk, 60)
    with_mail(desk, most_per_hour=25)

    assert sent_by(desk, [desk.now + MINUTE * minutes for minutes in (0, 1, 30, 59, 60, 61, 119, 121)]) == [
        25, 25, 25, 25, 50, 50, 50, 60,
    ]  # fmt: skip


def test_without_a_limit_all_leave_at_once(desk: Desk) -> None:
    due(desk, 60)

    assert sent_by(desk, [desk.now]) == [60]


def test_mails_that_another_process_holds_count_as_well(desk: Desk) -> None:
    due(desk, 60)
    with_mail(desk, most_per_hour=25)
    other = Dispatch(desk.database, desk.settings, desk.keys, MemoryTransport(), lambda: desk.now)
    seen: list[int] = []

    def look_beside(_message: object) -> None:
        if not seen:
            seen.append(0)
            seen.append(sum(send_due_reminders(other).values()))

    desk.transport.on_send = look_beside
    mine = sum(desk.run().values())

    assert mine + seen[1] == 25


def test_without_counting_what_others_hold_more_would_leave(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the one before."""
    monkeypatch.setattr(mail_limits.mail_limits, "left_by_site", lambda _rows, **_: Counter())
    due(desk, 60)
    with_mail(desk, most_per_hour=25)

    assert sent_by(desk, [desk.now])[0] > 25


def test_a_hospital_with_many_mails_leaves_room_for_another(desk: Desk) -> None:
    due(desk, 200)
    with desk.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        other = session.execute(select(Site.id).where(Site.code == "OTHER")).scalar_one()
        last = select(Patient.id).order_by(Patient.id.desc()).limit(20)  # type: ignore[attr-defined]
        session.execute(update(Patient).where(Patient.id.in_(last)).values(site_id=other))  # type: ignore[attr-defined]
    sites = (*desk.settings.sites, desk.settings.sites[0].model_copy(update={"code": "OTHER"}))
    desk.settings = desk.settings.model_copy(update={"sites": sites})
    with_mail(desk, most_per_hour=40)

    desk.run()

    ids = sorted(int(recipient[1:].partition("@")[0]) for recipient in desk.transport.recipients)
    assert (len(ids), sum(each >= 1180 for each in ids)) == (40, 20)


# While the server wants none of our mails


def held(desk: Desk) -> datetime | None:
    with desk.database.look() as rows:
        return held_until(rows)


def refuse(desk: Desk, failure: MailFailure, n: int) -> None:
    desk.transport.failures = [failure] * n


def test_after_three_refusals_for_our_own_sake_no_other_mail_leaves(desk: Desk) -> None:
    due(desk, 60)
    refuse(desk, SPAM, 100)

    outcome = desk.run()

    assert outcome == {"deferred": 3}
    assert held(desk) == desk.now + SHORTEST_PAUSE
    assert Counter(row.state for row in desk.rows()) == {ReminderState.DEFERRED: 3, ReminderState.PLANNED: 57}


def test_refused_addresses_hold_nobody_up(desk: Desk) -> None:
    due(desk, 60)
    refuse(desk, Refused("550 5.1.1 no such user"), 10)

    assert desk.run() == {"rejected": 10, "accepted": 50}
    assert held(desk) is None


def test_a_mail_between_them_that_is_taken_ends_the_row(desk: Desk) -> None:
    due(desk, 60)
    desk.transport.failures = [SPAM, SPAM]
    desk.run(desk.now)

    assert held(desk) is None
    assert len(desk.transport.recipients) == 60


def test_in_a_pause_nothing_leaves_and_after_it_one_mail_asks(desk: Desk) -> None:
    due(desk, 60)
    refuse(desk, SPAM, 100)
    desk.run()

    times = [desk.now + MINUTE * minutes for minutes in (1, 14, 15, 16, 29, 30, 31)]
    assert [sum(desk.run(at).values()) for at in times] == [0, 0, 1, 0, 0, 1, 0]


def test_pauses_grow_with_the_trouble_up_to_six_hours(desk: Desk) -> None:
    due(desk, 60)
    refuse(desk, SPAM, 1000)
    pauses, at = [], desk.now
    for _ in range(10):
        desk.run(at)
        until = held(desk)
        assert until is not None
        pauses.append(until - at)
        at = until

    assert pauses[:4] == [SHORTEST_PAUSE, SHORTEST_PAUSE, 2 * SHORTEST_PAUSE, 4 * SHORTEST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_mail_that_is_taken_after_a_pause_lets_all_others_leave(desk: Desk) -> None:
    due(desk, 60)
    refuse(desk, SPAM, 3)
    desk.run()

    desk.run(desk.now + HOUR)

    assert held(desk) is None
    assert Counter(row.state for row in desk.rows()) == {ReminderState.ACCEPTED: 60}


def test_without_the_pause_every_patients_mail_would_be_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    monkeypatch.setattr(outbox, "most_in_trouble", lambda _rows, usual, **_: usual)
    due(desk, 60)
    refuse(desk, SPAM, 100)

    assert desk.run() == {"deferred": 60}


def test_a_mail_of_ours_that_nobody_wanted_for_five_days_is_given_up(desk: Desk) -> None:
    desk.enrol()
    at = desk.now
    for _ in range(60):
        desk.transport.failures = [SPAM]
        desk.run(at)
        row = desk.rows()[0]
        if row.next_attempt_at is None:
            break
        at = row.next_attempt_at

    assert desk.rows()[0].state == ReminderState.REJECTED


def test_waits_are_longer_by_chance_and_by_no_more_than_a_quarter(desk: Desk) -> None:
    due(desk, 3)
    chances = iter((0.0, 0.5, 1.0))
    refuse(desk, SPAM, 3)
    send_due_reminders(
        Dispatch(
            desk.database, desk.settings, desk.keys, desk.transport, lambda: desk.now, chance=lambda: next(chances)
        )
    )

    waits = sorted(row.next_attempt_at - desk.now for row in desk.rows() if row.next_attempt_at)
    assert waits == [timedelta(seconds=seconds) for seconds in (300, 337.5, 375)]


def test_a_server_that_cannot_be_reached_is_asked_once_at_each_look_and_keeps_nobody_else(desk: Desk) -> None:
    with_mail(desk, connections=1)
    due(desk, 5)
    desk.transport.failures = [Unreachable("ConnectionRefusedError")] * 2

    first, second = desk.run(), desk.run(desk.now + MINUTE)
    third = desk.run(desk.now + 2 * MINUTE)

    assert (first, second) == ({ReminderState.DEFERRED: 1}, {ReminderState.DEFERRED: 1})
    assert third == {ReminderState.ACCEPTED: 3}


def test_a_mail_of_unknown_fate_that_was_planned_anew_is_not_lost_when_its_batch_is_given_back(desk: Desk) -> None:
    with_mail(desk, connections=1)
    due(desk, 2)
    desk.write(lambda session: session.execute(update(Reminder).values(failed_at=desk.now - HOUR)))
    desk.transport.failures = [Unreachable("ConnectionRefusedError")]
    desk.run()

    for hours in range(1, 30):
        desk.run(desk.now + hours * HOUR)

    assert len({*desk.transport.recipients}) == 2
    assert {row.state for row in desk.rows("M3")} == {ReminderState.ACCEPTED}
