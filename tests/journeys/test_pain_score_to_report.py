"""The main job, with real parts: a browser, an SMTP server, a database, and a clock that moves a year on."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from registry.config import Settings, load_settings
from registry.storage.database import Database
from tests.conftest import ROOT
from tests.desk import PASSWORD, add_alice
from tests.live import Live, chromium, free_port, serving
from tests.smtp_server import SmtpServer

PHONE = {"width": 375, "height": 720}
ENROLLED = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
OPERATED_ON = date(2026, 2, 2)


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def settings(database_url: str, tmp_path: Path, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    values = {
        "DATABASE_URL": database_url,
        "SECURITY_KEY_FILE": str(tmp_path / "secret.key"),
        "WEB_PORT": str(free_port()),
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(smtp.port),
        "MAIL_TLS": "none",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"REGISTRY_{name}", value)
    return load_settings(ROOT / "config.toml")


@pytest.fixture
def live(settings: Settings, database: Database) -> Iterator[Live]:
    add_alice(database, ENROLLED)
    with serving(settings, database, ENROLLED) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_a_score_goes_in_by_form_a_reminder_goes_out_and_the_report_counts_it(
    live: Live, smtp: SmtpServer, browser: Browser
) -> None:
    staff = _staff_who_enrolled(browser, live)

    assert live.send_reminders() == {"accepted": 1}
    _answer(browser, _link(smtp), tapped_at=0.8)

    _record_operation_as_performed(staff, live)
    live.clock.instant = datetime(2027, 2, 2, 1, 0, tzinfo=UTC)
    assert live.send_reminders()["accepted"] == 1
    n_without_answer = _n_in_report(staff, live)
    _answer(browser, _link(smtp), tapped_at=0.2, is_first=False)

    assert (n_without_answer, _n_in_report(staff, live)) == (0, 1)


def test_the_form_is_answered_without_javascript_and_read_by_staff(
    live: Live, smtp: SmtpServer, browser: Browser
) -> None:
    staff = _staff_who_enrolled(browser, live)
    live.send_reminders()

    page = browser.new_context(java_script_enabled=False, viewport=PHONE).new_page()
    page.goto(_link(smtp))
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Start").click()
    page.get_by_label("I have read this and agree to take part").check()
    page.get_by_role("button", name="Continue").click()
    for score in (0, 100, 47, 5, 63, 12):
        page.get_by_role("textbox").fill(str(score))
        page.get_by_role("button", name="Continue").click()
    page.get_by_label("Low back").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("I did").check()
    page.get_by_role("button", name="Send my answers").click()
    page.get_by_role("heading", name="We have received your answers").wait_for()

    _sign_in(staff, live)
    _open_patient(staff)
    row = staff.locator("#answers + .scroll tbody tr").first
    assert row.locator("td.n").all_inner_texts() == ["0", "100", "47", "5", "63", "12"]


def test_nothing_more_is_sent_once_the_form_was_answered(live: Live, smtp: SmtpServer, browser: Browser) -> None:
    _staff_who_enrolled(browser, live)
    live.send_reminders()
    _answer(browser, _link(smtp), tapped_at=0.5)

    live.clock.instant += timedelta(days=3)

    assert live.send_reminders() == {"skipped": 1}


def _sign_in(page: Page, live: Live) -> None:
    page.goto(f"{live.url}/login")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/today")


def _staff_who_enrolled(browser: Browser, live: Live) -> Page:
    """Dr Alice at a browser of her own, with the patient of the journey enrolled."""
    page = browser.new_context().new_page()
    _sign_in(page, live)
    _enrol(page, live)
    return page


def _enrol(page: Page, live: Live) -> None:
    page.goto(f"{live.url}/patients/new")
    page.get_by_label("Study ID").fill("K-001")
    page.get_by_label("Family name").fill("見本")
    page.get_by_label("Year of birth").fill("1952")
    page.get_by_label("Sex").select_option("female")
    page.get_by_label("E-mail").fill("hanako@example.org")
    page.get_by_role("button", name="Enrol").click()
    page.get_by_role("link", name="Record an operation").click()
    page.get_by_label("Planned for").fill(OPERATED_ON.isoformat())
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Classify").click()
    page.get_by_label("Lumbar disease", exact=True).select_option("without")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Without lumbar disease").first.wait_for()


def _open_patient(page: Page) -> None:
    page.get_by_role("link", name="Patients", exact=True).click()
    page.get_by_role("link", name="K-001").click()


def _record_operation_as_performed(page: Page, live: Live) -> None:
    live.clock.instant = datetime(2026, 2, 3, 1, 0, tzinfo=UTC)
    _sign_in(page, live)
    _open_patient(page)
    page.get_by_role("link", name=re.compile("^Change the operation")).click()
    page.get_by_label("State").select_option("performed")
    page.get_by_label("Day of operation").fill(OPERATED_ON.isoformat())
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="What changes").wait_for()
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("The operation is changed").wait_for()


def _link(smtp: SmtpServer) -> str:
    body = smtp.messages[-1].get_body(("plain",))
    assert body is not None
    return next(line for line in body.get_content().splitlines() if "/s/" in line)


def _answer(browser: Browser, link: str, *, tapped_at: float, is_first: bool = True) -> None:
    """Answer every question by a tap on the line, on a phone in a browser of its own."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="回答をはじめる").click()
    if is_first:
        page.get_by_label("研究への参加に同意します").check()
        page.get_by_role("button", name="次へ進む").click()
    for number in range(1, 7):
        page.wait_for_url(f"**/q/{number}")
        strip = page.locator(".vas-strip").bounding_box()
        assert strip is not None
        page.touchscreen.tap(strip["x"] + strip["width"] * tapped_at, strip["y"] + strip["height"] / 2)
        page.get_by_role("button", name="次へ進む").click()
    page.get_by_role("button", name="次へ進む").click()
    page.get_by_label("本人", exact=True).check()
    page.get_by_role("button", name="回答を送る").click()
    page.get_by_role("heading", name="ご回答ありがとうございました").wait_for()
    context.close()


def _n_in_report(page: Page, live: Live) -> int:
    _sign_in(page, live)
    page.goto(f"{live.url}/reports/cohort?item=low_back&timepoint=M12&grouping=lumbar_disease&entry=30")
    cell = page.locator("tr", has=page.get_by_role("rowheader", name="With both scores")).locator("td").first
    return int(cell.inner_text().partition("/")[0])
