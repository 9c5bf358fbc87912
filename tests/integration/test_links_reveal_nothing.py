"""A link that opens nothing says nothing, and two patients who share a browser or a mailbox never meet."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, text

from registry.config import Settings
from registry.security.keys import KeyRing
from registry.services.links import revoke_links
from registry.storage.database import Database, Session
from registry.storage.mailboxes import contemporaries, shares_address
from tests.factories import BY
from tests.opened import Opened, opened_form

MALFORMED = ("0" * 25, "0" * 27, "O" * 26, "0" * 26 + ".", "a b", "%00", "é" * 26, "x" * 900)


@pytest.fixture
def pair(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Iterator[tuple[Opened, Opened]]:
    """Two patients who are written to at the same address; each form was opened in a browser of its own."""
    address = "family@example.org"
    with (
        opened_form(database, settings, keys, now, email=address) as one,
        opened_form(database, settings, keys, now, email=address, birth_year=1949) as other,
    ):
        # The first was opened before there was a second.
        one.client.get(one.path)
        yield one, other


@pytest.mark.parametrize("written", ["family@example.org", "Family@Example.ORG"])
def test_a_mailbox_is_one_however_its_address_is_written(
    database: Database, settings: Settings, keys: KeyRing, now: datetime, written: str
) -> None:
    with (
        opened_form(database, settings, keys, now, email="FAMILY@example.org") as one,
        opened_form(database, settings, keys, now, email=written) as other,
    ):
        shown = [page(opened.client, opened.path)[1] for opened in (one, other)]

    assert all("In which year were you born?" in text for text in shown)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "ask",
    [
        lambda session: shares_address(session, public_id="nobody"),
        lambda session: contemporaries(session, patient_id=0),
    ],
)
def test_who_shares_a_mailbox_is_looked_up_by_index(database: Database, ask: Callable[[Session], object]) -> None:
    statements: list[str] = []
    event.listen(database.engine.pool, "checkout", lambda link, *_: link.set_trace_callback(statements.append))
    with database.reading() as session:
        ask(session)
        plan = session.execute(text(f"EXPLAIN QUERY PLAN {statements[-1]}")).all()

    assert any("ix__contact__lower_email" in str(step) for step in plan)
    assert not any("SCAN" in str(step) for step in plan)


def page(client: FlaskClient, path: str) -> tuple[int, str]:
    response = client.get(path, follow_redirects=True)
    return response.status_code, response.get_data(as_text=True)


def entry_key(opened: Opened) -> str:
    """The signed field of the page that asks for the year of birth."""
    found = re.search(r'name="key" value="([^"]+)"', page(opened.client, opened.path)[1])
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("door", ["s", "m"])
def test_unknown_revoked_and_malformed_links_are_one_page(opened: Opened, door: str) -> None:
    with opened.database.transaction() as session:
        revoke_links(session, patient_id=opened.patient_id, by=BY, now=opened.clock())
    revoked = opened.path.rpartition("/")[2]
    stranger = opened.client.application.test_client()

    found = {page(stranger, f"/{door}/{token}") for token in ("0" * 26, revoked, *MALFORMED)}

    assert [status for status, _ in found] == [404]


def test_patients_who_share_a_browser_do_not_see_each_others_answers(
    database: Database, settings: Settings, keys: KeyRing, now: datetime
) -> None:
    with (
        opened_form(database, settings, keys, now, email="one@example.org") as one,
        opened_form(database, settings, keys, now, email="other@example.org") as other,
    ):
        shared = one.client
        shared.post(f"{one.form_path}/q/1", data={"key": one.key(), "vas_low_back": "93"})
        shared.get(other.path)

        _, theirs = page(shared, f"{other.form_path}/q/1")
        _, own = page(shared, f"{one.form_path}/q/1")

        assert ('value="93"' in own, 'value="93"' in theirs) == (True, False)


def test_a_browser_without_the_other_link_sees_nothing_of_the_other(pair: tuple[Opened, Opened]) -> None:
    one, other = pair

    found = {page(one.client, other.form_path + path)[0] for path in ("", "/q/1", "/check", "/done", "/phone")}

    assert found == {404}


def test_patients_who_share_a_mailbox_are_asked_for_the_year_before_anything_is_shown(
    pair: tuple[Opened, Opened],
) -> None:
    one, _ = pair

    shown = [page(one.client, one.form_path + path) for path in ("", "/q/1", "/regions", "/check", "/done", "/phone")]

    assert {status for status, _ in shown} == {200}
    assert all("In which year were you born?" in text for _, text in shown)


def test_a_wrong_year_is_refused_at_its_field_and_kept(pair: tuple[Opened, Opened]) -> None:
    one, _ = pair

    response = one.client.post(f"{one.form_path}/start", data={"key": entry_key(one), "birth_year": "1951"})

    text = response.get_data(as_text=True)
    assert response.status_code == 422
    assert re.search(r'id="birth_year"[^>]*value="1951"', text)
    assert 'id="error_birth_year"' in text
    assert "1952" not in re.sub(r"such as 1952", "", text)


def test_after_five_wrong_years_even_the_right_one_leads_to_the_telephone(pair: tuple[Opened, Opened]) -> None:
    one, _ = pair
    key = entry_key(one)
    for year in range(1940, 1945):
        one.client.post(f"{one.form_path}/start", data={"key": key, "birth_year": str(year)})

    response = one.client.post(f"{one.form_path}/start", data={"key": key, "birth_year": "1952"})

    assert (response.status_code, "Call 06-0000-0000" in response.get_data(as_text=True)) == (422, True)


def test_the_right_year_goes_on_to_the_questions(pair: tuple[Opened, Opened]) -> None:
    one, _ = pair

    response = one.client.post(f"{one.form_path}/start", data={"key": entry_key(one), "birth_year": "昭和27年"})

    assert (response.status_code, response.headers["Location"]) == (303, f"{one.form_path}/q/1")
    assert "In which year" not in page(one.client, f"{one.form_path}/q/1")[1]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/q/1", {"vas_low_back": "47"}),
        ("/regions", {"region": "nowhere"}),
        ("/consent", {"consent": "disagree"}),
        ("/check", {"respondent": "self"}),
        ("/phone", {"call_time": "morning"}),
    ],
)
def test_the_key_of_the_question_for_the_year_writes_nothing(
    pair: tuple[Opened, Opened], path: str, fields: dict[str, str]
) -> None:
    one, _ = pair
    key, before = entry_key(one), one.rows()

    response = one.client.post(one.form_path + path, data={"key": key, **fields})

    assert (response.status_code, one.rows() == before) == (404, True)


@pytest.mark.parametrize("year", ["", "1900"])
def test_the_page_that_asks_again_without_its_cookie_opens_no_more_than_before(
    pair: tuple[Opened, Opened], year: str
) -> None:
    one, _ = pair
    stranger = one.client.application.test_client()

    refused = stranger.post(f"{one.form_path}/start", data={"key": entry_key(one), "birth_year": year})
    found = re.search(r'name="key" value="([^"]+)"', refused.get_data(as_text=True))

    assert (refused.status_code, found is not None) == (422, True)
    assert found is not None
    again = stranger.post(f"{one.form_path}/q/1", data={"key": found.group(1), "vas_low_back": "47"})
    assert (again.status_code, one.rows()["answer"]) == (404, [])


@pytest.mark.parametrize("typed", ["1952", "１９５２年", "昭和27年", "s27", "昭27", "S.27", "1952年生まれ"])
def test_a_year_is_read_as_people_write_it(pair: tuple[Opened, Opened], typed: str) -> None:
    one, _ = pair

    response = one.client.post(f"{one.form_path}/start", data={"key": entry_key(one), "birth_year": typed})

    assert response.status_code == 303


def test_what_is_no_year_is_no_wrong_one(pair: tuple[Opened, Opened]) -> None:
    one, _ = pair
    for _ in range(6):
        one.client.post(f"{one.form_path}/start", data={"key": entry_key(one), "birth_year": "two"})

    response = one.client.post(f"{one.form_path}/start", data={"key": entry_key(one), "birth_year": "1952"})

    assert response.status_code == 303


def test_a_closed_form_of_a_shared_mailbox_offers_a_fresh_link_without_the_year(pair: tuple[Opened, Opened]) -> None:
    one, _ = pair
    one.clock.instant += timedelta(days=50)
    closed = one.client.get(one.path, follow_redirects=True)
    key = re.search(r'name="key" value="([^"]+)"', closed.get_data(as_text=True))
    assert (closed.status_code, key is not None) == (410, True)
    assert key is not None

    response = one.client.post(f"{one.form_path}/renew", data={"key": key.group(1)})

    assert (response.status_code, one.value("SELECT count(*) FROM reminder WHERE kind = 'fresh_link'")) == (303, 1)
    assert one.client.get(f"{one.form_path}/q/1").headers["Location"] == one.form_path


def test_the_key_of_the_question_for_the_year_sends_no_link_while_the_form_is_open(pair: tuple[Opened, Opened]) -> None:
    one, _ = pair
    key, before = entry_key(one), one.rows()

    one.client.post(f"{one.form_path}/renew", data={"key": key})

    assert one.rows() == before


# Two of one year

OWN_DAY, ANOTHER_DAY = date(1952, 3, 4), date(1952, 11, 30)
CALL = "Please call 06-0000-0000, or ask at the hospital"


class Couple:
    """Two who were born in the same year and are written to at the same address; the first one's form is open."""

    def __init__(self, enter: Callable[..., Opened]) -> None:
        self.enter = enter

    def opened(self, own: date | None, another: date | None) -> Opened:
        self.enter(email="family@example.org", born_on=another)
        return self.enter(email="Family@example.org", born_on=own)


@pytest.fixture
def couple(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Iterator[Couple]:
    with ExitStack() as stack:
        yield Couple(lambda **person: stack.enter_context(opened_form(database, settings, keys, now, **person)))


def begin(opened: Opened, typed: str, key: str | None = None) -> tuple[int, str]:
    """What follows when this is typed where the year of birth is asked."""
    response = opened.client.post(
        f"{opened.form_path}/start", data={"key": key or entry_key(opened), "birth_year": typed}
    )
    found = re.search(r'id="error_birth_year">([^<]*)', response.get_data(as_text=True).replace("<wbr>", ""))
    return response.status_code, found.group(1) if found else response.headers["Location"]


@pytest.mark.parametrize(("own", "another"), [(None, None), (None, ANOTHER_DAY), (OWN_DAY, OWN_DAY)])
def test_whom_nothing_tells_apart_the_page_asks_to_call(couple: Couple, own: date | None, another: date | None) -> None:
    opened = couple.opened(own, another)

    found = [begin(opened, typed) for typed in ("1952", "19520304")]

    assert [(status, CALL in said) for status, said in found] == [(422, True)] * 2
    assert opened.client.get(f"{opened.form_path}/q/1").headers["Location"] == opened.form_path


@pytest.mark.parametrize("another", [None, ANOTHER_DAY])
def test_of_two_of_one_year_the_year_is_not_enough(couple: Couple, another: date | None) -> None:
    opened = couple.opened(OWN_DAY, another)

    status, said = begin(opened, "1952")

    assert (status, "Enter the whole date you were born in eight digits" in said) == (422, True)
    assert opened.client.get(f"{opened.form_path}/q/1").headers["Location"] == opened.form_path


@pytest.mark.parametrize(
    "typed",
    ["19520304", "１９５２０３０４", "1952-3-4", "1952/03/04", "1952年3月4日", "昭和27年3月4日", "S27.3.4", "昭27.3.4"],
)
def test_of_two_of_one_year_the_day_opens_the_form(couple: Couple, typed: str) -> None:
    opened = couple.opened(OWN_DAY, ANOTHER_DAY)

    assert begin(opened, typed) == (303, f"{opened.form_path}/q/1")


@pytest.mark.parametrize("typed", ["19521130", "1952-03-05"])
def test_of_two_of_one_year_the_others_day_does_not_open_the_form(couple: Couple, typed: str) -> None:
    opened = couple.opened(OWN_DAY, ANOTHER_DAY)

    status, said = begin(opened, typed)

    assert (status, said) == (422, "This is not the date we have. Check the date you were born")
    assert opened.client.get(f"{opened.form_path}/q/1").headers["Location"] == opened.form_path


def test_after_five_wrong_days_even_the_right_one_leads_to_the_telephone(couple: Couple) -> None:
    opened = couple.opened(OWN_DAY, ANOTHER_DAY)
    key = entry_key(opened)
    for day in range(5, 10):
        begin(opened, f"1952-03-0{day}", key)

    status, said = begin(opened, "1952-03-04", key)

    assert (status, "Call 06-0000-0000" in said) == (422, True)


def test_what_is_no_day_is_no_wrong_one(couple: Couple) -> None:
    opened = couple.opened(OWN_DAY, ANOTHER_DAY)
    key = entry_key(opened)
    for typed in ("19520230", "1952-13-01", "195203041", "1952-3", "0000-01-01", "1952"):
        assert begin(opened, typed, key)[0] == 422

    assert begin(opened, "1952-03-04", key)[0] == 303


def test_where_the_year_is_enough_a_whole_date_is_taken_too(pair: tuple[Opened, Opened]) -> None:
    assert begin(pair[0], "1952-03-04")[0] == 303


def test_who_outlives_the_other_is_not_kept_out(couple: Couple) -> None:
    opened = couple.opened(None, None)
    with opened.database.transaction() as session:
        other = "SELECT min(patient_id) FROM contact"
        session.execute(text(f"UPDATE patient SET died_on = '2026-11-19' WHERE id = ({other})"))

    assert begin(opened, "1952")[0] == 303


def test_a_wrong_year_says_nothing_of_the_other(couple: Couple) -> None:
    _, said = begin(couple.opened(None, None), "1951")

    assert said == "This is not the year we have. Check the year you were born"
