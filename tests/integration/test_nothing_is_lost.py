"""However often a patient presses the button, one answer stands, every version is kept, and no typed answer is lost."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as walking
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from werkzeug.test import Client

from registry.config import Settings, load_settings
from registry.security.keys import KeyRing, load_keys
from registry.services.links import Issuing, form_link
from registry.storage.database import Database
from registry.web.app import create_app
from registry.web.patient import form as form_pages
from tests.conftest import ROOT
from tests.factories import BY, make_operation, make_patient, words_read
from tests.journeys.processes import answers, run, running, wait_until
from tests.live import SetClock
from tests.opened import OPERATED_ON, Opened

ITEMS = ("low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb")
FORM_TYPE = "application/x-www-form-urlencoded"
VERSIONS = text(
    "SELECT item, version, score, superseded_at IS NULL FROM answer JOIN assessment ON assessment.id = assessment_id "
    "JOIN access_link USING (follow_up_id) WHERE public_id = :public_id ORDER BY item, version"
)


def versions(database: Database, form_path: str) -> list[tuple[str, int, int | None, bool]]:
    """Every version of every answer of a form: item, number, score, and whether it stands."""
    with database.reading() as session:
        found = session.execute(VERSIONS, {"public_id": form_path.rpartition("/")[2]})
        return [(item, version, score, bool(stands)) for item, version, score, stands in found]


def at_once(n: int, act: Callable[[int], int]) -> list[int]:
    """Do something n times at the same moment."""
    together = Barrier(n)

    def one(number: int) -> int:
        together.wait(timeout=30)
        return act(number)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))


def a_browser(opened: Opened) -> Client:
    """A browser of its own, without a cookie."""
    return opened.client.application.test_client()


# Pressed at once, or once more


@pytest.mark.parametrize("n", [2, 8, 64])
def test_the_same_answer_sent_at_once_is_one_record(opened: Opened, n: int) -> None:
    data = {"key": opened.key(), "vas_low_back": "47"}

    codes = at_once(n, lambda _: a_browser(opened).post(f"{opened.form_path}/q/1", data=data).status_code)

    assert codes == [303] * n
    assert versions(opened.database, opened.form_path) == [("low_back", 1, 47, True)]
    assert opened.value("SELECT count(*) FROM assessment") == 1


@pytest.mark.parametrize("n", [2, 24])
def test_different_answers_sent_at_once_are_all_kept_and_one_stands(opened: Opened, n: int) -> None:
    key = opened.key()

    def send(number: int) -> int:
        data = {"key": key, "vas_low_back": str(number)}
        return a_browser(opened).post(f"{opened.form_path}/q/1", data=data).status_code

    codes = at_once(n, send)

    found = versions(opened.database, opened.form_path)
    assert codes == [303] * n
    assert [version for _, version, _, _ in found] == list(range(1, n + 1))
    assert {score for _, _, score, _ in found} == set(range(n))
    assert [stands for *_, stands in found] == [False] * (n - 1) + [True]


@pytest.mark.parametrize("n", [2, 16])
def test_a_form_sent_at_once_is_sent_once(opened: Opened, n: int) -> None:
    opened.answer_everything()
    data = {"key": opened.key(), "respondent": "self"}

    codes = at_once(n, lambda _: a_browser(opened).post(f"{opened.form_path}/check", data=data).status_code)

    assert codes == [303] * n
    assert opened.value("SELECT count(*) FROM audit_event WHERE action = 'answers_sent'") == 1


def test_going_back_and_sending_another_answer_keeps_both(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back="47")
    shown = 'value="47"' in opened.page("/q/1")

    opened.send("/q/1", vas_low_back="52")

    assert shown
    assert versions(opened.database, opened.form_path) == [("low_back", 1, 47, False), ("low_back", 2, 52, True)]
    assert 'value="52"' in opened.page("/q/1")


def test_two_tabs_lose_nothing_of_each_other(opened: Opened) -> None:
    key = opened.key()
    pages = [f"{opened.form_path}/q/{number}" for number in (1, 2)]
    first, second = opened.client, opened.client

    first.post(pages[0], data={"key": key, "vas_low_back": "10"})
    second.post(pages[0], data={"key": key, "vas_low_back": "20"})
    second.post(pages[1], data={"key": key, "vas_leg_pain": "30"})
    first.post(pages[1], data={"key": key, "skip_leg_pain": "yes"})

    assert versions(opened.database, opened.form_path) == [
        ("leg_pain", 1, 30, False),
        ("leg_pain", 2, None, True),
        ("low_back", 1, 10, False),
        ("low_back", 2, 20, True),
    ]


def test_two_devices_go_on_where_the_other_stopped(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back="47")
    tablet = a_browser(opened)

    tablet.get(opened.path, follow_redirects=True)
    begun = tablet.post(f"{opened.form_path}/start", data={"key": opened.key()})
    tablet.post(f"{opened.form_path}/q/2", data={"key": opened.key(), "vas_leg_pain": "12"})

    assert begun.headers["Location"] == f"{opened.form_path}/q/2"
    assert (
        opened.client.post(f"{opened.form_path}/start", data={"key": opened.key()}).headers["Location"].endswith("/q/3")
    )


# Left open


@pytest.mark.parametrize("away", [timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30)])
@pytest.mark.parametrize("has_cookie", [True, False])
def test_a_page_left_open_over_a_restart_and_a_new_key_is_saved(
    opened: Opened, settings: Settings, away: timedelta, has_cookie: bool
) -> None:
    key, cookie = opened.key(), opened.follow().request.headers["Cookie"]
    rotate(settings.security.key_file)
    restarted = create_app(settings, clock=SetClock(opened.clock() + away))
    headers = {"Cookie": cookie} if has_cookie else {}

    response = restarted.test_client(use_cookies=False).post(
        f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "47"}, headers=headers
    )

    assert (response.status_code, response.headers["Location"]) == (303, f"{opened.form_path}/q/2")
    assert versions(opened.database, opened.form_path) == [("low_back", 1, 47, True)]
    restarted.extensions["registry"].database.dispose()


def rotate(key_file: Path) -> None:
    """Put a new key first in the file, as the operator's guide says."""
    key_file.write_text(os.urandom(32).hex() + "\n" + key_file.read_text())


def test_a_page_whose_key_was_taken_out_of_the_file_is_not_taken(opened: Opened, settings: Settings) -> None:
    """The negative control of the new key."""
    key = opened.key()
    settings.security.key_file.write_text(os.urandom(32).hex() + "\n")
    restarted = create_app(settings, clock=opened.clock)

    response = restarted.test_client().post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "47"})

    assert (response.status_code, versions(opened.database, opened.form_path)) == (404, [])
    restarted.extensions["registry"].database.dispose()


def test_a_page_left_open_over_the_close_is_kept_as_late(opened: Opened) -> None:
    key = opened.key()
    opened.clock.instant += timedelta(days=60)

    saved = opened.client.post(f"{opened.form_path}/q/2", data={"key": key, "vas_leg_pain": "12"})
    after = opened.client.get(saved.headers["Location"])

    assert (saved.status_code, after.status_code) == (303, 410)
    assert "What you have already answered is kept." in after.get_data(as_text=True)
    assert versions(opened.database, opened.form_path) == [("leg_pain", 1, 12, True)]


def test_a_late_answer_never_takes_the_place_of_one_given_in_time(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back="47")
    key = opened.key()
    opened.clock.instant += timedelta(days=60)

    for score in ("12", "12", "47", "12", "13"):
        opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": score})

    assert versions(opened.database, opened.form_path) == [
        ("low_back", 1, 47, True),
        ("low_back", 2, 12, False),
        ("low_back", 3, 13, False),
    ]


def test_more_than_thirty_days_after_the_close_nothing_is_taken_and_nothing_saved_is_touched(opened: Opened) -> None:
    opened.send("/q/1", vas_low_back="47")
    key, before = opened.key(), opened.rows()
    opened.clock.instant += timedelta(days=90)

    codes = [
        opened.client.post(f"{opened.form_path}{path}", data={"key": key, **data}).status_code
        for path, data in (("/q/2", {"vas_leg_pain": "12"}), ("/q/2", {}), ("/regions", {"region": "nowhere"}))
    ]

    assert codes == [410] * 3
    assert opened.rows() == before


# The server is killed before it answers


@pytest.fixture
def door(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, now: datetime
) -> Iterator[tuple[Database, str, str]]:
    """A registry that no process serves yet: its database, a form's address and the signed field of its pages."""
    environment["REGISTRY_DEMO_NOW"] = now.isoformat()
    for name in [name for name in environment if name.startswith("REGISTRY_")]:
        monkeypatch.setenv(name, environment[name])
    assert run(["database", "upgrade"], environment).returncode == 0
    found = load_settings(ROOT / "config.toml")
    database, keys = Database(found.database.url), load_keys(found.security.key_file)
    public_id, _ = issue(database, found, keys, now, has_consented=True)
    yield database, f"/form/{public_id}", keys.signer("form key").dumps(public_id)
    database.dispose()


def issue(
    database: Database,
    found: Settings,
    keys: KeyRing,
    now: datetime,
    *,
    has_consented: bool,
    operated_on: date = OPERATED_ON,
) -> tuple[str, str]:
    """A patient whose form three months after the operation is open: its public id and its token."""
    with database.transaction() as session:
        patient = make_patient(session, now=now, has_consented=has_consented)
        operation = make_operation(session, patient, found, now=now, today=now.date(), operated_on=operated_on)
        statement = text("SELECT id FROM follow_up WHERE operation_id = :id AND timepoint = 'M3'")
        follow_up_id = session.execute(statement, {"id": operation.id}).scalar_one()
        link = form_link(Issuing(session, keys, BY, now), patient_id=patient.id, follow_up_id=follow_up_id)
        return link.public_id, link.token


def _post_without_reading(port: int, path: str, data: dict[str, str]) -> socket.socket:
    body = urlencode(data)
    sender = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {FORM_TYPE}\r\n"
    sender.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return sender


@pytest.mark.parametrize("n_kills", [2, pytest.param(40, marks=pytest.mark.long)])
def test_an_answer_whose_reply_was_lost_with_the_server_is_one_record_after_the_retry(
    environment: dict[str, str], door: tuple[Database, str, str], n_kills: int
) -> None:
    database, form_path, key = door
    port = int(environment["REGISTRY_WEB_PORT"])
    expected = []
    for number in range(n_kills):
        data = {"key": key, "vas_low_back": str(number)}
        expected.append(("low_back", number + 1, number, True))
        with running("serve", environment) as process:
            wait_until(lambda: answers(environment))
            with _post_without_reading(port, f"{form_path}/q/1", data):
                _wait_for(lambda n=number: len(versions(database, form_path)) == n + 1)
                os.killpg(process.pid, signal.SIGKILL)
        with running("serve", environment):
            wait_until(lambda: answers(environment))
            retry = HTTPConnection("127.0.0.1", port, timeout=30)
            retry.request("POST", f"{form_path}/q/1", urlencode(data), {"Content-Type": FORM_TYPE})
            assert retry.getresponse().status == 303
            retry.close()

    found = versions(database, form_path)
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    assert [stands for *_, stands in found] == [False] * (n_kills - 1) + [True]


def _wait_for(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < ends, "the answer was not committed in time"
        time.sleep(0.001)


# Everything a patient can do, in any order


class Model:
    """What a form should hold: the standing decision, every version of each answer, and whether it was sent."""

    def __init__(self) -> None:
        self.agreed: bool | None = None
        self.n_decisions = 0
        self.answers: dict[str, list[tuple[int | None, bool]]] = {}
        self.is_sent = self.is_closed = False

    def decide(self, is_yes: bool) -> None:
        """Agree or refuse; the same again changes nothing."""
        if not self.is_closed and self.agreed is not is_yes:
            self.agreed = is_yes
            self.n_decisions += 1

    def answer(self, item: str, score: int | None) -> None:
        """A score, or None to skip; what stands, or came last, changes nothing again; after the close it is late."""
        given = self.answers.get(item, [])
        if self.agreed and not (given and score in (given[self.standing(item)][0], given[-1][0])):
            self.answers[item] = [*given, (score, self.is_closed)]

    def standing(self, item: str) -> int:
        """Which version stands: the last one given in time, or the last one if all are late."""
        given = self.answers[item]
        return max((place for place, (_, is_late) in enumerate(given) if not is_late), default=len(given) - 1)

    def send(self) -> None:
        """Send what is complete."""
        if self.agreed and len(self.answers) == len(ITEMS):
            self.is_sent = True

    def versions(self) -> list[tuple[str, int, int | None, bool]]:
        """What the database should say."""
        return [
            (item, place + 1, score, place == self.standing(item))
            for item, given in sorted(self.answers.items())
            for place, (score, _) in enumerate(given)
        ]


class Device:
    """A browser that keeps its cookies when the server is restarted, and the signed field of the first page it saw."""

    def __init__(self, browser: Client, key: str) -> None:
        self.browser, self.key = browser, key


class PatientsForm(RuleBasedStateMachine):
    """A patient at a form, beside the model of it."""

    database: Database
    found: Settings
    start: datetime

    def __init__(self) -> None:
        super().__init__()
        self.model, self.clock = Model(), SetClock(self.start)
        self.served = create_app(self.found, clock=self.clock)
        keys = load_keys(self.found.security.key_file)
        public_id, token = issue(self.database, self.found, keys, self.start, has_consented=False)
        self.public_id, self.link, self.path = public_id, f"/s/{token}", f"/form/{public_id}"
        self.devices: list[Device] = []
        self.new_device()

    def teardown(self) -> None:
        """Let go of the server's connections."""
        self.served.extensions["registry"].database.dispose()

    @rule()
    def new_device(self) -> None:
        """Open the link in another browser."""
        browser = Client(lambda environ, begin: self.served(environ, begin))
        page = browser.get(self.link, follow_redirects=True).get_data(as_text=True)
        found = re.search(r'name="key" value="([^"]+)"', page)
        assert found is not None
        self.devices = [*self.devices[-2:], Device(browser, found.group(1))]

    @rule(device=st.integers(0, 2))
    def open_link(self, device: int) -> None:
        """Open the link again."""
        response = self._at(device).browser.get(self.link, follow_redirects=True)
        # The receipt is shown after the close, too.
        assert response.status_code == (410 if self.model.is_closed and not self.model.is_sent else 200)

    @rule(device=st.integers(0, 2), is_yes=st.sampled_from([True, True, True, False]))
    def decide(self, device: int, is_yes: bool) -> None:
        """Agree or refuse."""
        self._send(device, "/consent", consent="agree" if is_yes else "disagree", words=words_read(self.found))
        self.model.decide(is_yes)

    @rule(device=st.integers(0, 2), number=st.integers(1, 6), score=st.one_of(st.none(), st.sampled_from([0, 47, 100])))
    def answer(self, device: int, number: int, score: int | None) -> None:
        """Answer, change or skip a question."""
        item = ITEMS[number - 1]
        field = {f"skip_{item}": "yes"} if score is None else {f"vas_{item}": str(score)}
        self._send(device, f"/q/{number}", **field)
        self.model.answer(item, score)

    @rule(device=st.integers(0, 2), score=st.sampled_from([0, 47, 100]))
    def answer_everything(self, device: int, score: int) -> None:
        """Answer all questions alike."""
        for number in range(1, 7):
            self.answer(device, number, score)

    @rule(device=st.integers(0, 2), number=st.integers(1, 6))
    def go_back(self, device: int, number: int) -> None:
        """Look at a question again: what stands is what it shows."""
        response = self._at(device).browser.get(f"{self.path}/q/{number}", follow_redirects=True)
        item = ITEMS[number - 1]
        standing = self.model.answers[item][self.model.standing(item)][0] if item in self.model.answers else None
        if response.request.path.endswith(f"/q/{number}") and response.status_code == 200:
            shown = re.search(r'name="vas_\w+"[^>]*value="(\d*)"', response.get_data(as_text=True), re.DOTALL)
            assert shown is not None
            assert shown.group(1) == ("" if standing is None else str(standing))

    @rule(device=st.integers(0, 2), respondent=st.sampled_from(["self", "helped", "proxy", ""]))
    def send(self, device: int, respondent: str) -> None:
        """Send, once or again."""
        self._send(device, "/check", respondent=respondent)
        if respondent:
            self.model.send()

    @rule(device=st.integers(0, 2), language=st.sampled_from(["en", "ja"]))
    def switch_language(self, device: int, language: str) -> None:
        """Read it in the other language."""
        self._send(device, "/language", language=language)

    @rule(hours=st.sampled_from([1, 24, 24 * 7]))
    @precondition(lambda self: self.clock.instant - self.start < timedelta(days=60))
    def wait(self, hours: int) -> None:
        """Leave it open."""
        self.clock.instant += timedelta(hours=hours)
        self.model.is_closed = self.clock.instant >= datetime.fromisoformat("2027-01-03T15:00:00+00:00")

    @rule(has_new_key=st.booleans())
    def restart(self, has_new_key: bool) -> None:
        """Start the server anew, perhaps with a new key above the old ones."""
        if has_new_key:
            rotate(self.found.security.key_file)
        self.served.extensions["registry"].database.dispose()
        self.served = create_app(self.found, clock=self.clock)

    @invariant()
    def nothing_is_lost(self) -> None:
        """The rows are what the model says."""
        assert versions(self.database, self.path) == self.model.versions()
        with self.database.reading() as session:
            of_patient = "FROM access_link JOIN consent USING (patient_id) WHERE public_id = :public_id"
            n_decisions = session.execute(text(f"SELECT count(*) {of_patient}"), {"public_id": self.public_id}).scalar()
            of_form = "FROM access_link JOIN assessment USING (follow_up_id) WHERE public_id = :public_id"
            sent = (
                session.execute(text(f"SELECT submitted_at {of_form}"), {"public_id": self.public_id}).scalars().all()
            )
        assert n_decisions == self.model.n_decisions
        assert len(sent) == bool(self.model.answers)
        assert (sent != [] and sent[0] is not None) == self.model.is_sent

    def _at(self, device: int) -> Device:
        return self.devices[device % len(self.devices)]

    def _send(self, device: int, path: str, **data: str) -> None:
        found = self._at(device)
        response = found.browser.post(self.path + path, data={"key": found.key, **data})
        assert response.status_code in (303, 410, 422), (path, response.status_code)


def explore(database: Database, found: Settings, now: datetime, *, n: int, n_steps: int, **how: object) -> None:
    """Try n walks through a form."""
    machine = type("AnyForm", (PatientsForm,), {"database": database, "found": found, "start": now})
    options = {
        "max_examples": n,
        "stateful_step_count": n_steps,
        "deadline": None,
        "database": None,
        "suppress_health_check": list(HealthCheck),
        **how,
    }
    run_state_machine_as_test(machine, settings=walking(**options))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_form_is_what_its_model_says(database: Database, settings: Settings, now: datetime) -> None:
    explore(database, settings, now, n=24, n_steps=30, derandomize=True)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_form_on_postgresql_is_what_its_model_says(database: Database, settings: Settings, now: datetime) -> None:
    explore(database, settings, now, n=8, n_steps=30, derandomize=True)


@pytest.mark.long
def test_a_form_is_what_its_model_says_on_many_walks(database: Database, settings: Settings, now: datetime) -> None:
    explore(database, settings, now, n=400, n_steps=50)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_registry_that_drops_the_second_version_is_found(
    database: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the model."""
    kept = form_pages.record_answer

    def record_first_answer(session: object, *, form: object, answer: object, **rest: object) -> None:
        if answer.item not in form.answers:  # type: ignore[attr-defined]
            kept(session, form=form, answer=answer, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(form_pages, "record_answer", record_first_answer)

    with pytest.raises(AssertionError):
        explore(database, settings, now, n=30, n_steps=30, derandomize=True, phases=[Phase.generate])
