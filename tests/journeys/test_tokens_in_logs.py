"""No database, log or back-up holds a usable link: only the mail itself does."""

import base64
import email
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from email import policy
from email.message import EmailMessage
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest
from sqlalchemy import make_url, text

from registry.config import load_settings
from registry.storage.database import Database
from tests.conftest import ROOT
from tests.factories import make_operation, make_patient
from tests.journeys.processes import STOP_SECONDS, answers, mails, run, running, wait_until
from tests.opened import OPERATED_ON
from tests.parts import find_postgresql

ITEMS = ("low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb")
many = pytest.mark.parametrize("n", [6, pytest.param(300, marks=pytest.mark.long)])


def _in_base64(token: bytes) -> Iterator[bytes]:
    """The part of the base64 text that is the same whatever stands around the token, at each of three offsets."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + token + bytes(3))
        yield encoded[4 if offset else 0 : (offset + len(token)) // 3 * 4]


def needles(token: str) -> dict[str, list[bytes]]:
    """A token as it would stand in a file, by encoding."""
    plain = token.encode()
    return {
        "plain": [plain, plain.upper()],
        "url": [b"".join(b"%%%02X" % sign for sign in plain), b"".join(b"%%%02x" % sign for sign in plain)],
        "base64": list(_in_base64(plain)),
        "hex": [plain.hex().encode(), plain.hex().upper().encode()],
        "quoted-printable": [b"".join(b"=%02X" % sign for sign in plain)],
        "utf-16": [token.encode("utf-16-le"), token.encode("utf-16-be")],
    }


def found_in(content: bytes, tokens: list[str]) -> list[tuple[str, str]]:
    """Which tokens stand in a file, and in which encoding."""
    # A soft break of quoted-printable may fall into the token.
    joined = content.replace(b"=\r\n", b"").replace(b"=\n", b"")
    return [
        (token, encoding)
        for token in tokens
        for encoding, forms in needles(token).items()
        if any(form in content or form in joined for form in forms)
    ]


@pytest.fixture
def enrol(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, now: datetime) -> Callable[[int], None]:
    """Enrols patients whose first mail is due."""
    environment["REGISTRY_DEMO_NOW"] = now.isoformat()
    for name in [name for name in environment if name.startswith("REGISTRY_")]:
        monkeypatch.setenv(name, environment[name])
    assert run(["database", "upgrade"], environment).returncode == 0
    found = load_settings(ROOT / "config.toml")

    def enrol(n: int) -> None:
        database = Database(found.database.url)
        with database.transaction() as session:
            for _ in range(n):
                patient = make_patient(session, now=now)
                make_operation(session, patient, found, now=now, today=now.date(), operated_on=OPERATED_ON)
        database.dispose()

    return enrol


def _links(environment: dict[str, str]) -> list[tuple[str, str]]:
    """The link to the form and the link to the preferences of each mail."""
    found = []
    for path in mails(environment):
        message = email.message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=policy.default)
        body = message.get_body(("plain",))
        assert body is not None
        form, stop = [line for line in body.get_content().splitlines() if line.startswith("http")]
        found.append((form, stop))
    return found


class Browser:
    """A patient's browser without scripts."""

    def __init__(self) -> None:
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))

    def open(self, address: str, data: dict[str, str] | None = None) -> tuple[int, str, str]:
        """The status, the address and the text of a page."""
        try:
            with self._opener.open(address, urlencode(data).encode() if data else None, timeout=30) as reply:
                return reply.status, reply.url, reply.read().decode()
        except HTTPError as refusal:
            with refusal:
                return refusal.code, address, refusal.read().decode()

    def answer(self, link: str) -> None:
        """Answer a whole form."""
        _, form, page = self.open(link)
        found = re.search(r'name="key" value="([^"]+)"', page)
        assert found is not None
        key = found.group(1)
        for number, item in enumerate(ITEMS, start=1):
            assert self.open(f"{form}/q/{number}", {"key": key, f"vas_{item}": "47"})[0] == 200
        assert self.open(f"{form}/regions", {"key": key, "region": "nowhere"})[0] == 200
        assert self.open(f"{form}/check", {"key": key, "respondent": "self"})[1].endswith("/done")

    def stray(self, link: str, stop: str) -> None:
        """What goes wrong with links: cut off, doubled, sent by the wrong method, asked for with a word too many."""
        for address in (
            link + ".",
            link.upper(),
            link[:-1],
            f"{link}/{link[-26:]}",
            f"{link}?token={link[-26:]}",
            stop,
        ):
            self.open(address)
        for address in (link, f"{stop}/one-click", f"{link}/x"):
            self.open(address, {"token": link[-26:]})


@many
def test_only_the_mail_holds_a_link(
    environment: dict[str, str], enrol: Callable[[int], None], tmp_path: Path, n: int
) -> None:
    enrol(n)
    sent = run(["reminders", "send"], environment)
    links = _links(environment)
    tokens = [address[-26:] for pair in links for address in pair]
    with running("serve", environment) as process:
        wait_until(lambda: answers(environment))
        for form, stop in links:
            Browser().answer(form)
            Browser().stray(form, stop)
        files = _files_of_the_database(environment, tmp_path)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=STOP_SECONDS)
    logs = {"server": said, "mailer": sent.stdout + sent.stderr}

    assert len(set(tokens)) == 2 * n
    assert {name: found_in(content, tokens) for name, content in files.items()} == {name: [] for name in files}
    assert {name: found_in(log.encode(), tokens) for name, log in logs.items()} == {name: [] for name in logs}
    assert all(b"answers_sent" in content for content in files.values())
    # The other way round, the mails do hold what was looked for.
    content = b"".join(path.read_bytes() for path in mails(environment))
    assert {token for token, _ in found_in(content, tokens)} >= {form[-26:] for form, _ in links}


def _files_of_the_database(environment: dict[str, str], folder: Path) -> dict[str, bytes]:
    """Everything that a thief of the database would carry off."""
    url = make_url(environment["REGISTRY_DATABASE_URL"])
    if url.get_backend_name() == "sqlite":
        copy = folder / "copy.db"
        assert run(["backup", str(copy)], environment).returncode == 0
        path = Path(url.database or "")
        whole = path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
        return {"database": whole, "back-up": copy.read_bytes()}
    binaries = find_postgresql()
    assert binaries is not None
    dump = subprocess.run([binaries / "pg_dump", url.render_as_string()], capture_output=True, check=True, timeout=60)
    return {"dump": dump.stdout, "rows": _every_row(environment)}


def _every_row(environment: dict[str, str]) -> bytes:
    database = Database(environment["REGISTRY_DATABASE_URL"])
    with database.reading() as session:
        names = session.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        rows = [
            row for name in names for row in session.execute(text(f'SELECT "{name}"::text FROM "{name}"')).scalars()
        ]
    database.dispose()
    return "\n".join(rows).encode()


TOKEN = "0123456789abcdefghjkmnpqrs"


@pytest.mark.parametrize("encoding", list(needles(TOKEN)))
@pytest.mark.parametrize("before", ["", "x", "xy", "https://followup.example.org/s/"])
def test_a_planted_token_is_found_in_each_encoding(encoding: str, before: str) -> None:
    """The negative control of the search."""
    line = f"{before}{TOKEN} and more"
    planted = {
        "plain": line.encode(),
        "url": "".join(f"%{byte:02X}" for byte in line.encode()).encode(),
        "base64": base64.b64encode(line.encode()),
        "hex": line.encode().hex().encode(),
        "quoted-printable": "".join(f"={byte:02X}" for byte in line.encode()).encode(),
        "utf-16": line.encode("utf-16"),
    }[encoding]

    assert (TOKEN, encoding) in found_in(b"noise\n" + planted + b"\nnoise", [TOKEN])


def test_a_token_in_a_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(f'127.0.0.1 - - "GET /s/{TOKEN} HTTP/1.1" 303\n')

    assert found_in(log.read_bytes(), [TOKEN, TOKEN[::-1]]) == [(TOKEN, "plain")]
