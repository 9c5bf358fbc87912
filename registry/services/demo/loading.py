"""Loading the demo registry: only where a demonstration is meant, and only into an empty registry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from sqlalchemy import func, select
from sqlmodel import Session

from registry.config import Settings
from registry.domain.actors import Actor
from registry.domain.errors import RegistryError
from registry.domain.study import Study
from registry.domain.vocabularies import LUMBAR_DISEASE, OperationState, StaffRole
from registry.services import accounts, audit
from registry.services.demo.answers import LOW_BACK
from registry.services.demo.cohort import stories
from registry.services.demo.rows import insert_histories, insert_patients
from registry.services.demo.simulation import Loading, Simulated, simulated
from registry.services.demo.stories import YEAR
from registry.services.sites import ensure_sites
from registry.storage.enrolments import site_id_of
from registry.storage.models import Patient

SEED = 20231201
_NEEDED_TIMEPOINTS = ("M3", "M6", YEAR, "M24")

Progress = Callable[[int, int], None]


class DemoRefused(RegistryError):
    """The demo registry must not be loaded here; the text says why."""


@dataclass(frozen=True, kw_only=True)
class DemoLoaded:
    """What was loaded, and how to sign in."""

    n_patients: int
    n_operated: int
    n_answers: int
    n_mails_due: int
    """Mails planned for today or an earlier day; the dispatcher will skip a few of them."""
    sign_ins: tuple[tuple[str, str], ...]
    """Names and passwords to try the staff's pages with."""


_SURGEON = ("surgeon", "demo-surgeon-only")
_COORDINATOR = ("coordinator", "demo-coordinator-only")
SIGN_INS = (_SURGEON, _COORDINATOR)


def load_demo(
    session: Session, *, settings: Settings, now: datetime, by: Actor, progress: Progress | None = None
) -> DemoLoaded:
    """Fill an empty registry with the simulated cohort; the same `now` gives the same clinical values."""
    _refuse_unless_fit(session, settings)
    ensure_sites(session, sites=settings.sites)
    site = settings.sites[0]
    site_id = site_id_of(session, code=site.code) or 0
    # A fixed seed is the point: everybody sees the same cohort, and a screenshot can be made again.
    random = Random(SEED)  # noqa: S311  (no secret comes from it)
    loading = Loading(session, settings, site, site_id, random, by, now)
    _add_staff(loading, _SURGEON, "Dr Hanako Mihon", StaffRole.CLINICIAN)
    _add_staff(loading, _COORDINATOR, "Jiro Mihon", StaffRole.COORDINATOR)
    everybody = _simulate(loading, progress)
    insert_histories(loading, insert_patients(loading, everybody), everybody)
    loaded = _summary(loading, everybody)
    audit.record(
        session,
        action="demo_loaded",
        subject="site",
        subject_id=site_id,
        by=by,
        now=now,
        n_patients=loaded.n_patients,
        seed=SEED,
    )
    return loaded


def _refuse_unless_fit(session: Session, settings: Settings) -> None:
    if not settings.demo.enabled:
        raise DemoRefused("The demo registry is loaded only where demo.enabled is true in the configuration")
    if session.execute(select(func.count()).select_from(Patient)).scalar_one():
        raise DemoRefused("The registry already has patients; the demo registry goes into an empty one")
    missing = list(_missing(settings.protocol))
    if missing:
        raise DemoRefused(f"The demo registry needs {', '.join(missing)} in the study's protocol")


def _missing(study: Study) -> list[str]:
    missing = [] if study.item(LOW_BACK) else [f"the item {LOW_BACK}"]
    missing += [] if study.grouping(LUMBAR_DISEASE) else [f"the grouping {LUMBAR_DISEASE}"]
    return missing + [f"the timepoint {code}" for code in _NEEDED_TIMEPOINTS if not study.timepoint(code)]


def _add_staff(loading: Loading, sign_in: tuple[str, str], display_name: str, role: StaffRole) -> None:
    accounts.add_staff(
        loading.session,
        site_id=loading.site_id,
        sign_in_name=sign_in[0],
        display_name=display_name,
        password=sign_in[1],
        role=role,
        by=loading.by,
        now=loading.now,
    )


def _simulate(loading: Loading, progress: Progress | None) -> list[Simulated]:
    study, today = loading.settings.protocol, loading.today
    people = stories(loading.random, study, today=today)
    found = []
    for number, story in enumerate(people, start=1):
        found.append(simulated(loading.random, story, study, number=number, today=today))
        if progress is not None:
            progress(number, len(people))
    return found


def _summary(loading: Loading, everybody: list[Simulated]) -> DemoLoaded:
    forms = [parts for one in everybody for parts in one.forms]
    operated = [one for one in everybody if one.story.surgeries[0].state == OperationState.PERFORMED]
    due = [
        mail
        for _, _, mails in forms
        for mail in mails
        if mail.sent_on is None and mail.skip_reason is None and mail.rung.due_on <= loading.today
    ]
    return DemoLoaded(
        n_patients=len(everybody),
        n_operated=len(operated),
        n_answers=sum(len(answers) for _, answers, _ in forms),
        n_mails_due=len(due),
        sign_ins=SIGN_INS,
    )
