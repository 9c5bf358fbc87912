"""A registry of four hospitals whose time is moved from event to event."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, event, or_, select
from sqlmodel import Session, col

from registry.config import Settings
from registry.config_study import StudySection
from registry.domain.instruments import Mode
from registry.domain.vocabularies import OperationState, Region, Respondent
from registry.security.keys import KeyRing
from registry.services import enrolment, operations
from registry.services.assessment import GivenAnswer, lock_and_open_form, record_answer, submit
from registry.services.links import Issuing, form_link, open_link
from registry.services.operations import OperationFacts
from registry.services.outbox import Dispatch, send_due_reminders
from registry.services.sites import ensure_sites
from registry.storage.database import Database
from registry.storage.models import FollowUp, LinkPurpose, Operation, Reminder, ReminderState
from tests.factories import BY, make_patient
from tests.simulation.lives import SITES, Happening, Life, What
from tests.simulation.oracle import Mail

UTC = ZoneInfo("UTC")
AFTERNOON = time(13)
_WAITING = select(col(Reminder.id)).where(
    or_(
        and_(col(Reminder.state) == ReminderState.PLANNED, col(Reminder.due_on) <= bindparam("until")),
        col(Reminder.next_attempt_at).is_not(None),
    )
)


@dataclass
class Post:
    """A way for mails to leave that takes each of them, and counts them for each address."""

    recipients: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def send(self, message: Any, *, recipient: str, **_: Any) -> None:
        """Take a mail."""
        self.recipients.append(recipient)


class World:
    """The registry, its dispatcher and the mails that left."""

    def __init__(self, database: Database, settings: Settings, keys: KeyRing) -> None:
        self.database, self.settings, self.keys, self.post = database, _of_four_sites(settings), keys, Post()
        self.forgets: What | None = None
        self.is_down: Callable[[datetime], bool] = lambda moment: False
        self._patients: dict[int, tuple[int, str]] = {}
        event.listen(database.engine, "connect", _trust_the_disk)
        with database.transaction() as session:
            ensure_sites(session, sites=self.settings.sites)

    def live(self, people: list[Life], mornings: set[datetime], other_moments: set[datetime]) -> None:
        """Everything that happens, and every moment at which a scheduler looks, in order."""
        looks = [(moment, 0, None, None) for moment in mornings | other_moments]
        afternoons = [(_afternoon(life, one), 1, life, one) for life in people for one in life.happenings]
        for moment, _, life, happening in sorted([*looks, *afternoons], key=lambda entry: entry[:2]):
            if life is not None and happening is not None:
                if happening.what == self.forgets:
                    continue
                with self.database.transaction() as session:
                    self._happen(session, life, happening, moment)
            elif not self.is_down(moment) and (moment in other_moments or self._waits(moment)):
                self.look(moment)

    def look(self, moment: datetime) -> None:
        """One tick of a scheduler."""
        send_due_reminders(Dispatch(self.database, self.settings, self.keys, self.post, lambda: moment))

    def _waits(self, moment: datetime) -> bool:
        """Whether a mail is due anywhere on earth: time goes from event to event, and not from minute to minute."""
        with self.database.look() as rows:
            return rows.execute(_WAITING, {"until": moment.date() + timedelta(days=1)}).first() is not None

    def mails(self) -> set[Mail]:
        """Which mails the registry says it sent: to whom, for which form, and on which day of the hospital."""
        numbers = {id_: (number, ZoneInfo(SITES[site])) for number, (id_, site) in self._patients.items()}
        statement = (
            select(col(Reminder.patient_id), col(FollowUp.timepoint), col(Reminder.sent_at))
            .join(FollowUp, col(FollowUp.id) == col(Reminder.follow_up_id))
            .where(col(Reminder.state) == ReminderState.ACCEPTED)
        )
        with self.database.reading() as session:
            rows = [(*numbers[row.patient_id], row.timepoint, row.sent_at) for row in session.execute(statement)]
        return {(number, timepoint, sent_at.astimezone(zone).date()) for number, zone, timepoint, sent_at in rows}

    def _happen(self, session: Session, life: Life, one: Happening, now: datetime) -> None:
        done = {"by": BY, "now": now}
        if one.what == What.ENROLLED:
            patient = make_patient(session, now=now, enrolled_on=one.on, site_code=life.site)
            self._patients[life.number] = (patient.id, life.site)
            return
        id_ = self._patients[life.number][0]
        if one.what in (What.PLANNED, What.PUT_OFF, What.OPERATED):
            self._operate(session, id_, one, now)
        elif one.what == What.ANSWERED:
            self._answer(session, id_, one, now)
        elif one.what == What.STOPPED:
            enrolment.stop_emails(session, patient_id=id_, **done)
        elif one.what == What.WITHDREW:
            enrolment.withdraw(session, patient_id=id_, withdrawn_on=one.on, today=one.on, **done)
        else:
            enrolment.record_death(session, patient_id=id_, died_on=one.on, today=one.on, **done)

    def _operate(self, session: Session, id_: int, one: Happening, now: datetime) -> None:
        states = {What.PLANNED: OperationState.PLANNED, What.PUT_OFF: OperationState.POSTPONED}
        days = {What.PLANNED: "planned_on", What.OPERATED: "operated_on"}
        facts = OperationFacts(
            state=states.get(one.what, OperationState.PERFORMED),
            procedure="laminoplasty",
            region=Region.CERVICAL,
            **({days[one.what]: one.day} if one.what in days else {}),
        )
        done: dict[str, Any] = {"study": self.settings.protocol, "today": one.on, "by": BY, "now": now}
        operation = session.exec(select(Operation).where(col(Operation.patient_id) == id_)).scalar()
        if operation is None:
            operations.record_operation(session, patient_id=id_, facts=facts, **done)
        else:
            operations.change_operation(session, operation=operation, facts=facts, **done)

    def _answer(self, session: Session, id_: int, one: Happening, now: datetime) -> None:
        of_form = (col(FollowUp.patient_id) == id_, col(FollowUp.timepoint) == one.timepoint)
        link = form_link(
            Issuing(session, self.keys, BY, now),
            patient_id=id_,
            follow_up_id=session.execute(select(col(FollowUp.id)).where(*of_form)).scalar_one(),
        )
        public_id = open_link(session, token=link.token, purpose=LinkPurpose.FORM)
        done: dict[str, Any] = {"study": self.settings.protocol, "today": one.on, "by": BY, "now": now}
        answer = GivenAnswer(item="low_back", score=30, mode=Mode.NUMBER)
        record_answer(
            session, form=lock_and_open_form(session, public_id=public_id), answer=answer, language="en", **done
        )
        form = lock_and_open_form(session, public_id=public_id)
        submit(session, form=form, respondent=Respondent.SELF, **done)


def _of_four_sites(settings: Settings) -> Settings:
    """The registry's own protocol with one question, at hospitals in four zones."""
    study = StudySection.model_validate(settings.study.model_dump() | {"items": ("low_back",)})
    one = settings.sites[0]
    others = (one.model_copy(update={"code": code, "time_zone": zone}) for code, zone in SITES.items())
    no_demo = settings.demo.model_copy(update={"enabled": False})
    return settings.model_copy(update={"study": study, "sites": (*settings.sites, *others), "demo": no_demo})


def _trust_the_disk(connection: Any, _record: object) -> None:
    """Nobody pulls a plug in this world: it need not wait for the disk."""
    connection.execute("PRAGMA synchronous = OFF")


def _afternoon(life: Life, one: Happening) -> datetime:
    return datetime.combine(one.on, AFTERNOON, ZoneInfo(SITES[life.site])).astimezone(UTC)
