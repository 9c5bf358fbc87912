"""The configuration is checked as a whole, and every problem is told at once in words."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from registry.clock import clock_of
from registry.config import Settings, load_settings
from registry.domain.errors import ConfigurationProblems

ROOT = Path(__file__).parents[2]
OWN = (ROOT / "config.toml").read_text()
SCALARS = (str, int, bool)
OWN_BOUNCES = (OWN[OWN.index("[bounces]") : OWN.index("[security]")], "")
"""What takes the file's own section out, so that another can stand in its place."""

type_of_file = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """Writes the project's own configuration with some of its text replaced."""

    def write(*changes: tuple[str, str]) -> Path:
        content = OWN
        for old, new in changes:
            assert old in content, old
            content = content.replace(old, new)
        path = tmp_path / "config.toml"
        path.write_text(content)
        return path

    return write


def problems_in(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigurationProblems) as caught:
        load_settings(path)
    return caught.value.problems


# The project's own file


def test_the_projects_own_configuration_is_valid() -> None:
    settings = load_settings(ROOT / "config.toml")

    assert [timepoint.code for timepoint in settings.protocol.timepoints] == ["before", "M3", "M6", "M12", "M24"]


def test_the_windows_are_the_decided_ones() -> None:
    found = {
        timepoint.code: (timepoint.months, timepoint.opens_days_before, timepoint.closes_days_after)
        for timepoint in load_settings(ROOT / "config.toml").protocol.timepoints
    }

    assert found == {
        "before": (0, 60, 0),
        "M3": (3, 14, 45),
        "M6": (6, 14, 60),
        "M12": (12, 14, 90),
        "M24": (24, 14, 90),
    }


def test_the_ladder_is_the_decided_one() -> None:
    assert load_settings(ROOT / "config.toml").protocol.ladder.email_days == (0, 7, 14)


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(ROOT / "config.toml")

    with pytest.raises(ValueError, match="frozen"):
        settings.web.port = 1


# Paths


def test_paths_count_from_the_file(config: type_of_file, tmp_path: Path) -> None:
    settings = load_settings(config())

    assert settings.database.url == f"sqlite:///{tmp_path}/data/registry.db"
    assert settings.mail.folder == tmp_path / "data/outbox"
    assert settings.security.key_file == tmp_path / "data/secret.key"


def test_paths_count_from_the_file_wherever_the_command_is_called(
    config: type_of_file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    settings = load_settings(Path("../config.toml"))

    assert settings.mail.folder == tmp_path / "data/outbox"


def test_an_absolute_path_stays(config: type_of_file) -> None:
    settings = load_settings(config(('url = "sqlite:///data/registry.db"', 'url = "sqlite:////srv/registry.db"')))

    assert settings.database.url == "sqlite:////srv/registry.db"


def test_an_address_of_postgresql_stays(config: type_of_file) -> None:
    settings = load_settings(config(('url = "sqlite:///data/registry.db"', 'url = "postgresql://u@h/registry"')))

    assert settings.database.url == "postgresql://u@h/registry"


# The environment

VALUES = {
    "database.url": ("postgresql://registry@127.0.0.1/other", "postgresql://registry@127.0.0.1/other"),
    "web.host": ("0.0.0.0", "0.0.0.0"),
    "web.port": ("8001", 8001),
    "web.base_url": ("https://followup.example.org/", "https://followup.example.org"),
    "web.workers": ("3", 3),
    "web.threads": ("5", 5),
    "mail.host": ("smtp.example.org", "smtp.example.org"),
    "mail.port": ("2525", 2525),
    "mail.tls": ("none", "none"),
    "mail.user": ("registry", "registry"),
    "mail.password": ("a secret = with # signs", "a secret = with # signs"),
    "mail.sender": ("desk@example.org", "desk@example.org"),
    "mail.connections": ("8", 8),
    "mail.most_per_hour": ("500", 500),
    "mail.reply_to": ("", ""),
    "mail.folder": ("/srv/outbox", Path("/srv/outbox")),
    "bounces.address": ("bounces@example.org", "bounces@example.org"),
    "bounces.folder": ("/srv/bounces", Path("/srv/bounces")),
    "bounces.host": ("imap.example.org", "imap.example.org"),
    "bounces.port": ("143", 143),
    "bounces.tls": ("starttls", "starttls"),
    "bounces.user": ("bounces", "bounces"),
    "bounces.password": ("a secret = with # signs", "a secret = with # signs"),
    "bounces.mailbox": ("Returned mails", "Returned mails"),
    "digest.at": ("07:45", time(7, 45)),
    "health.ping_url": ("https://hc.example.org/ping/1234", "https://hc.example.org/ping/1234"),
    "security.key_file": ("/srv/key", Path("/srv/key")),
    "security.session_idle_minutes": ("7", 7),
    "security.session_hours": ("1", 1),
    "demo.enabled": ("false", False),
    "demo.now": ("2026-11-20T09:00:00+09:00", datetime(2026, 11, 20, 0, 0, tzinfo=UTC)),
    "study.body_regions": ("false", False),
    "study.instrument": ("vas6/1-week-worst/imaginable/v1", "vas6/1-week-worst/imaginable/v1"),
}


def scalars_of(section: type[BaseModel], prefix: str) -> list[str]:
    return [f"{prefix}.{name}" for name, field in section.model_fields.items() if not _is_nested(field.annotation)]


def _is_nested(annotation: Any) -> bool:
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return is_section or getattr(annotation, "__origin__", None) is tuple


def test_every_scalar_of_a_section_has_its_variable_tried_here() -> None:
    sections = {name: field.annotation for name, field in Settings.model_fields.items() if name != "sites"}
    known = {name for prefix, section in sections.items() for name in scalars_of(section, prefix)}

    assert known == VALUES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_the_environment_wins_over_the_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, wanted = VALUES[name]
    section, _, field = name.partition(".")
    monkeypatch.setenv("REGISTRY_WEB_BASE_URL", "https://followup.example.org")
    monkeypatch.setenv("REGISTRY_BOUNCES_ADDRESS", "bounces@example.org")
    monkeypatch.setenv(f"REGISTRY_{section}_{field}".upper(), given)

    settings = load_settings(ROOT / "config.toml")

    assert getattr(getattr(settings, section), field) == wanted


def test_one_variable_leaves_the_rest_of_its_section_to_the_file(
    config: type_of_file, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_WEB_PORT", "8001")

    settings = load_settings(config(("threads = 8", "threads = 3")))

    assert (settings.web.port, settings.web.threads) == (8001, 3)


def test_a_bad_variable_is_told_like_a_bad_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_MAIL_PORT", "many")

    assert problems_in(ROOT / "config.toml") == ("mail.port: must be a whole number (given: 'many')",)


def test_a_variable_of_no_setting_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_MAIL_HOSTT", "smtp.example.org")

    assert problems_in(ROOT / "config.toml") == ("mail.hostt: is not a setting; check its spelling",)


# The password


def test_a_password_in_the_file_is_refused(config: type_of_file) -> None:
    path = config(('user = ""', 'user = ""\npassword = "hunter2"'))

    assert problems_in(path) == ("mail.password: keep it out of the file; set REGISTRY_MAIL_PASSWORD instead",)


def test_a_password_for_returned_mails_in_the_file_is_refused(config: type_of_file) -> None:
    path = config(OWN_BOUNCES, ("[security]", '[bounces]\npassword = "hunter2"\n\n[security]'))

    assert problems_in(path) == ("bounces.password: keep it out of the file; set REGISTRY_BOUNCES_PASSWORD instead",)


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_MAIL_PASSWORD", "hunter2")

    assert "hunter2" not in repr(load_settings(ROOT / "config.toml"))


# Digest and sign of life


@pytest.mark.parametrize("at", ["04:59", "12:00", "08:30:00+09:00"])
def test_a_digest_leaves_in_the_morning(config: type_of_file, at: str) -> None:
    wrong = "digest.at: must be a time from 05:00 until before 12:00, on the clock of the hospital"

    assert problems_in(config(('at = "08:30"', f'at = "{at}"'))) == (wrong,)


def test_a_digest_goes_to_addresses(config: type_of_file) -> None:
    settings = load_settings(config(("to = []", 'to = ["a@example.org", "b@example.org"]')))
    wrong = "must be an e-mail address such as followup@example.org"

    assert settings.digest.to == ("a@example.org", "b@example.org")
    assert problems_in(config(("to = []", 'to = ["nobody", ""]'))) == (
        f"digest.to 1: {wrong}",
        f"digest.to 2: {wrong}",
    )


@pytest.mark.parametrize(
    "url", ["https://hc.example.org/ping/1?a=b", "http://127.0.0.1:8001/", "http://[::1]/", "http://localhost/x", ""]
)
def test_an_address_for_the_sign_of_life(config: type_of_file, url: str) -> None:
    assert load_settings(config(('ping_url = ""', f'ping_url = "{url}"'))).health.ping_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hc.example.org/secret-id",
        "http://localhost.example.org/secret-id",
        "http://127.0.0.1@hc.example.org/secret-id",
        "https://user:secret-id@hc.example.org/",
        "https://hc.example.org:99999/secret-id",
        "https://hc.example.org/secret-id#x",
        "https://hc.example.org/secret-id x",
        "https:///secret-id",
        "ftp://hc.example.org/secret-id",
        "file:///etc/secret-id",
        "https://[hc/secret-id",
    ],
)
def test_an_unfit_address_for_the_sign_of_life_is_refused_and_not_repeated(config: type_of_file, url: str) -> None:
    (problem,) = problems_in(config(('ping_url = ""', f'ping_url = "{url}"')))

    assert problem.startswith("health.ping_url: must be an address such as https://")
    assert "secret-id" not in problem


def test_the_address_for_the_sign_of_life_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_HEALTH_PING_URL", "https://hc.example.org/secret-id")

    assert "secret-id" not in repr(load_settings(ROOT / "config.toml"))


# Returned mails


def test_a_folder_of_returned_mails_counts_from_the_files_folder(config: type_of_file, tmp_path: Path) -> None:
    given = '[bounces]\naddress = "b@example.org"\nfolder = "back"\n\n[security]'
    settings = load_settings(config(OWN_BOUNCES, ("[security]", given)))

    assert (settings.bounces.folder, settings.bounces.are_read) == (tmp_path / "back", True)


def test_returned_mails_are_read_nowhere_unless_somebody_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_BOUNCES_ADDRESS", "b@example.org")

    assert not load_settings(ROOT / "config.toml").bounces.are_read


ROOM = "bounces.address: must have at most 36 characters and no + before the @; a signature is added there"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (['folder = "back"'], "bounces.address: give the address that mails come back to; without it none is believed"),
        (['host = "h"'], "bounces.address: give the address that mails come back to; without it none is believed"),
        (['address = "b@example.org"', 'folder = "back"', 'host = "h"'], "bounces: give a folder or a host, not both"),
        (['address = "b+c@example.org"'], ROOM),
        ([f'address = "{"b" * 37}@example.org"'], ROOM),
        (['address = "b"'], "bounces.address: must be an e-mail address such as followup@example.org"),
    ],
)
def test_settings_for_returned_mails_that_cannot_work_are_a_problem(
    config: type_of_file, lines: list[str], problem: str
) -> None:
    given = "\n".join(["[bounces]", *lines, "", "[security]"])

    assert problems_in(config(OWN_BOUNCES, ("[security]", given))) == (problem,)


# The clock


def test_the_clock_stands_still_in_demo_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_DEMO_NOW", "2026-11-20T09:00:00+09:00")

    clock = clock_of(load_settings(ROOT / "config.toml"))

    assert (clock(), clock().tzinfo) == (datetime(2026, 11, 20, 0, 0, tzinfo=UTC), UTC)


def test_the_clock_runs_without_an_instant() -> None:
    clock = clock_of(load_settings(ROOT / "config.toml"))

    assert clock() <= clock()
    assert clock().tzinfo is UTC


@pytest.mark.parametrize("where", ["file", "environment"])
def test_the_clock_cannot_be_set_outside_demo_mode(
    config: type_of_file, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [("enabled = true", "enabled = false"), ('base_url = ""', 'base_url = "https://followup.example.org"')]
    if where == "file":
        changes.append(('now = ""', 'now = "2026-11-20T09:00:00+09:00"'))
    else:
        monkeypatch.setenv("REGISTRY_DEMO_NOW", "2026-11-20T09:00:00+09:00")

    (problem,) = problems_in(config(*changes))

    assert "demo" in problem
    assert "the clock can only be set in demo mode" in problem


def test_an_instant_without_a_zone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_DEMO_NOW", "2026-11-20T09:00:00")

    assert problems_in(ROOT / "config.toml") == ("demo.now: give the time zone too, such as 2026-11-20T09:00:00+09:00",)


# Problems in words

SINGLE_PROBLEMS = [
    ("port = 8000", "port = 0", "web.port: input should be greater than or equal to 1 (given: 0)"),
    ("port = 8000", "port = 65536", "web.port: input should be less than or equal to 65535 (given: 65536)"),
    ("port = 8000", 'port = "x"', "web.port: must be a whole number (given: 'x')"),
    ("port = 8000", "port = 80.5", "web.port: must be a whole number (given: 80.5)"),
    ("workers = 1", "wrokers = 1", "web.wrokers: is not a setting; check its spelling"),
    ("[demo]", "[dmeo]", "dmeo: is not a setting; check its spelling"),
    ("enabled = true", 'enabled = "perhaps"', "demo.enabled: must be true or false (given: 'perhaps')"),
    ('sender = "followup@example.org"', "sender = 5", "mail.sender: must be text in quotation marks (given: 5)"),
    ('tls = "starttls"', 'tls = "ssl"', "mail.tls: input should be 'starttls', 'tls' or 'none' (given: 'ssl')"),
    ('base_url = ""', 'base_url = "followup.jp"', "web.base_url: must begin with http:// or https://"),
    (
        '"Asia/Tokyo"',
        '"Asia/Osaka"',
        "sites 1.time_zone: 'Asia/Osaka' is not a time zone; write it like Asia/Tokyo",
    ),
    (', ja = "見本病院"', "", "sites 1.name: also give it in ja"),
    ('code = "DEMO"\n', "", "sites 1.code: is missing"),
    ("email_days = [0, 7, 14]", "email_days = 7", "study.reminders.email_days: must be a list in square brackets"),
    ('code = "M12"\n', "", "study.timepoints 3.code: is missing"),
    (
        "email_days = [0, 7, 14]",
        "email_days = [7, 0]",
        "study.reminders.email_days: give days after the due date in rising order, such as [0, 7, 14]",
    ),
    (
        '"arm_numb"]',
        '"arm_nub"]',
        "study.items: 'arm_nub' is not an item of the instrument; its items are "
        "low_back, leg_pain, leg_numb, neck, arm_pain, arm_numb",
    ),
    (
        "vas6/1-week-worst/imaginable/v1",
        "vas7",
        "study.instrument: 'vas7' is not known; known are vas6/1-week-worst/imaginable/v1",
    ),
]


@pytest.mark.parametrize(("line", "instead", "problem"), SINGLE_PROBLEMS)
def test_a_problem_names_its_place_and_what_was_given(
    config: type_of_file, line: str, instead: str, problem: str
) -> None:
    found = problems_in(config((line, instead)))

    assert [line.removesuffix(" (given: 7)") for line in found] == [problem]


def test_every_problem_is_told_at_once(config: type_of_file) -> None:
    found = problems_in(
        config(
            ("port = 8000", "port = 0"),
            ("threads = 8", 'threads = "x"'),
            ('"Asia/Tokyo"', '"Mars"'),
            ("email_days = [0, 7, 14]", "email_days = [7, 0]"),
            ("at_least = 30", "at_least = 101"),
        )
    )

    assert [problem.partition(":")[0] for problem in found] == [
        "web.port",
        "web.threads",
        "sites 1.time_zone",
        "study.reminders.email_days",
        "study.entry.at_least",
    ]


def test_a_clock_outside_demo_mode_is_told_together_with_other_problems(config: type_of_file) -> None:
    found = problems_in(
        config(
            ("enabled = true", "enabled = false"),
            ('now = ""', 'now = "2026-11-20T09:00:00+09:00"'),
            ("port = 8000", "port = 0"),
        )
    )

    assert any("the clock can only be set in demo mode" in problem for problem in found)


def test_a_site_that_is_there_twice_is_told_together_with_other_problems(config: type_of_file) -> None:
    site = OWN[OWN.index("[[sites]]") : OWN.index("[study]")]

    found = problems_in(config(("[[sites]]", f"{site}\n[[sites]]"), ("port = 8000", "port = 0")))

    assert len(found) == 2


def test_without_demo_mode_the_address_of_links_must_be_given(config: type_of_file) -> None:
    assert problems_in(config(("enabled = true", "enabled = false"))) == (
        "web.base_url: give the address that patients reach; the links in mails begin with it",
    )


_NO_HOST = "must name a host in plain letters, such as https://followup.example-hospital.jp"
_UNSEEN = "must hold no blanks and no characters that cannot be seen"
_ENDS = "must end after the host, without a path; the pages have fixed places below it"
_NO_QUERY = "must hold no ? and no #; they would end up inside every link"
_NO_USER = "must hold no user and no password"
_NO_PORT = "must have a port from 1 to 65535, or none"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("ftp://f.example.org", "must begin with http:// or https://"),
        ("//f.example.org", "must begin with http:// or https://"),
        ("HTTPS://f.example.org", "must begin with http:// or https://"),
        ("https://", _NO_HOST),
        ("https:///s", f"{_NO_HOST}\nweb.base_url: {_ENDS}"),
        ("https://[::1", _NO_HOST),
        ("https://見本病院.jp", _NO_HOST),
        ("https://f_u.example.org", _NO_HOST),
        ("https://-f.example.org", _NO_HOST),
        ("https://f..example.org", _NO_HOST),
        ("https://f.example.org\\s", _NO_HOST),
        ("https://alice:hunter2@f.example.org", _NO_USER),
        ("https://alice@f.example.org", _NO_USER),
        ("https://f.example.org/registry", _ENDS),
        ("https://f.example.org/registry/", _ENDS),
        ("https://f.example.org//", _ENDS),
        ("https://f.example.org/?a=b", _NO_QUERY),
        ("https://f.example.org?", _NO_QUERY),
        ("https://f.example.org#top", _NO_QUERY),
        ("https://f.example.org/#", _NO_QUERY),
        ("https://f.example.org:0", _NO_PORT),
        ("https://f.example.org:", _NO_PORT),
        ("https://f.example.org:65536", _NO_PORT),
        ("https://f.example.org:80:90", _NO_PORT),
        ("https://f.example.org:http", _NO_PORT),
        ("https://f.example .org", _UNSEEN),
        (" https://f.example.org", _UNSEEN),
        ("https://f.example.org\n", _UNSEEN),
        ("https://f.exa\tmple.org", _UNSEEN),
        ("https://f.example.org\x7f", _UNSEEN),
        ("https://f.example\u200b.org", _UNSEEN),
    ],
)
def test_what_is_no_bare_address_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, given: str, reason: str
) -> None:
    monkeypatch.setenv("REGISTRY_WEB_BASE_URL", given)

    found = problems_in(ROOT / "config.toml")

    assert "\n".join(found) == f"web.base_url: {reason}"
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://followup.example.org", "https://followup.example.org"),
        ("https://followup.example.org/", "https://followup.example.org"),
        ("https://followup.example.org:8443/", "https://followup.example.org:8443"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("https://[2001:db8::7]:8443/", "https://[2001:db8::7]:8443"),
        ("https://xn--fiq228c.jp", "https://xn--fiq228c.jp"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_bare_address_is_taken_and_a_slash_after_it_dropped(
    config: type_of_file, monkeypatch: pytest.MonkeyPatch, given: str, kept: str
) -> None:
    monkeypatch.setenv("REGISTRY_WEB_BASE_URL", given)

    assert load_settings(config(("enabled = true", "enabled = false"))).base_url == kept


@pytest.mark.parametrize(
    "given",
    ["http://followup.example.org", "http://10.0.0.5", "http://localhost.example.org", "http://127.0.0.1.nip.io"],
)
def test_without_tls_a_real_registry_is_reached_from_its_own_machine_alone(
    config: type_of_file, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("REGISTRY_WEB_BASE_URL", given)

    assert load_settings(config()).base_url == given
    assert problems_in(config(("enabled = true", "enabled = false"))) == (
        "web.base_url: must begin with https://; plain http:// is for this machine and the demo alone",
    )


def test_a_site_that_is_there_twice_is_refused(config: type_of_file) -> None:
    site = OWN[OWN.index("[[sites]]") : OWN.index("[study]")]

    (problem,) = problems_in(config(("[[sites]]", f"{site}\n[[sites]]")))

    assert "the code DEMO is there more than once" in problem


def test_an_unknown_item_does_not_hide_an_overlapping_window(config: type_of_file) -> None:
    found = problems_in(config(('"arm_numb"]', '"arm_nub"]'), ("email_days = [0, 7, 14]", "email_days = [7, 0]")))

    assert len(found) == 2


def test_a_group_without_words_in_a_language_is_a_problem(config: type_of_file) -> None:
    labels = OWN[OWN.index("[study.groupings.labels.ja]") :]

    assert any("ja" in problem for problem in problems_in(config((labels, ""))))


def test_a_question_that_is_asked_twice_is_a_problem(config: type_of_file) -> None:
    assert any("low_back" in problem for problem in problems_in(config(('"arm_numb"]', '"low_back"]'))))


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("closes_days_after = 45", "closes_days_after = 100000000"),
        ("months = 24", "months = 200000"),
        ("opens_days_before = 60", "opens_days_before = 10000000"),
    ],
)
def test_a_window_beyond_every_calendar_is_told_in_words(config: type_of_file, line: str, instead: str) -> None:
    assert all(problem.startswith("study.") for problem in problems_in(config((line, instead))))


# Files that are no configuration


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"

    assert problems_in(path) == (f"there is no configuration file {path}",)


def test_a_file_that_is_no_toml_is_told(config: type_of_file) -> None:
    (problem,) = problems_in(config(("[web]", "[web")))

    assert "cannot be read" in problem


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe[web]")

    (problem,) = problems_in(path)

    assert "cannot be read" in problem


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (problem,) = problems_in(tmp_path)

    assert "cannot be read" in problem


def test_an_empty_file_tells_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.touch()

    assert problems_in(path) == ("sites: is missing", "study: is missing")


@pytest.mark.parametrize("value", ["5", '"smtp.example.org"', "[]"])
def test_a_section_that_is_no_table_is_told(tmp_path: Path, value: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"mail = {value}\n")

    assert any(problem.startswith("mail: ") for problem in problems_in(path))


def test_a_site_that_is_not_configured_is_told() -> None:
    settings = load_settings(ROOT / "config.toml")

    with pytest.raises(ConfigurationProblems, match="has a site NOWHERE that is not in the configuration"):
        settings.site("NOWHERE")


def test_reading_the_configuration_loads_no_database_and_no_pages() -> None:
    """It is what every command does first, `registry --help` included."""
    heavy = "{'sqlalchemy', 'flask', 'numpy', 'matplotlib'}"
    script = f"import sys, registry.config; print(sorted({heavy} & sys.modules.keys()))"

    shown = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT, env=os.environ
    )

    assert shown.stdout.strip() == "[]"
