"""A database that cannot be had just now: what was typed is handed back, and nothing claims to be saved."""

import html
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from registry.config import Settings
from registry.storage.database import Database
from registry.web.patient import form as form_pages
from tests.desk import PASSWORD, Desk, at_desk
from tests.opened import Opened

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def served_by(client: FlaskClient) -> Database:
    """The database of a running application."""
    found: Database = client.application.extensions["registry"].database
    return found


def served(client: FlaskClient) -> Database:
    """The same, whose connections wait a moment only for a lock."""
    found = served_by(client)
    event.listen(found.engine, "checkout", _wait_briefly)
    return found


def _wait_briefly(connection: Any, *_: object) -> None:
    connection.execute("PRAGMA busy_timeout = 50")


@contextmanager
def locked(client: FlaskClient) -> Iterator[None]:
    """Somebody else, in a process of their own, who keeps the writer's place."""
    with closing(sqlite3.connect(str(served(client).url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def sent_again(client: FlaskClient, response: TestResponse) -> TestResponse:
    """Press the first button of the page."""
    page = response.get_data(as_text=True).partition("<main")[2].partition("</main>")[0]
    action = re.search(r'<form method="post" action="([^"]+)"', page)
    assert action is not None
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    fields += re.findall(r'<button name="([^"]+)" value="([^"]*)">', page)[:1]
    return client.post(html.unescape(action.group(1)), data={name: html.unescape(value) for name, value in fields})


# A lock that does not end


@on_sqlite
def test_an_answer_that_finds_the_database_locked_is_handed_back(opened: Opened) -> None:
    key = opened.key()

    with locked(opened.client):
        response = opened.client.post(f"{opened.form_path}/q/1?back=check", data={"key": key, "vas_low_back": "47"})

    page = response.get_data(as_text=True)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert "What you entered is not saved yet" in page
    assert f'action="{opened.form_path}/q/1?back=check"' in page
    assert opened.rows()["answer"] == []


@on_sqlite
def test_the_button_of_the_page_sends_the_same_again(opened: Opened) -> None:
    key = opened.key()
    with locked(opened.client):
        response = opened.client.post(f"{opened.form_path}/q/1?back=check", data={"key": key, "vas_low_back": "47"})

    saved = sent_again(opened.client, response)

    assert (saved.status_code, saved.headers["Location"]) == (303, f"{opened.form_path}/check")
    assert [row[4] for row in opened.rows()["answer"]] == [47]


@on_sqlite
def test_the_page_is_in_the_language_chosen_on_the_form(opened: Opened) -> None:
    opened.send("/language", language="ja")
    key = opened.key()

    with locked(opened.client):
        response = opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "47"})

    page = response.get_data(as_text=True)
    assert ('<html lang="ja">' in page, "まだ保存されていません" in page) == (True, True)


@on_sqlite
def test_the_page_is_in_the_language_of_the_page_that_was_sent(opened: Opened) -> None:
    sent = {"key": opened.key(), "vas_low_back": "47", "read_in": "ja"}

    with locked(opened.client):
        response = opened.client.post(f"{opened.form_path}/q/1", data=sent)

    assert '<html lang="ja">' in response.get_data(as_text=True)


@on_sqlite
@pytest.mark.parametrize("path", ["/q/1", "/regions", "/phone"])
def test_every_page_with_a_button_says_in_which_language_it_was_read(opened: Opened, path: str) -> None:
    opened.send("/language", language="ja")

    page = opened.page(path)

    buttons = page.count('name="key"')
    assert page.count('name="read_in" value="ja"') == buttons >= 1


@on_sqlite
def test_every_value_comes_back_and_no_markup_gets_out(opened: Opened) -> None:
    key, odd = opened.key(), '"><script>alert(1)</script>&amp;'

    with locked(opened.client):
        response = opened.client.post(
            f"{opened.form_path}/regions", data={"key": key, "region": ["low_back", "hand_left"], odd: odd}
        )

    page = response.get_data(as_text=True)
    assert [f'name="region" value="{region}"' in page for region in ("low_back", "hand_left")] == [True, True]
    assert "<script>alert" not in page
    assert html.escape(odd).replace("&quot;", "&#34;") in page


@on_sqlite
def test_without_the_signed_field_nothing_is_handed_back(opened: Opened) -> None:
    with locked(opened.client):
        response = opened.client.post(f"{opened.form_path}/q/1", data={"vas_low_back": "47"})

    assert response.status_code == 404


@on_sqlite
def test_the_log_names_the_page_and_no_address(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    key = opened.key()

    with locked(opened.client):
        opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "47"})

    assert "The database could not be had in form.answer" in caplog.text
    assert (opened.form_path in caplog.text, key in caplog.text) == (False, False)


# A database that is gone


@contextmanager
def unreachable(client: FlaskClient) -> Iterator[None]:
    """The file cannot be opened, as when the disk is not there."""
    database = served(client)
    database.dispose()
    path = Path(str(database.url.database))
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    yield
    path.rmdir()
    path.with_suffix(".away").rename(path)


@on_sqlite
@pytest.mark.parametrize(
    ("language", "words", "label"),
    [("en", "Please try again in a moment", "Try again"), ("ja", "少し待ってから", "もう一度試す")],
)
def test_a_page_that_cannot_be_read_says_to_try_again(opened: Opened, language: str, words: str, label: str) -> None:
    opened.send("/language", language=language)

    with unreachable(opened.client):
        response = opened.client.get(f"{opened.form_path}/q/2")

    page = response.get_data(as_text=True).replace("<wbr>", "")
    assert (response.status_code, response.headers["Retry-After"], words in page) == (503, "30", True)
    assert f'<a class="secondary" href="{opened.form_path}/q/2">{label}</a>' in page
    assert opened.client.get(f"{opened.form_path}/q/2").status_code == 200


@on_sqlite
def test_a_page_of_staff_that_cannot_be_read_says_to_try_again(alice: Desk) -> None:
    with unreachable(alice.client):
        response = alice.client.get("/patients?page=2")

    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert '<a href="/patients?page=2">Try again</a>' in response.get_data(as_text=True)


@on_postgresql
def test_an_answer_whose_connection_is_cut_is_handed_back(opened: Opened) -> None:
    key = opened.key()
    data = {"key": key, "vas_low_back": "47"}
    with ThreadPoolExecutor(1) as patient, opened.database.transaction() as session:
        session.execute(text("SELECT id FROM follow_up FOR UPDATE")).all()
        posting = patient.submit(opened.client.post, f"{opened.form_path}/q/1", data=data)
        cut(opened.database)
        response = posting.result(timeout=20)

    page = response.get_data(as_text=True)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert "What you entered is not saved yet" in page
    assert sent_again(opened.client, response).status_code == 303
    assert [row[4] for row in opened.rows()["answer"]] == [47]


def cut(database: Database) -> None:
    """End the connection of whoever waits for a lock."""
    waiting = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    end = monotonic() + 10
    while monotonic() < end:
        with database.look() as connection:
            if connection.execute(waiting).first() is not None:
                return
        sleep(0.05)
    raise AssertionError("nobody waited")


# Staff


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


@on_sqlite
def test_what_staff_typed_is_handed_back_too(alice: Desk) -> None:
    patient = alice.patient()

    with locked(alice.client):
        response = alice.send(f"{patient.path}/contact", family_name="見本", email="new@example.org", language="ja")

    page = response.get_data(as_text=True)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert "What you typed has not been saved" in page
    what_changes = sent_again(alice.client, response)
    assert sent_again(alice.client, what_changes).status_code == 303
    assert "new@example.org" in alice.page(patient.path)


@on_sqlite
def test_a_password_is_never_written_into_a_page(alice: Desk) -> None:
    with locked(alice.client):
        response = alice.sign_in()

    assert (response.status_code, PASSWORD in response.get_data(as_text=True)) == (503, False)


# What no waiting brings back


def test_a_missing_table_is_an_error_and_no_outage(opened: Opened) -> None:
    key = opened.key()
    with opened.database.transaction() as session:
        session.execute(text("ALTER TABLE answer RENAME TO elsewhere"))

    response = opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "47"})

    assert (response.status_code, "Retry-After" in response.headers) == (500, False)


@on_postgresql
def test_a_page_for_which_no_connection_becomes_free_says_to_try_again(opened: Opened) -> None:
    engine = served_by(opened.client).engine
    engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(engine.connect())
        response = opened.client.get(f"{opened.form_path}/q/1")

    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")


@on_sqlite
def test_whoever_waits_for_the_writer_keeps_nobody_from_a_connection(opened: Opened) -> None:
    database = served_by(opened.client)
    with ExitStack() as held:
        for _ in range(60):
            held.enter_context(database.look())
        assert opened.send("/q/1", vas_low_back="47").status_code == 303


@on_sqlite
def test_nothing_on_the_page_goes_on_without_what_was_typed(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", None, Exception("database or disk is full"))

    key = opened.key()
    monkeypatch.setattr(form_pages, "record_answer", fail)

    response = opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "61"})

    page = response.get_data(as_text=True)
    assert (response.status_code, 'name="vas_low_back" value="61"' in page) == (503, True)
    assert page.count("<form") == 1


@on_postgresql
def test_a_database_that_only_reads_asks_to_send_again(opened: Opened) -> None:
    key = opened.key()
    with opened.database.engine.connect() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        connection.commit()
    served_by(opened.client).dispose()

    response = opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "63"})

    assert (response.status_code, 'name="vas_low_back" value="63"' in response.get_data(as_text=True)) == (503, True)


@on_sqlite
def test_who_waits_long_for_the_writers_place_is_asked_to_send_again(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places are taken in turns: the tenth must not wait ten times as long."""
    key, turn = opened.key(), served_by(opened.client)._turn
    monkeypatch.setattr(turn, "longest_wait", 0.05)

    with turn:
        response = opened.client.post(f"{opened.form_path}/q/1", data={"key": key, "vas_low_back": "63"})

    assert (response.status_code, 'name="vas_low_back" value="63"' in response.get_data(as_text=True)) == (503, True)
    assert opened.send("/q/1", vas_low_back="63").status_code == 303
