"""What every page works with: settings, database, keys and clock, and the time of this request."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Flask, current_app, g

from registry.clock import Clock
from registry.config import Settings, SiteSettings
from registry.domain.study import Study
from registry.security.keys import KeyRing
from registry.storage.database import Database

_NAME = "registry"


@dataclass(frozen=True)
class State:
    """The parts of a running registry."""

    settings: Settings
    database: Database
    keys: KeyRing
    clock: Clock

    @property
    def study(self) -> Study:
        """The protocol."""
        return self.settings.protocol


def attach(app: Flask, state: State) -> None:
    """Give an application its parts."""
    app.extensions[_NAME] = state


def known() -> Any:
    """What `g` knows of this request, for a function that asks more than once: each name by way of `g` is looked up."""
    return g._get_current_object()


def state() -> State:
    """The parts of the application that answers this request."""
    found: State = current_app.extensions[_NAME]
    return found


def now() -> datetime:
    """The instant of this request, read once."""
    here = known()
    if "now" not in here:
        here.now = state().clock()
    instant: datetime = here.now
    return instant


def today(site: SiteSettings) -> date:
    """The day of this request at a site."""
    return now().astimezone(site.zone).date()
