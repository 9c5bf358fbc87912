"""The sign of life to a service outside: one GET after a sign without alarms, within its limit, and no secret told."""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from registry.config import Settings
from registry.config_notices import DigestSettings, HealthSettings
from registry.domain.sending_guard import Hold
from registry.scheduler import _scheduler_of, _Work
from registry.services import ping as ping_module
from registry.services.ping import ping
from registry.storage.database import Database
from tests.live import SetClock

SECRET = "5f2c9b1e-secret-id"


class Service(ThreadingHTTPServer):
    """A service that watches from outside, on this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str]] = []
        self.status, self.headers, self.drips = 200, dict[str, str](), False

    @property
    def url(self) -> str:
        """Where a check is told that all is well."""
        return f"http://127.0.0.1:{self.server_address[1]}/ping/{SECRET}?from=registry"

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [path for _, path in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path))
        try:
            if self.server.drips:
                self._drip()
            self.send_response(self.server.status)
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.end_headers()
        except OSError:
            self.close_connection = True

    def _drip(self) -> None:
        """A byte now and then, each within any limit of its own."""
        self.wfile.write(b"HTTP/1.1 200 ")
        for _ in range(100):
            time.sleep(0.05)
            self.wfile.write(b"x")
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield running
        running.shutdown()


def test_it_is_one_get_of_the_whole_address(service: Service) -> None:
    assert ping(service.url)
    assert service.asked == [("GET", f"/ping/{SECRET}?from=registry")]


def test_a_redirect_is_a_failure_and_is_not_followed(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.status, service.headers = 302, {"Location": "/elsewhere"}

    assert not ping(service.url)
    assert service.paths == [f"/ping/{SECRET}?from=registry"]
    assert "status 302" in caplog.text


def test_a_failure_is_logged_without_the_address(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.status = 500
    refused = service.url.replace(str(service.server_address[1]), "1")

    with caplog.at_level(logging.DEBUG):
        assert [ping(service.url), ping(refused)] == [False, False]

    assert ("status 500" in caplog.text, "ConnectionRefusedError" in caplog.text) == (True, True)
    assert (SECRET in caplog.text, "127.0.0.1" in caplog.text) == (False, False)


def test_a_server_that_never_comes_to_an_end_is_left_after_the_limit(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.drips = True
    begun = time.monotonic()

    assert not ping(service.url, limit_seconds=0.5)
    # Far below the for ever that the server takes, and far above what a busy machine needs.
    assert time.monotonic() - begun < 10
    assert "did not reach the service outside" in caplog.text


def test_what_a_connection_says_when_it_is_cut_was_not_said_in_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.drips = True
    cut = ping_module._cut

    def cut_and_let_the_thread_end(connection: HTTPConnection) -> None:
        cut(connection)
        time.sleep(0.3)

    monkeypatch.setattr(ping_module, "_cut", cut_and_let_the_thread_end)

    assert not ping(service.url, limit_seconds=0.3)


@pytest.fixture
def work(database: Database, settings: Settings, service: Service, now: datetime) -> Iterator[_Work]:
    health = HealthSettings(ping_url=service.url)
    found = _Work(settings.model_copy(update={"health": health}), SetClock(now), lambda: False)
    yield found
    found._database.dispose()


def test_each_sign_of_life_without_alarms_is_told_once(work: _Work, service: Service) -> None:
    work.ping()
    for _ in range(2):
        work.give_sign()
        work.ping()
        work.ping()

    assert len(service.asked) == 2


def test_with_an_alarm_nothing_is_told(work: _Work, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    work.give_sign()
    monkeypatch.setattr(work._guard, "hold", lambda: Hold.CLOCK_AHEAD)
    work.give_sign()
    work.ping()

    assert service.asked == []


def test_digest_and_ping_are_jobs_of_their_own_and_only_where_they_are_set(
    work: _Work, settings: Settings, now: datetime
) -> None:
    told = settings.model_copy(update={"digest": DigestSettings(to=("desk@example.org",))})
    other = _Work(told, SetClock(now), lambda: False)

    jobs = [{job.id for job in _scheduler_of(each).get_jobs()} for each in (work, other)]

    usual = {"dispatch reminders", "give a sign of life", "forget bounces", "refresh scores"}
    assert jobs == [usual | {"ping"}, usual | {"send digests"}]
    other._database.dispose()


def test_a_registry_that_may_not_send_sends_no_digest(
    database: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    monkeypatch.setattr("registry.scheduler.send_digests", lambda digesting: sent.append(digesting) or {})
    told = settings.model_copy(update={"digest": DigestSettings(to=("desk@example.org",))})
    work = _Work(told, SetClock(now + timedelta(0)), lambda: False)
    work.digest()
    monkeypatch.setattr(work._guard, "hold", lambda: Hold.ELSEWHERE)
    work.digest()
    work._database.dispose()

    assert len(sent) == 1
