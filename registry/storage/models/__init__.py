"""Every table of the registry."""

from registry.storage.models.accounts import Staff, StaffSession
from registry.storage.models.audit import AuditEvent
from registry.storage.models.correspondence import AccessLink, LinkPurpose, Reminder, ReminderState
from registry.storage.models.follow_up import Answer, Assessment, FollowUp
from registry.storage.models.operations import Classification, Operation
from registry.storage.models.people import Contact, Enrolment, Patient, Site

__all__ = [
    "AccessLink",
    "Answer",
    "Assessment",
    "AuditEvent",
    "Classification",
    "Contact",
    "Enrolment",
    "FollowUp",
    "LinkPurpose",
    "Operation",
    "Patient",
    "Reminder",
    "ReminderState",
    "Site",
    "Staff",
    "StaffSession",
]
