"""The press: one child at a time, nothing made twice, and a plain word when it cannot be."""

from __future__ import annotations

import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.figures.pdf import MOST_KEPT, PdfFailed, PdfUnavailable, Press
from tests.parts import missing

# Writes down what it was given, and fails when another one is at work in the same folder.
STAND_IN = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
html = sys.stdin.read()
lock = os.open(folder / "lock", os.O_CREAT | os.O_EXCL)
with (folder / "made").open("a") as made:
    made.write(html + "\\n")
time.sleep(0.02)
os.unlink(folder / "lock")
sys.stdout.write("%PDF-" + html)
"""


@pytest.fixture(scope="module")
def pango() -> None:
    try:
        Press().pdf_of("<!doctype html><html lang='en'><title>Page</title>")
    except PdfUnavailable as reason:
        missing(str(reason))


def stand_in(folder: Path) -> Press:
    return Press((sys.executable, "-c", STAND_IN, str(folder)))


def saying(code: str, *, longest_seconds: float = 30) -> Press:
    return Press((sys.executable, "-c", code), longest_seconds=longest_seconds)


def made_in(folder: Path) -> list[str]:
    return (folder / "made").read_text().split()


def test_a_page_asked_for_fifty_times_at_once_is_made_once(tmp_path: Path) -> None:
    press = stand_in(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        pdfs = set(pool.map(press.pdf_of, ["page"] * 50))

    assert pdfs == {b"%PDF-page"}
    assert made_in(tmp_path) == ["page"]


def test_two_children_never_work_at_once(tmp_path: Path) -> None:
    press = stand_in(tmp_path)

    with ThreadPoolExecutor(6) as pool:
        pdfs = list(pool.map(press.pdf_of, "abcdef"))

    assert pdfs == [f"%PDF-{page}".encode() for page in "abcdef"]


def test_two_presses_at_once_are_noticed_by_the_stand_in(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()

    with pytest.raises(PdfFailed, match="FileExistsError"):
        stand_in(tmp_path).pdf_of("page")


def test_only_the_last_pages_are_kept(tmp_path: Path) -> None:
    press = stand_in(tmp_path)
    pages = [str(number) for number in range(MOST_KEPT + 1)]

    for page in [*pages, pages[-1], pages[1], pages[0]]:
        press.pdf_of(page)

    assert made_in(tmp_path) == [*pages, pages[0]]


def test_what_the_child_says_is_logged_and_named(caplog: pytest.LogCaptureFixture) -> None:
    press = saying("import sys; sys.stderr.write('first line\\nlast line'); sys.exit(1)")

    with caplog.at_level(logging.WARNING), pytest.raises(PdfFailed, match=r"could not be made: last line$"):
        press.pdf_of("page")

    assert "first line\nlast line" in caplog.text


@pytest.mark.parametrize("code", ["print('no PDF')", "import sys; sys.exit(3)"])
def test_what_is_no_pdf_is_not_handed_out(code: str) -> None:
    with pytest.raises(PdfFailed):
        saying(code).pdf_of("page")


def test_a_failure_is_not_remembered(tmp_path: Path) -> None:
    press = stand_in(tmp_path)
    lock = tmp_path / "lock"
    lock.touch()
    with pytest.raises(PdfFailed):
        press.pdf_of("page")
    lock.unlink()

    assert press.pdf_of("page") == b"%PDF-page"


def test_a_child_that_takes_too_long_is_ended_and_its_words_kept(caplog: pytest.LogCaptureFixture) -> None:
    code = "import sys, time; sys.stderr.write('still at it'); sys.stderr.flush(); time.sleep(60)"

    with caplog.at_level(logging.WARNING), pytest.raises(PdfFailed, match="not ready after 1 seconds"):
        saying(code, longest_seconds=1).pdf_of("page")

    assert "still at it" in caplog.text


def test_the_child_does_not_get_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_MAIL_PASSWORD", "hunter2")

    seen = saying("import os; print('%PDF-', sorted(os.environ))").pdf_of("page").decode()

    assert "PATH" in seen
    assert "REGISTRY_MAIL_PASSWORD" not in seen


def test_without_pango_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import cffi\n"
        "def no_library(self, name, flags=0): raise OSError(f'cannot load library {name!r}')\n"
        "cffi.FFI.dlopen = no_library\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))

    with pytest.raises(PdfUnavailable, match="apt-get install libpango") as refused:
        Press().pdf_of("<p>page")

    assert not isinstance(refused.value, PdfFailed)


@pytest.mark.usefixtures("pango")
@pytest.mark.parametrize(
    ("page", "address"),
    [
        ("<img src='{}'>", "file:///etc/hostname"),
        ("<img src='{}'>", "data:,x"),
        ("<link rel=stylesheet href='{}'>", "http://127.0.0.1:9/"),
        ("<style>@import '{}'</style>", "shipped:/other.css"),
    ],
)
def test_a_page_may_load_nothing_that_is_not_shipped(page: str, address: str) -> None:
    with pytest.raises(PdfFailed, match=f"may not load {address}"):
        Press().pdf_of(page.format(address))


@pytest.mark.usefixtures("pango")
def test_a_page_in_plain_words_becomes_a_pdf_without_a_complaint(caplog: pytest.LogCaptureFixture) -> None:
    pdf = Press().pdf_of("<!doctype html><html lang='en'><title>Page</title><p>Words")

    assert pdf.startswith(b"%PDF-1.7")
    assert caplog.text == ""
