"""HTML as a PDF: made by a child process, one at a time, and the last ones kept."""

import logging
import os
import subprocess
import sys
from threading import Lock

from registry.domain.errors import RegistryError

PANGO_MISSING = 69
LONGEST_SECONDS = 30.0
# A page that waits holds a thread that patients need, and the browser can print it as well.
LONGEST_WAIT = 3.0
MOST_KEPT = 16

logger = logging.getLogger(__name__)

_HOW_TO_INSTALL = (
    "PDF files need the Pango libraries, which are not on this machine. "
    "On Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
)


class PdfUnavailable(RegistryError):
    """No PDF can be had; the text says what to install."""


class PdfFailed(PdfUnavailable):
    """No PDF can be had although everything is installed; the text says what was reported."""


class Press:
    """Makes PDFs in a child process, never two at once, and keeps the last ones."""

    # WeasyPrint has had holes, and it takes memory: it lives in a process of its own, for as long as one file takes.
    def __init__(
        self,
        command: tuple[str, ...] = (sys.executable, "-m", "registry.figures.pdf"),
        *,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._command = command
        self._longest_seconds = longest_seconds
        self._one_at_a_time = Lock()
        self._kept: dict[str, bytes] = {}

    def pdf_of(self, html: str) -> bytes:
        """The PDF of a page that uses nothing but what is shipped; the same page is made once, then remembered."""
        kept = self._kept.get(html)
        return self._kept_or_made(html) if kept is None else kept

    def _kept_or_made(self, html: str) -> bytes:
        # Without an end to the waiting, a few slow files would hold every thread of the web server.
        if not self._one_at_a_time.acquire(timeout=min(LONGEST_WAIT, self._longest_seconds)):
            raise PdfFailed("other PDF files are being made; try again in a minute")
        try:
            kept = self._kept.get(html)
            return self._keep(html, self._made(html)) if kept is None else kept
        finally:
            self._one_at_a_time.release()

    def _keep(self, html: str, pdf: bytes) -> bytes:
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[html] = pdf
        return pdf

    def _made(self, html: str) -> bytes:
        try:
            child = subprocess.run(  # noqa: S603 - the command is ours, the page goes in as data
                self._command,
                input=html.encode(),
                capture_output=True,
                env=_environment(),
                timeout=self._longest_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            _log(expired.stderr)
            raise PdfFailed(f"the PDF was not ready after {self._longest_seconds:g} seconds") from None
        return _result(child)


def _result(child: subprocess.CompletedProcess[bytes]) -> bytes:
    said = _log(child.stderr)
    if child.returncode == PANGO_MISSING:
        raise PdfUnavailable(_HOW_TO_INSTALL)
    if child.returncode != 0 or not child.stdout.startswith(b"%PDF-"):
        last_line = said.splitlines()[-1] if said else f"exit status {child.returncode}"
        raise PdfFailed(f"the PDF could not be made: {last_line}")
    return child.stdout


def _log(stderr: bytes | None) -> str:
    said = (stderr or b"").decode(errors="replace").strip()
    if said:
        logger.warning("The PDF process said: %s", said)
    return said


def _environment() -> dict[str, str]:
    """The environment without the registry's secrets, which a page has no use for."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}


pdf_of = Press().pdf_of
