"""Windows of one browser: the context of a test that is over is emptied and lent again, which spares starting it."""

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

# One process for all pages of the server, where each page would otherwise start its own.
SHARED = "--process-per-site"


@dataclass
class _Lent:
    """A context, the page that keeps its process alive, and what it was made for."""

    context: BrowserContext
    keeper: Page
    kind: str

    def empty(self) -> None:
        """Leave nothing of what a test did: no page with its history, no cookie, nothing stored or cached."""
        for page in self.context.pages:
            if page is not self.keeper:
                page.close()
        session = self.context.new_cdp_session(self.keeper)
        origin = self.keeper.evaluate("location.origin")
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        session.send("Network.clearBrowserCache")
        session.detach()


@dataclass
class Windows:
    """Opens windows that know nothing of each other."""

    browser: Browser
    home: str
    """An address of the server that all windows are about."""
    _lent: list[_Lent] = field(default_factory=list)
    _free: list[_Lent] = field(default_factory=list)

    def open(self, **options: Any) -> Page:
        """An empty page; no other window that is open shares its context."""
        kind = repr(sorted(options.items()))
        lent = next((each for each in self._free if each.kind == kind), None)
        if lent is None:
            lent = self._made(kind, options)
        else:
            self._free.remove(lent)
        self._lent.append(lent)
        return lent.context.new_page()

    def _made(self, kind: str, options: dict[str, Any]) -> _Lent:
        context = self.browser.new_context(**options)
        keeper = context.new_page()
        keeper.goto(self.home)
        return _Lent(context, keeper, kind)

    def close(self) -> None:
        """Close what a test has opened."""
        for lent in self._lent:
            lent.empty()
        self._free += self._lent
        self._lent.clear()
