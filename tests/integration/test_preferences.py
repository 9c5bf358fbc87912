"""E-mails and taking part: three choices, each does what it says and no more."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from registry.config import Settings
from registry.mail.transport import FolderTransport
from registry.security.keys import KeyRing
from registry.services.outbox import Dispatch, send_due_reminders
from tests.factories import make_patient
from tests.opened import Opened

_ANSWERS = ("answer", "assessment", "body_marking")


class Choices:
    """The preferences behind the link at the end of a mail."""

    def __init__(self, form: Opened) -> None:
        self.form = form
        self.path = form.client.get(form.stop_path).headers["Location"]

    def key(self) -> str:
        found = re.search(r'name="key" value="([^"]+)"', self.form.client.get(self.path).get_data(as_text=True))
        assert found is not None
        return found.group(1)

    def post(self, path: str = "", **fields: str) -> tuple[int, str, str]:
        response = self.form.client.post(f"{self.path}{path}", data={"key": self.key(), **fields})
        return response.status_code, response.headers.get("Location", ""), response.get_data(as_text=True)

    def leave(self, answers: str) -> str:
        """Choose to leave, confirm it, and read the result."""
        _, confirm, _ = self.post(choice=answers)
        response = self.form.client.post(confirm, data={"key": self.key(), "sure": "yes"})
        return self.form.client.get(response.headers["Location"]).get_data(as_text=True)

    def count(self, table: str, condition: str = "1 = 1") -> int:
        with self.form.database.reading() as session:
            return int(session.execute(text(f"SELECT count(*) FROM {table} WHERE {condition}")).scalar_one())

    @property
    def are_emails_stopped(self) -> bool:
        return self.count("contact", "emails_stopped_at IS NOT NULL") == 1

    @property
    def has_left(self) -> bool:
        return self.count("enrolment", "withdrawn_on IS NOT NULL") == 1


@pytest.fixture
def choices(opened: Opened) -> Choices:
    opened.answer_everything()
    opened.send("/regions", region="low_back")
    opened.finish()
    return Choices(opened)


def test_the_token_leaves_the_address(choices: Choices) -> None:
    assert choices.form.stop_path.rpartition("/")[2] not in choices.path


def test_the_link_opened_again_keeps_the_language_that_was_chosen(choices: Choices) -> None:
    choices.post("/language", language="ja", next=choices.path)

    again = choices.form.client.get(choices.form.stop_path, follow_redirects=True).get_data(as_text=True)

    assert '<html lang="ja">' in again


def test_the_choices_open_nowhere_but_behind_their_link(choices: Choices) -> None:
    stranger = choices.form.client.application.test_client()

    assert [stranger.get(f"{choices.path}{page}").status_code for page in ("", "/leave", "/result")] == [404] * 3
    assert stranger.post(choices.path, data={"choice": "stop"}).status_code == 404


def test_nothing_is_chosen_beforehand(choices: Choices) -> None:
    page = choices.form.client.get(choices.path).get_data(as_text=True)

    assert (page.count('type="radio"'), " checked" in page) == (3, False)


def test_without_a_choice_nothing_happens_and_the_page_says_what_to_do(choices: Choices) -> None:
    status, _, page = choices.post()

    assert (status, "Choose what you would like" in page) == (422, True)
    assert (choices.are_emails_stopped, choices.has_left) == (False, False)


def test_stopping_e_mails_stops_them_and_nothing_else(choices: Choices) -> None:
    _, result, _ = choices.post(choice="stop")

    assert "We will not send you any more e-mails" in choices.form.client.get(result).get_data(as_text=True)
    assert (choices.are_emails_stopped, choices.has_left, choices.count("answer")) == (True, False, 6)


def test_leaving_asks_once_more(choices: Choices) -> None:
    status, confirm, _ = choices.post(choice="leave")
    page = choices.form.client.get(confirm).get_data(as_text=True)

    assert (status, choices.has_left) == (303, False)
    assert "Do you want to leave the study?" in page
    assert " checked" not in page


@pytest.mark.parametrize("answers", ["leave", "delete"])
def test_leaving_takes_a_tick(choices: Choices, answers: str) -> None:
    status, _, page = choices.post(f"/leave?answers={answers}")

    assert (status, "Tick the box if you want to leave the study" in page) == (422, True)
    assert (choices.has_left, choices.count("answer")) == (False, 6)


def test_who_leaves_keeps_the_answers_in_the_study(choices: Choices) -> None:
    page = choices.leave("leave")

    assert "Answers you gave before today stay in the study under a code." in page
    assert (choices.has_left, choices.count("answer"), choices.count("body_marking")) == (True, 6, 1)


def test_who_leaves_and_deletes_leaves_no_answer_behind(choices: Choices) -> None:
    page = choices.leave("delete")

    assert "Your past answers have been deleted." in page
    assert choices.has_left
    assert [choices.count(table) for table in _ANSWERS] == [0, 0, 0]


def test_the_trail_tells_of_a_deletion_and_holds_no_score(choices: Choices) -> None:
    choices.leave("delete")

    with choices.form.database.reading() as session:
        rows = session.execute(text("SELECT action, details FROM audit_event WHERE subject = 'patient'")).all()
    details = {row.action: str(row.details) for row in rows}
    assert "6" in details["answers_deleted"]
    assert all("47" not in text_ for text_ in details.values())


def test_leaving_takes_effect_at_once(choices: Choices, settings: Settings, keys: KeyRing) -> None:
    choices.leave("leave")

    assert choices.form.follow().status_code == 404
    choices.form.clock.instant += timedelta(days=200)
    with FolderTransport(settings.mail.folder) as transport:
        dispatch = Dispatch(choices.form.database, settings, keys, transport, choices.form.clock)
        assert send_due_reminders(dispatch)["accepted"] == 0


def test_the_link_shows_afterwards_what_was_chosen(choices: Choices) -> None:
    choices.leave("delete")

    page = choices.form.client.get(choices.form.stop_path, follow_redirects=True).get_data(as_text=True)

    assert "You have left the study" in page


def test_leaving_twice_is_leaving_once(choices: Choices) -> None:
    _, confirm, _ = choices.post(choice="leave")
    key = choices.key()
    for _ in range(2):
        choices.form.client.post(confirm, data={"key": key, "sure": "yes"})

    assert choices.count("audit_event", "action = 'patient_withdrew'") == 1


def test_who_has_left_can_still_have_the_answers_deleted(choices: Choices) -> None:
    key = choices.key()
    choices.leave("leave")

    choices.form.client.post(f"{choices.path}/leave?answers=delete", data={"key": key, "sure": "yes"})

    assert choices.count("answer") == 0


def test_one_click_stops_e_mails_alone(choices: Choices) -> None:
    response = choices.form.client.post(f"{choices.form.stop_path}/one-click", data={"List-Unsubscribe": "One-Click"})

    assert response.status_code == 200
    assert (choices.are_emails_stopped, choices.has_left, choices.count("answer")) == (True, False, 6)


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "yes"}, {"choice": "stop"}])
def test_one_click_needs_the_words_of_its_standard(choices: Choices, body: dict[str, str]) -> None:
    response = choices.form.client.post(f"{choices.form.stop_path}/one-click", data=body)

    assert (response.status_code, choices.are_emails_stopped) == (404, False)


def test_choices_are_in_the_patients_language(choices: Choices) -> None:
    with choices.form.database.transaction() as session:
        session.execute(text("UPDATE patient SET language = 'ja'"))

    page = choices.form.client.get(choices.path).get_data(as_text=True).replace("<wbr>", "")

    assert '<html lang="ja">' in page
    assert "研究への参加をやめ、これまでの回答も削除する" in page


def test_who_has_left_is_offered_the_deletion_too(choices: Choices) -> None:
    page = choices.leave("leave")
    confirm = choices.form.client.get(f"{choices.path}/leave?answers=delete")

    assert "Delete my past answers too" in page
    assert (confirm.status_code, "cannot be brought back" in confirm.get_data(as_text=True)) == (200, True)


def test_the_link_of_a_patient_who_has_died_is_unknown(choices: Choices) -> None:
    with choices.form.database.transaction() as session:
        session.execute(text("UPDATE patient SET died_on = '2026-11-19'"))

    assert choices.form.client.get(choices.path).status_code == 404


def test_the_choices_can_be_read_in_the_other_language(choices: Choices) -> None:
    response = choices.form.client.post(
        f"{choices.path}/language", data={"key": choices.key(), "language": "ja", "next": choices.path}
    )

    assert response.headers["Location"] == choices.path
    assert '<html lang="ja">' in choices.form.client.get(choices.path).get_data(as_text=True)


# A mailbox of two


@pytest.fixture
def shared(choices: Choices) -> Choices:
    """The choices of a patient to whose address somebody else is written to, too, in other letters."""
    with choices.form.database.transaction() as session:
        make_patient(session, now=choices.form.clock(), email="Hanako@Example.org", birth_year=1949)
    return choices


def confirm(choices: Choices, answers: str = "leave", **fields: str) -> tuple[int, str]:
    status, _, page = choices.post(f"/leave?answers={answers}", **fields)
    return status, page


@pytest.mark.parametrize("answers", ["leave", "delete"])
@pytest.mark.parametrize(
    ("year", "reason"), [("", "Enter the year you were born, such as 1952"), ("1951", "This is not the year we have")]
)
def test_from_a_shared_mailbox_nobody_leaves_without_the_year(
    shared: Choices, answers: str, year: str, reason: str
) -> None:
    status, page = confirm(shared, answers, sure="yes", birth_year=year)

    at_field = re.search(r'id="error_birth_year">([^<]*)', page)
    assert (status, at_field is not None, 'href="#birth_year"' in page) == (422, True, True)
    assert at_field is not None
    assert reason in at_field.group(1)
    assert (f'value="{year}"' in page, " checked" in page) == (True, True)
    assert (shared.has_left, shared.count("answer")) == (False, 6)


@pytest.mark.parametrize(("answers", "n_answers"), [("leave", 6), ("delete", 0)])
def test_from_a_shared_mailbox_the_right_year_lets_a_patient_leave(
    shared: Choices, answers: str, n_answers: int
) -> None:
    status, _ = confirm(shared, answers, sure="yes", birth_year="昭和27年")

    assert (status, shared.has_left, shared.count("answer")) == (303, True, n_answers)
    assert shared.count("enrolment") == 2


def test_after_five_wrong_years_nobody_leaves_for_an_hour(shared: Choices) -> None:
    for year in range(1940, 1945):
        confirm(shared, sure="yes", birth_year=str(year))

    status, page = confirm(shared, sure="yes", birth_year="1952")

    assert (status, "Call 06-0000-0000" in page, shared.has_left) == (422, True, False)
    shared.form.clock.instant += timedelta(minutes=61)
    assert confirm(shared, sure="yes", birth_year="1952")[0] == 303


def test_a_missing_tick_is_no_try_at_the_year(shared: Choices) -> None:
    for _ in range(6):
        _, page = confirm(shared, birth_year="1940")

    assert 'value="1940"' in page
    assert confirm(shared, sure="yes", birth_year="1952")[0] == 303


def test_the_page_asks_for_the_year_in_the_patients_language(shared: Choices) -> None:
    path = f"{shared.path}/leave?answers=leave"
    english = shared.form.client.get(path).get_data(as_text=True)
    shared.form.client.post(f"{shared.path}/language", data={"key": shared.key(), "language": "ja"})
    japanese = shared.form.client.get(path).get_data(as_text=True)

    assert "The year tells us who wants to leave" in english
    assert "研究への参加をやめるのがどなたか" in japanese


def test_stopping_e_mails_to_a_shared_mailbox_needs_no_year(shared: Choices) -> None:
    status, _, _ = shared.post(choice="stop")

    assert (status, shared.are_emails_stopped) == (303, True)


def test_whose_mailbox_is_their_own_is_asked_for_no_year(choices: Choices) -> None:
    assert "birth_year" not in choices.form.client.get(f"{choices.path}/leave?answers=leave").get_data(as_text=True)


# A mailbox of two of one year


@pytest.fixture
def of_one_year(choices: Choices) -> Choices:
    """As before, and both were born in the same year."""
    with choices.form.database.transaction() as session:
        make_patient(session, now=choices.form.clock(), email="Hanako@Example.org")
    return choices


def test_of_two_of_one_year_nobody_leaves_by_the_year(of_one_year: Choices) -> None:
    status, page = confirm(of_one_year, "delete", sure="yes", birth_year="1952")

    assert (status, "Please call 06-0000-0000, or ask at the hospital" in page.replace("<wbr>", "")) == (422, True)
    assert (of_one_year.has_left, of_one_year.count("answer")) == (False, 6)


def test_of_two_of_one_year_the_day_lets_a_patient_leave(of_one_year: Choices) -> None:
    with of_one_year.form.database.transaction() as session:
        own = "SELECT min(patient_id) FROM contact"
        session.execute(text(f"UPDATE patient SET born_on = '1952-03-04' WHERE id = ({own})"))

    typed = ("1952", "1952-03-05", "19520304")
    found = [confirm(of_one_year, sure="yes", birth_year=birth)[0] for birth in typed]

    assert (found, of_one_year.has_left) == ([422, 422, 303], True)


def test_the_page_says_in_japanese_that_two_of_one_year_cannot_be_told_apart(of_one_year: Choices) -> None:
    of_one_year.form.client.post(f"{of_one_year.path}/language", data={"key": of_one_year.key(), "language": "ja"})

    _, page = confirm(of_one_year, sure="yes", birth_year="1952")

    assert "06-0000-0000にお電話いただくか、病院でお尋ねください" in page.replace("<wbr>", "")
