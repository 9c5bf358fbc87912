"""No machine that merely opens, renders or blindly submits a link creates, changes or uses up anything."""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask, Response
from sqlalchemy import text

from registry.config import Settings
from registry.domain.instruments import Mode
from registry.security.keys import load_keys
from registry.services.assessment import GivenAnswer, lock_and_open_form, record_answer
from registry.web.patient import preferences
from registry.web.patient.steps import recording
from tests.scanners import zoo
from tests.scanners.cast import PAGE_KINDS, Cast, Door, PageKind
from tests.scanners.zoo import BEHAVIOURS, Visit, fill_and_send, harm_done

PATIENT_PAGES = ("form", "consent", "regions", "sending", "routes", "preferences")
MORE_SEEDS = [pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 26)]
N_ROBOTS = 8
Stage = tuple[Flask, Cast]

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def stage(played: Stage) -> Stage:
    return played


@pytest.mark.parametrize("seed", [1, *MORE_SEEDS])
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda each: each.__name__)
def test_a_machine_changes_nothing(stage: Stage, behaviour: Callable[[Visit], None], seed: int) -> None:
    assert harm_done(*stage, behaviour, list(PAGE_KINDS), seed) == []


@on_sqlite
def test_every_page_that_a_link_leads_to_is_visited(stage: Stage) -> None:
    app, cast = stage
    addresses = app.url_map.bind("127.0.0.1")
    pages = [cast.doors[kind.door].link if kind.path is None else cast.doors[kind.door].address + kind.path
             for kind in PAGE_KINDS]  # fmt: skip

    visited = {addresses.match(page.partition("?")[0])[0] for page in pages}

    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(PATIENT_PAGES)]
    # The start page is where the link leads.
    assert {rule.endpoint for rule in rules if "GET" in (rule.methods or ())} - visited == {
        "form.start",
        "preferences.show",
    }


def test_what_is_sent_again_is_signed_as_this_registry_signs(stage: Stage, settings: Settings) -> None:
    keys = load_keys(settings.security.key_file)
    doors = [door for door in stage[1].doors.values() if door.sent]

    for door in doors:
        purpose = "preferences key" if door.address.startswith("/preferences") else "form key"
        signed = {keys.signer(purpose).loads(data["key"]) for _, data in door.sent}
        assert signed == {door.address.rpartition("/")[2]}
    assert len(doors) == 5


@on_sqlite
def test_a_fresh_link_that_was_asked_for_is_all_that_a_press_on_a_closed_page_adds(stage: Stage) -> None:
    app, cast = stage
    before = cast.rows()

    zoo.click_every_button(Visit(app, cast.doors["closed"], PageKind("closed", "closed", status=410), random.Random(1)))

    after = cast.rows()
    changed = {name: len(after[name]) - len(before[name]) for name in after if after[name] != before[name]}
    assert changed == {"reminder": 1, "audit_event": 1}


# What would be seen: the negative controls


def _saves_when_shown(app: Flask, cast: Cast) -> None:
    shown = app.view_functions["form.question"]

    def question(public_id: str, number: int) -> object:
        page = shown(public_id=public_id, number=number)
        with cast.database.transaction() as session:
            form = lock_and_open_form(session, public_id=public_id)
            given = GivenAnswer(item="arm_numb", score=0, mode=Mode.NUMBER)
            record_answer(session, form=form, answer=given, language="en", **recording(form))
        return page

    app.view_functions["form.question"] = question


def _counts_visits(app: Flask, cast: Cast) -> None:
    entered = app.view_functions["form.enter"]

    def enter(token: str) -> object:
        with cast.database.transaction() as session:
            session.execute(text("UPDATE access_link SET late_until = '2027-01-01' WHERE purpose = 'form'"))
        return entered(token=token)

    app.view_functions["form.enter"] = enter


def _stops_by(endpoint: str) -> Callable[[Flask, Cast], None]:
    def break_it(app: Flask, _cast: Cast) -> None:
        def one_click(token: str) -> str:
            patient = preferences._patient(preferences._public_id(token))
            preferences._stop(patient)
            return "stopped"

        app.view_functions[endpoint] = one_click

    return break_it


def _chosen_beforehand(value: str) -> Callable[[Flask, Cast], None]:
    def break_it(app: Flask, _cast: Cast) -> None:
        def choose(response: Response) -> Response:
            if response.mimetype == "text/html":
                page = response.get_data(as_text=True)
                response.set_data(page.replace(f'value="{value}"', f'value="{value}" checked'))
            return response

        app.after_request_funcs.setdefault(None, []).append(choose)

    return break_it


@on_sqlite
@pytest.mark.parametrize(
    ("behaviour", "break_it"),
    [
        (zoo.get, _saves_when_shown),
        (zoo.get_fifty_times_at_once, _saves_when_shown),
        (zoo.follow_all_links, _saves_when_shown),
        (zoo.head, _counts_visits),
        (zoo.get_without_cookies, _counts_visits),
        (zoo.add_punctuation, _counts_visits),
        (zoo.change_case, _counts_visits),
        (zoo.encode_twice, _counts_visits),
        (zoo.get, _stops_by("preferences.one_click_page")),
        (zoo.submit_first_form, _stops_by("preferences.one_click_page")),
        (zoo.replay_without_cookie, _stops_by("preferences.one_click")),
        (zoo.replay_with_another_agent, _stops_by("preferences.one_click")),
        (zoo.click_every_button, _chosen_beforehand("self")),
        (zoo.click_every_button, _chosen_beforehand("agree")),
        (zoo.click_every_button, _chosen_beforehand("any_time")),
        (zoo.click_every_button, _chosen_beforehand("stop")),
        (zoo.click_every_button, _chosen_beforehand("yes")),
        (zoo.replay_without_cookie, _chosen_beforehand("proxy")),
    ],
)
def test_a_page_that_lets_machines_act_is_found(
    stage: Stage, behaviour: Callable[[Visit], None], break_it: Callable[[Flask, Cast], None]
) -> None:
    break_it(*stage)

    assert harm_done(*stage, behaviour, list(PAGE_KINDS), seed=1) != []


# A machine that passes for a patient


def _robots(stage: Stage, doors: Callable[[random.Random], Door], **habits: bool) -> list[tuple[bool, int, str | None]]:
    app, cast = stage
    found = []
    for seed in range(N_ROBOTS):
        chance = random.Random(seed)
        door = doors(chance)
        fill_and_send(Visit(app, door, PageKind("robot", "fresh"), chance), **habits)
        found.append(cast.assessment_of(door))
    return found


@pytest.mark.parametrize("begins_with_regions", [False, True])
@pytest.mark.parametrize("has_consented", [True, False])
def test_answers_right_after_the_mail_are_all_stored_and_flagged(
    stage: Stage, has_consented: bool, begins_with_regions: bool
) -> None:
    cast = stage[1]

    def just_mailed(chance: random.Random) -> Door:
        door = cast.form(has_consented=has_consented)
        cast.clock.step = timedelta(seconds=chance.uniform(0.05, 5))
        cast.mail_was_accepted(door, cast.clock())
        return door

    found = _robots(stage, just_mailed, begins_with_regions=begins_with_regions and has_consented)

    assert found == [(True, 6, "right_after_mail")] * N_ROBOTS


@pytest.mark.parametrize("has_consented", [True, False])
def test_answers_within_seconds_are_all_stored_and_flagged(stage: Stage, has_consented: bool) -> None:
    cast = stage[1]

    def mailed_long_ago(chance: random.Random) -> Door:
        door = cast.form(has_consented=has_consented)
        cast.mail_was_accepted(door, cast.clock())
        cast.clock.instant += timedelta(hours=chance.uniform(1, 72))
        cast.clock.step = timedelta(seconds=chance.uniform(0.001, 0.5))
        return door

    assert _robots(stage, mailed_long_ago) == [(True, 6, "too_fast")] * N_ROBOTS


@pytest.mark.parametrize("has_consented", [True, False])
def test_a_patient_who_takes_twenty_seconds_a_page_is_never_flagged(stage: Stage, has_consented: bool) -> None:
    cast = stage[1]

    def honest(chance: random.Random) -> Door:
        door = cast.form(has_consented=has_consented)
        cast.mail_was_accepted(door, cast.clock())
        cast.clock.instant += timedelta(hours=chance.uniform(1, 72))
        cast.clock.step = timedelta(seconds=10)
        return door

    assert _robots(stage, honest) == [(True, 6, None)] * N_ROBOTS


# One click in a mail program


ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_one_click_stops_e_mails_and_nothing_else(stage: Stage) -> None:
    app, cast = stage
    before = cast.rows()

    assert app.test_client().post(cast.doors["one click"].link, data=ONE_CLICK).status_code == 200

    after = cast.rows()
    changed = {name: (len(after[name]) - len(before[name])) for name in after if after[name] != before[name]}
    assert changed == {"contact": 0, "audit_event": 1}
    with cast.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM contact WHERE emails_stopped_at IS NOT NULL")).scalar() == 2


def test_one_click_twice_is_one(stage: Stage) -> None:
    app, cast = stage
    app.test_client().post(cast.doors["one click"].link, data=ONE_CLICK)
    before = cast.rows()

    app.test_client().post(cast.doors["one click"].link, data=ONE_CLICK)

    assert cast.rows() == before


def test_one_click_can_be_taken_back(stage: Stage) -> None:
    app, cast = stage
    before = cast.rows()
    app.test_client().post(cast.doors["one click"].link, data=ONE_CLICK)
    with cast.database.transaction() as session:
        found = session.execute(text("SELECT subject_id FROM audit_event ORDER BY id DESC LIMIT 1"))
        cast.resume_emails(session, patient_id=found.scalar_one())

    after = cast.rows()

    assert [name for name in after if after[name] != before[name]] == ["audit_event"]
    assert cast.doors["one click"].link.startswith("/m/")


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": ""}, {"List-Unsubscribe": "one-click"}, {"choice": "stop"}])
def test_one_click_without_its_words_does_nothing(stage: Stage, body: dict[str, str]) -> None:
    app, cast = stage
    before = cast.rows()

    response = app.test_client().post(cast.doors["one click"].link, data=body)

    assert (response.status_code, cast.rows() == before) == (404, True)
