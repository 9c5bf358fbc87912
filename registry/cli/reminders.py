"""`registry reminders`: the outbox, by hand."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import click

from registry.cli.common import opened, site_code, site_row, with_settings
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.actors import command
from registry.domain.calendar import add_days
from registry.domain.errors import RegistryError
from registry.domain.ledger import RungKind
from registry.domain.schedule import FollowUpStatus
from registry.domain.sending_guard import Hold
from registry.domain.study import Study
from registry.mail.self_test import refuse_unsafe_mails
from registry.mail.transport import transport_of
from registry.security.keys import load_keys
from registry.services.change_preview import Basis, Preview, ToBeConfirmed
from registry.services.forecast import Forecast, forecast
from registry.services.outbox import FAILED, Dispatch, send_due_reminders
from registry.services.plan_difference import Change, Effect
from registry.services.replanning import Replanning, replan_preview
from registry.services.replanning import replan as do_replan
from registry.services.sender import hold_of, installation, remember, take_up
from registry.services.sender import resume as resume_sending
from registry.storage.models import ReminderState

_TROUBLES = (ReminderState.REJECTED, ReminderState.DEFERRED, ReminderState.UNKNOWN, FAILED)


_WHY = {
    Hold.ELSEWHERE: "this database was served by another installation, of which this may be a copy",
    Hold.CLOCK_AHEAD: "the clock went ahead by more than a day",
    Hold.CLOCK_BEHIND: "the clock is behind the scheduler's last sign of life",
}


_EFFECTS = {
    Effect.MISSED: "newly missed",
    Effect.MOVES: "to be moved",
    Effect.STOPS: "to be taken back",
    Effect.NEW: "new",
    Effect.STAYS: "to stay as sent",
}
_PARTS = {None: "forms", RungKind.EMAIL: "e-mails", RungKind.CALL: "calls", RungKind.LETTER: "letters"}


class SendingHeld(RegistryError):
    """Mails are due, and none may leave."""


class PreviewOutdated(RegistryError):
    """What was to be applied is not what the schedule would do now."""


@click.group("reminders")
def reminders_commands() -> None:
    """Reminders to patients."""


@reminders_commands.command()
@with_settings
def send(settings: Settings) -> None:
    """Send everything that is due now: what the scheduler does every minute, once."""
    refuse_unsafe_mails()
    keys, clock, own = load_keys(settings.security.key_file), clock_of(settings), installation(settings)
    with opened(settings) as database, transport_of(settings.mail) as transport:
        with database.transaction() as session:
            take_up(session, own, now=clock())
            hold = hold_of(session, instance=own.instance, now=clock(), is_demo=settings.demo.enabled)
        if hold is not None:
            raise SendingHeld(f"no mail leaves: {_WHY[hold]}; `registry reminders resume` lets them go")
        outcomes = send_due_reminders(Dispatch(database, settings, keys, transport, clock, keep=own.keep))
    click.echo(", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())) or "Nothing is due.")
    if any(outcomes[trouble] for trouble in _TROUBLES):
        raise SystemExit(1)


@reminders_commands.command()
@with_settings
def resume(settings: Settings) -> None:
    """Say that this installation is the one that sends, and that its clock is right."""
    own, now = installation(settings), clock_of(settings)()
    with opened(settings) as database, database.transaction() as session:
        n_remembered = remember(session, own.journal, now=now)
        resume_sending(session, instance=own.instance, by=command("reminders resume"), now=now)
    click.echo(f"Mails leave again; {n_remembered} that had left already were marked as sent.")


@reminders_commands.command()
@click.option("--days", type=click.IntRange(1, 3660), default=60, show_default=True, help="How far to look ahead.")
@click.option("--site", help="The code of the site, where there are several.")
@with_settings
def plan(settings: Settings, *, days: int, site: str | None) -> None:
    """Print what would go out in the coming days, and send nothing."""
    code = site_code(settings, site)
    today = clock_of(settings)().astimezone(settings.site(code).zone).date()
    counted: Counter[str] = Counter()
    with opened(settings) as database:
        site_id = site_row(database, code)
        with database.reading() as session:
            hours = settings.sending_hours
            for mail in forecast(session, site_id=site_id, hours=hours, today=today, days=days):
                click.echo(_line(mail))
                counted["not sent" if mail.reason else "sent"] += 1
    click.echo(f"Until {add_days(today, days)}: {counted['sent']} mails to send, {counted['not sent']} not.")


def _line(mail: Forecast) -> str:
    what = f"{mail.leaves_on} {mail.leaves_on:%a}  {mail.study_id}  {mail.timepoint}  mail {mail.rung + 1}"
    return what if mail.reason is None else f"{what}  not sent: {mail.reason.replace('_', ' ')}"


@reminders_commands.command()
@click.option("--apply", "agreed", metavar="MARK", help="Apply the preview that ended with this mark, or nothing.")
@click.option("--site", help="The code of the site, where there are several.")
@with_settings
def replan(settings: Settings, *, agreed: str | None, site: str | None) -> None:
    """Print what the schedule in the configuration does to forms and mails that are planned already."""
    code, now = site_code(settings, site), clock_of(settings)()
    zone = settings.site(code).zone
    basis = Basis(settings.protocol, settings.sending_hours, zone, now.astimezone(zone).date())
    with opened(settings) as database:
        schedule = Replanning(site_row(database, code), basis)
        preview = replan_preview(database, schedule)
        for line in _told(preview, basis.study):
            click.echo(line)
        if agreed is None or not preview.changes:
            click.echo(_how_to_apply(preview, site))
            return
        try:
            with database.transaction() as session:
                do_replan(session, schedule, preview=preview, confirmed=agreed, by=command("reminders replan"), now=now)
        except ToBeConfirmed:
            raise PreviewOutdated("this is not what was agreed to, and nothing was changed; look at it again") from None
    click.echo("Applied.")


def _told(preview: Preview, study: Study) -> Iterator[str]:
    """A line for each timepoint, effect and kind of thing: how many, and of whom."""
    codes = [timepoint.code for timepoint in study.timepoints]
    codes += sorted({change.timepoint for change in preview.changes} - set(codes))
    effects, parts = list(_EFFECTS), list(_PARTS)

    def place(change: Change) -> tuple[int, int, int]:
        return codes.index(change.timepoint), effects.index(change.effect), parts.index(change.rung)

    for (code, effect, part), found in groupby(sorted(preview.changes, key=place), key=place):
        of_kind = list(found)
        study_ids = ", ".join(sorted({change.study_id for change in of_kind}))
        what = f"{len(of_kind)} {_PARTS[parts[part]]} {_EFFECTS[effects[effect]]}"
        yield f"{codes[code]:<7} {what}: {study_ids}"
    n_answered = sum(_is_answered_form(change) for change in preview.changes)
    if n_answered:
        yield f"{n_answered} of the forms have answers: reports count by window, and their numbers can change."
    yield f"{preview.n_waiting} e-mails wait. Each is written in the words that the templates have when it leaves."


def _is_answered_form(change: Change) -> bool:
    return change.rung is None and change.was is not None and change.was.status == FollowUpStatus.COMPLETED


def _how_to_apply(preview: Preview, site: str | None) -> str:
    if not preview.changes:
        return "The plan is as the schedule has it; there is nothing to apply."
    where = f" --site {site}" if site else ""
    return f"Nothing was changed. To do exactly this: registry reminders replan{where} --apply {preview.fingerprint}"
