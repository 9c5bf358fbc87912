"""The settings: config.toml under the environment, checked as a whole, every problem listed at once."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from registry.config_bounces import BounceSettings
from registry.config_notices import DigestSettings, HealthSettings
from registry.config_problems import an_address, bare_address, in_words, problem_of_a_real_address
from registry.config_study import StudySection
from registry.domain.errors import ConfigurationProblems
from registry.domain.sending_hours import ALWAYS, SendingHours
from registry.domain.study import Study
from registry.languages import LANGUAGES

# With "/s/" and 26 characters after it a link has at most 72, which every mail program leaves in one piece.
LONGEST_BASE_URL = 43


def _by_language(value: Mapping[str, str]) -> Mapping[str, str]:
    missing = [language for language in LANGUAGES if not value.get(language)]
    if missing:
        raise ValueError(f"also give it in {' and '.join(missing)}")
    return value


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is not a time zone; write it like Asia/Tokyo")
    return value


def _short_enough(value: str) -> str:
    if len(value) > LONGEST_BASE_URL:
        raise ValueError(f"must be at most {LONGEST_BASE_URL} characters, so that no mail program breaks a link in two")
    return value


def _known_database(value: str) -> str:
    if not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return value


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _with_zone(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise ValueError("give the time zone too, such as 2026-11-20T09:00:00+09:00")
    return value


Words = Annotated[Mapping[str, str], AfterValidator(_by_language)]
Instant = Annotated[datetime | None, BeforeValidator(_empty_is_none), AfterValidator(_with_zone)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Section):
    """Where the rows are."""

    url: Annotated[str, AfterValidator(_known_database)] = "sqlite:///data/registry.db"


class WebSettings(_Section):
    """Where pages are served, and under which address patients reach them."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    base_url: Annotated[str, AfterValidator(bare_address), AfterValidator(_short_enough)] = ""
    workers: int = Field(1, ge=1)
    threads: int = Field(8, ge=1)


class MailSettings(_Section):
    """How mails leave: by SMTP, or into a folder when no host is set."""

    host: str = ""
    port: int = Field(587, ge=1, le=65535)
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = Field("", repr=False)
    sender: Annotated[str, AfterValidator(an_address)] = "followup@example.org"
    reply_to: Annotated[str, AfterValidator(an_address)] = ""
    folder: Path = Path("data/outbox")
    connections: int = Field(4, ge=1, le=16)
    most_per_hour: int = Field(0, ge=0)

    @property
    def n_lanes(self) -> int:
        """How many mails leave at once; a folder takes them one by one."""
        return self.connections if self.host else 1


class SecuritySettings(_Section):
    """Where the keys are kept, and how long a staff session lasts."""

    key_file: Path = Path("data/secret.key")
    session_idle_minutes: int = Field(15, ge=1)
    session_hours: int = Field(10, ge=1)


class DemoSettings(_Section):
    """Whether this registry is a demonstration, and at which instant it stands still."""

    enabled: bool = False
    now: Instant = None

    @model_validator(mode="after")
    def _check_clock(self) -> "DemoSettings":
        if self.now is not None and not self.enabled:
            raise ValueError("demo.now: the clock can only be set in demo mode (demo.enabled = true)")
        return self


class SiteSettings(_Section):
    """A hospital as patients read of it."""

    code: str = Field(pattern=r"^[A-Za-z0-9_-]{1,20}$")
    name: Words
    time_zone: Annotated[str, AfterValidator(_known_zone)]
    phone: str = Field(min_length=1)
    phone_hours: Words
    address: Words
    signatory: Words

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which this site's days begin and end."""
        return ZoneInfo(self.time_zone)


def _without_twins(sites: tuple[SiteSettings, ...]) -> tuple[SiteSettings, ...]:
    codes = [site.code for site in sites]
    twins = sorted({code for code in codes if codes.count(code) > 1})
    if twins:
        raise ValueError("\n".join(f"sites: the code {code} is there more than once" for code in twins))
    return sites


class Settings(BaseSettings):
    """Everything that can be set; frozen."""

    model_config = SettingsConfigDict(
        env_prefix="REGISTRY_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        frozen=True,
        extra="forbid",
    )

    database: DatabaseSettings = DatabaseSettings()
    web: WebSettings = WebSettings()
    mail: MailSettings = MailSettings()
    bounces: BounceSettings = BounceSettings()
    digest: DigestSettings = DigestSettings()
    health: HealthSettings = HealthSettings()
    security: SecuritySettings = SecuritySettings()
    demo: DemoSettings = DemoSettings()
    sites: Annotated[tuple[SiteSettings, ...], Field(min_length=1), AfterValidator(_without_twins)]
    study: StudySection

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose content comes in as keyword arguments."""
        return env_settings, init_settings

    @property
    def protocol(self) -> Study:
        """The study as the domain knows it."""
        return self.study.protocol

    @property
    def sending_hours(self) -> SendingHours:
        """When mails leave; a demonstration does not wait for the morning."""
        return ALWAYS if self.demo.enabled else self.protocol.ladder.hours

    @property
    def base_url(self) -> str:
        """The address under which patients and staff reach the registry."""
        return self.web.base_url or f"http://{self.web.host}:{self.web.port}"

    def site(self, code: str) -> SiteSettings:
        """The site with this code."""
        found = next((site for site in self.sites if site.code == code), None)
        if found is None:
            raise ConfigurationProblems([f"sites: the database has a site {code} that is not in the configuration"])
        return found


def load_settings(path: Path) -> Settings:
    """Read and check the configuration; raise with every problem at once when something is wrong."""
    table = _read(path)
    told = "{}.password: keep it out of the file; set REGISTRY_{}_PASSWORD instead"
    if found := [name for name in ("mail", "bounces") if "password" in _section(table, name)]:
        raise ConfigurationProblems([told.format(name, name.upper()) for name in found])
    try:
        settings = _rooted(Settings(**table), path.resolve().parent)
    except ValidationError as error:
        raise ConfigurationProblems(in_words(error)) from None
    if not settings.demo.enabled and (problem := problem_of_a_real_address(settings.web.base_url)):
        raise ConfigurationProblems([f"web.base_url: {problem}"])
    return settings


def _section(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name)
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigurationProblems([f"there is no configuration file {path}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationProblems([f"{path} cannot be read: {error}"]) from None


def _rooted(settings: Settings, folder: Path) -> Settings:
    """The settings with every relative path counted from the folder of the configuration file."""
    database, mail, security = settings.database, settings.mail, settings.security
    bounces = settings.bounces
    return settings.model_copy(
        update={
            "database": database.model_copy(update={"url": _rooted_url(database.url, folder)}),
            "mail": mail.model_copy(update={"folder": folder / mail.folder}),
            "bounces": bounces.model_copy(update={"folder": folder / bounces.folder if bounces.folder else None}),
            "security": security.model_copy(update={"key_file": folder / security.key_file}),
        }
    )


def _rooted_url(url: str, folder: Path) -> str:
    prefix = "sqlite:///"
    return f"{prefix}{folder / url.removeprefix(prefix)}" if url.startswith(prefix) else url
