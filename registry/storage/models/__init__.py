"""Every table of the registry."""

from registry.storage.models.accounts import Staff, StaffSession
from registry.storage.models.audit import AuditEvent
from registry.storage.models.correspondence import (
    AccessLink,
    LinkPurpose,
    Reminder,
    ReminderKind,
    ReminderState,
)
from registry.storage.models.digest import Digest, DigestState
from registry.storage.models.follow_up import (
    Answer,
    Assessment,
    BodyMarking,
    FollowUp,
    PhoneAttempt,
    PhoneRequest,
    PostedLetter,
)
from registry.storage.models.heartbeat import Heartbeat
from registry.storage.models.operations import Classification, Operation
from registry.storage.models.people import Consent, Contact, Enrolment, Patient, Site
from registry.storage.models.scores import Score, ScoredOperation, StalePatient, Stratum
from registry.storage.models.sender import Sender

__all__ = [
    "AccessLink",
    "Answer",
    "Assessment",
    "AuditEvent",
    "BodyMarking",
    "Classification",
    "Consent",
    "Contact",
    "Digest",
    "DigestState",
    "Enrolment",
    "FollowUp",
    "Heartbeat",
    "LinkPurpose",
    "Operation",
    "Patient",
    "PhoneAttempt",
    "PhoneRequest",
    "PostedLetter",
    "Reminder",
    "ReminderKind",
    "ReminderState",
    "Score",
    "ScoredOperation",
    "Sender",
    "Site",
    "Staff",
    "StaffSession",
    "StalePatient",
    "Stratum",
]
