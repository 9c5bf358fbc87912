"""The digest to staff: once for each site and working day, whatever happens on the way, and with nobody's name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from threading import Barrier, Thread

import pytest
from sqlmodel import select

from registry.config import Settings
from registry.config_notices import DigestSettings
from registry.mail.transport import OutcomeUnknown, Refused, TryLater, transport_of
from registry.security.keys import KeyRing
from registry.services.digest import Digesting, send_digests
from registry.services.sites import ensure_sites
from registry.storage.database import Database
from registry.storage.models import Digest, DigestState
from tests.factories import make_operation, make_patient
from tests.integration.test_outbox import Desk, MemoryTransport

HALF_PAST_EIGHT = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)  # of Friday, 20 November, in Tokyo
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
AT_RISK_ON = date(2026, 11, 24)


class Office(Desk):
    """A registry whose staff get a digest, with a baseline at risk."""

    def __init__(self, database: Database, settings: Settings, keys: KeyRing, now: datetime, *to: str) -> None:
        digest = DigestSettings(to=to or ("desk@example.org",), at=time(8, 30))
        super().__init__(database, settings.model_copy(update={"digest": digest}), keys, now)

    def send(self, at: datetime = HALF_PAST_EIGHT, transport: MemoryTransport | None = None) -> dict[str, int]:
        clock: Callable[[], datetime] = lambda: at  # noqa: E731
        return dict(send_digests(Digesting(self.database, self.settings, transport or self.transport, clock)))

    def digests(self) -> list[Digest]:
        with self.database.reading() as session:
            return list(session.exec(select(Digest).order_by(Digest.id)))


@pytest.fixture
def office(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Office:
    found = Office(database, settings, keys, now)
    found.enrol(operated_on=None, planned_on=AT_RISK_ON, study_id="K-001")
    return found


class Killed(BaseException):
    """The process ends here."""


def killed(_: object) -> None:
    raise Killed


def test_it_goes_out_once_a_day_with_counts_and_study_ids_alone(office: Office) -> None:
    office.enrol(study_id="K-002", email="")
    outcomes = [office.send(HALF_PAST_EIGHT + minutes * MINUTE) for minutes in (-1, 0, 1, 180)]

    (mail,) = office.transport.mails
    text = mail.get_content()
    assert outcomes == [{}, {"sent": 1}, {}, {}]
    assert office.transport.recipients == ["desk@example.org"]
    assert mail["Subject"] == "[Registry DEMO] 1 baseline at risk, 1 call"
    assert "K-001  before, due 2026-11-24" in text
    assert "K-002  M3, due 2026-11-20" in text
    assert f"{office.settings.base_url}/phone-queue" in text
    assert [word for word in ("Mihon", "Hanako", "example.org", "06-1111") if word in text] == []


def test_the_next_working_day_has_its_own(office: Office) -> None:
    days = [office.send(HALF_PAST_EIGHT + days * 24 * HOUR) for days in range(4)]

    assert days == [{"sent": 1}, {}, {}, {"sent": 1}]
    assert [found.day for found in office.digests()] == [date(2026, 11, 20), date(2026, 11, 23)]


def test_nothing_to_do_is_no_mail_and_is_not_looked_at_again(
    database: Database, settings: Settings, keys: KeyRing, now: datetime
) -> None:
    office = Office(database, settings, keys, now)
    first = office.send()
    office.enrol(operated_on=None, planned_on=AT_RISK_ON)

    assert (first, office.send(HALF_PAST_EIGHT + HOUR), office.transport.mails) == ({"empty": 1}, {}, [])


def test_two_schedulers_at_once_send_one(office: Office) -> None:
    barrier, transports = Barrier(6), [MemoryTransport() for _ in range(6)]
    databases = [Database(office.settings.database.url) for _ in transports]

    def run(database: Database, transport: MemoryTransport) -> None:
        barrier.wait()
        send_digests(Digesting(database, office.settings, transport, lambda: HALF_PAST_EIGHT))

    threads = [Thread(target=run, args=both) for both in zip(databases, transports, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.dispose()

    assert sum(len(transport.mails) for transport in transports) == 1
    assert [found.state for found in office.digests()] == [DigestState.SENT]


def test_two_schedulers_that_find_one_put_off_send_one(office: Office) -> None:
    office.transport.failures = [TryLater("451 later")]
    office.send()
    barrier, transports = Barrier(2), [MemoryTransport(), MemoryTransport()]
    later = HALF_PAST_EIGHT + HOUR

    def run(transport: MemoryTransport) -> None:
        barrier.wait()
        office.send(later, transport)

    threads = [Thread(target=run, args=(transport,)) for transport in transports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(len(transport.mails) for transport in transports) == 1


def test_one_that_died_between_row_and_mail_is_taken_up_after_its_lease(office: Office) -> None:
    office.transport.on_send = killed
    with pytest.raises(Killed):
        office.send()
    office.transport.on_send = lambda _: None

    early, late = office.send(HALF_PAST_EIGHT + 29 * MINUTE), office.send(HALF_PAST_EIGHT + 30 * MINUTE)

    assert (early, late, len(office.transport.mails)) == ({}, {"sent": 1}, 1)
    assert [found.n_attempts for found in office.digests()] == [2]


def test_one_that_kills_each_process_is_tried_four_times(office: Office) -> None:
    office.transport.on_send = killed
    died_at = []
    for minutes in range(0, 210, 5):
        try:
            office.send(HALF_PAST_EIGHT + minutes * MINUTE)
        except Killed:
            died_at.append(minutes)

    assert died_at == [0, 30, 60, 90]
    assert office.send(HALF_PAST_EIGHT + 4 * HOUR) == {"given_up": 1}


def test_a_slow_server_costs_no_claim(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> None:
    office = Office(database, settings, keys, now, "a@example.org", "b@example.org", "c@example.org")
    office.enrol(operated_on=None, planned_on=AT_RISK_ON)
    clock, others = [HALF_PAST_EIGHT], list[dict[str, int]]()

    def slowly(_: object) -> None:
        clock[0] += 20 * MINUTE
        others.append(office.send(clock[0], MemoryTransport()))

    office.transport.on_send = slowly
    outcomes = send_digests(Digesting(office.database, office.settings, office.transport, lambda: clock[0]))

    assert (dict(outcomes), others) == ({"sent": 1}, [{}, {}, {}])


def test_whoever_comes_back_after_its_lease_marks_nothing(office: Office) -> None:
    """A slow process finds that another one has claimed the digest meanwhile."""
    second: list[dict[str, int]] = []

    def another(_: object) -> None:
        office.transport.on_send = lambda _: None
        other = MemoryTransport()
        other.failures = [TryLater("451 later")]
        second.append(office.send(HALF_PAST_EIGHT + HOUR, other))

    office.transport.on_send = another

    assert (office.send(), second) == ({"lost_claim": 1}, [{"put_off": 1}])
    assert [(found.state, found.settled) for found in office.digests()] == [(DigestState.PUT_OFF, [])]


def test_whoever_comes_back_while_another_one_is_at_it_marks_nothing(office: Office) -> None:
    def another(_: object) -> None:
        other = MemoryTransport()
        other.on_send = killed
        with pytest.raises(Killed):
            office.send(HALF_PAST_EIGHT + HOUR, other)

    office.transport.on_send = another

    assert office.send() == {"lost_claim": 1}
    assert [(found.state, found.n_attempts) for found in office.digests()] == [(DigestState.CLAIMED, 2)]


def test_a_server_that_asks_for_patience_is_asked_four_times(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.transport.failures = [TryLater("451 desk@example.org later")] * 9
    tries = [office.send(HALF_PAST_EIGHT + minutes * MINUTE) for minutes in range(0, 210, 5)]

    assert [minutes * 5 for minutes, each in enumerate(tries) if each] == [0, 15, 45, 105]
    assert [found.state for found in office.digests()] == [DigestState.GIVEN_UP]
    assert "Digest given up: site=DEMO after 4 attempts" in caplog.text
    assert "example.org" not in caplog.text


def test_what_was_put_off_goes_out_later_in_the_morning_as_the_same_mail(office: Office) -> None:
    office.transport.failures = [TryLater("451 later")]

    outcomes = [office.send(), office.send(HALF_PAST_EIGHT + 15 * MINUTE), office.send(HALF_PAST_EIGHT + HOUR)]

    assert outcomes == [{"put_off": 1}, {"sent": 1}, {}]
    assert len({mail["Message-ID"] for mail in office.transport.mails}) == 1


def test_at_noon_it_is_given_up_and_the_log_says_so(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.transport.failures = [TryLater("451 later")]
    before = office.send(HALF_PAST_EIGHT + 3 * HOUR + 20 * MINUTE)
    noon = [office.send(HALF_PAST_EIGHT + 3 * HOUR + minutes * MINUTE) for minutes in (30, 35, 36)]

    assert (before, noon) == ({"put_off": 1}, [{}, {"given_up": 1}, {}])
    assert "Digest given up: site=DEMO day=2026-11-20" in caplog.text
    assert len(office.transport.mails) == 1


def test_one_of_yesterday_is_never_sent(office: Office) -> None:
    office.transport.failures = [TryLater("451 later")]
    office.send()

    assert office.send(HALF_PAST_EIGHT + 72 * HOUR) == {"given_up": 1, "sent": 1}
    assert "2026-11-23" in office.transport.mails[-1].get_content()


@pytest.mark.parametrize("failure", [Refused("550 no"), OutcomeUnknown("lost")])
def test_a_copy_that_was_refused_or_may_have_arrived_is_not_sent_again(office: Office, failure: Exception) -> None:
    office.transport.failures = [failure]

    assert (office.send(), office.send(HALF_PAST_EIGHT + HOUR)) == ({"sent": 1}, {})


def test_who_has_a_copy_gets_no_second_one_when_another_has_to_wait(
    database: Database, settings: Settings, keys: KeyRing, now: datetime
) -> None:
    office = Office(database, settings, keys, now, "a@example.org", "b@example.org", "c@example.org")
    office.enrol(operated_on=None, planned_on=AT_RISK_ON)
    office.transport.on_send = lambda mail: (
        office.transport.failures.append(TryLater("451 later")) if mail["To"] == "b@example.org" else None
    )
    office.send()
    office.transport.on_send = lambda _: None
    office.send(HALF_PAST_EIGHT + HOUR)

    assert office.transport.recipients == ["a@example.org", "b@example.org", "c@example.org", "b@example.org"]


def test_each_site_has_its_own_on_its_own_clock(office: Office) -> None:
    berlin = office.settings.sites[0].model_copy(update={"code": "BER", "time_zone": "Europe/Berlin"})
    office.settings = office.settings.model_copy(update={"sites": (*office.settings.sites, berlin)})
    with office.database.transaction() as session:
        ensure_sites(session, sites=[berlin])
    with office.database.transaction() as session:
        patient = make_patient(session, now=office.now, site_code="BER", study_id="B-001")
        today = office.now.date()
        make_operation(session, patient, office.settings, now=office.now, today=today, planned_on=AT_RISK_ON)

    tokyo, eight = office.send(), HALF_PAST_EIGHT + 8 * HOUR
    german = office.send(eight)

    first, second = (mail.get_content() for mail in office.transport.mails)
    assert (tokyo, german) == ({"sent": 1}, {"sent": 1})
    assert ("K-001" in first, "B-001" in first, "K-001" in second, "B-001" in second) == (True, False, False, True)


def test_it_leaves_into_the_folder_where_there_is_no_mail_server(office: Office) -> None:
    with transport_of(office.settings.mail) as transport:
        send_digests(replace(_digesting(office), transport=transport))

    assert len(list(office.settings.mail.folder.glob("*.eml"))) == 1


def _digesting(office: Office) -> Digesting:
    return Digesting(office.database, office.settings, office.transport, lambda: HALF_PAST_EIGHT)
