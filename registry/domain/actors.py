"""Who did it: every use case takes an actor, and the audit trail keeps it."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """The sort of actor behind a change."""

    STAFF = "staff"
    PATIENT_LINK = "patient_link"
    COMMAND = "command"
    SCHEDULER = "scheduler"


@dataclass(frozen=True)
class Actor:
    """The one who acts: a member of staff, a patient behind a link, a command or the scheduler."""

    kind: ActorKind
    reference: str


SCHEDULER = Actor(ActorKind.SCHEDULER, "scheduler")


def command(name: str) -> Actor:
    """The actor behind a command of the command line."""
    return Actor(ActorKind.COMMAND, name)


def staff_member(staff_id: int) -> Actor:
    """A signed-in member of staff."""
    return Actor(ActorKind.STAFF, str(staff_id))


def patient_link(public_id: str) -> Actor:
    """A patient who answers behind a link, known by the link's public id."""
    return Actor(ActorKind.PATIENT_LINK, public_id)
