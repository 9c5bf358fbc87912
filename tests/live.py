"""A registry that really listens: the application in a thread on a free loopback port, under a clock that tests set."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Thread

from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from registry.config import Settings
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
from registry.services.outbox import Dispatch, send_due_reminders
from registry.storage.database import Database
from registry.web.app import create_app
from tests.parts import CHROMIUM_MISSING, find_chromium, missing


@dataclass
class SetClock:
    """A clock that stands where a test puts it."""

    instant: datetime

    def __call__(self) -> datetime:
        """The instant."""
        return self.instant


@dataclass
class Live:
    """A running registry."""

    settings: Settings
    database: Database
    clock: SetClock

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.settings.base_url

    def send_reminders(self) -> dict[str, int]:
        """What the scheduler does every minute, once."""
        keys = load_keys(self.settings.security.key_file)
        with transport_of(self.settings.mail) as transport:
            dispatch = Dispatch(self.database, self.settings, keys, transport, self.clock)
            return dict(send_due_reminders(dispatch))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(settings: Settings, database: Database, now: datetime) -> Iterator[Live]:
    """Serve the pages until the test is over."""
    clock = SetClock(now)
    app = create_app(settings, clock=clock)
    server = make_server(settings.web.host, settings.web.port, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Live(settings, database, clock)
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
        app.extensions["registry"].database.dispose()


@contextmanager
def chromium(*switches: str) -> Iterator[Browser]:
    """A headless Chromium, with switches of its own."""
    program = find_chromium()
    if program is None:
        missing(CHROMIUM_MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *switches])
        try:
            yield browser
        finally:
            browser.close()
