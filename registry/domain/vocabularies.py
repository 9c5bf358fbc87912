"""The closed lists of the registry; a member's value is what the database stores."""

from enum import StrEnum


class Sex(StrEnum):
    """Sex as recorded by the hospital."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class OperationState(StrEnum):
    """Where an operation stands; only a performed one starts follow-ups."""

    PLANNED = "planned"
    PERFORMED = "performed"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"


class Region(StrEnum):
    """The part of the spine that is operated on."""

    CERVICAL = "cervical"
    THORACIC = "thoracic"
    LUMBAR = "lumbar"
    OTHER = "other"


class LumbarDisease(StrEnum):
    """The groups of the lumbar disease classification."""

    WITHOUT = "without"
    WITH = "with"
    UNKNOWN = "unknown"


class Evidence(StrEnum):
    """What a classification rests on."""

    MRI = "mri"
    CT = "ct"
    RADIOGRAPH = "radiograph"
    CLINICAL = "clinical"
    QUESTIONNAIRE = "questionnaire"
    RECORDS = "records"
    NOT_STATED = "not_stated"


class StaffRole(StrEnum):
    """What a member of staff may do."""

    CLINICIAN = "clinician"
    COORDINATOR = "coordinator"


class ConsentRoute(StrEnum):
    """Where a patient said yes or no to taking part."""

    FORM = "form"
    HOSPITAL = "hospital"


class Respondent(StrEnum):
    """Who filled a form in."""

    SELF = "self"
    HELPED = "helped"
    PROXY = "proxy"


class BodyRegion(StrEnum):
    """Where it hurts or is numb, as a patient ticks it."""

    HEAD_NECK = "head_neck"
    SHOULDER_RIGHT = "shoulder_right"
    SHOULDER_LEFT = "shoulder_left"
    ARM_RIGHT = "arm_right"
    ARM_LEFT = "arm_left"
    HAND_RIGHT = "hand_right"
    HAND_LEFT = "hand_left"
    CHEST_BACK = "chest_back"
    LOW_BACK = "low_back"
    BUTTOCKS = "buttocks"
    LEG_RIGHT = "leg_right"
    LEG_LEFT = "leg_left"
    FOOT_RIGHT = "foot_right"
    FOOT_LEFT = "foot_left"


class Suspicion(StrEnum):
    """Why answers may come from a program rather than from the patient."""

    TOO_FAST = "too_fast"
    RIGHT_AFTER_MAIL = "right_after_mail"


class CallTime(StrEnum):
    """When a patient would like to be phoned."""

    MORNING = "morning"
    AFTERNOON = "afternoon"
    ANY_TIME = "any_time"


class CallOrigin(StrEnum):
    """Who asks for a call: the patient on the form, or the ladder when no mail brought an answer."""

    PATIENT = "patient"
    LADDER = "ladder"


class CallOutcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    NOT_REACHED = "not_reached"
    NOT_WANTED = "not_wanted"
    CALL_BACK = "call_back"
    DECLINED = "declined"


LUMBAR_DISEASE = "lumbar_disease"
UNKNOWN_GROUP = "unknown"

# The procedure as staff choose it, with the region that goes with it.
PROCEDURES: dict[str, tuple[str, Region]] = {
    "laminoplasty": ("Cervical laminoplasty", Region.CERVICAL),
    "cervical_laminectomy": ("Cervical laminectomy", Region.CERVICAL),
    "acdf": ("Anterior cervical discectomy and fusion", Region.CERVICAL),
    "cervical_disc_replacement": ("Cervical disc replacement", Region.CERVICAL),
    "posterior_cervical_fusion": ("Posterior cervical fusion", Region.CERVICAL),
    "thoracic_decompression": ("Thoracic decompression", Region.THORACIC),
    "lumbar_decompression": ("Lumbar decompression", Region.LUMBAR),
    "lumbar_discectomy": ("Lumbar discectomy", Region.LUMBAR),
    "lumbar_fusion": ("Lumbar fusion", Region.LUMBAR),
    "other": ("Other", Region.OTHER),
}
# As a Japanese paper names them.
PROCEDURES_JA: dict[str, str] = {
    "laminoplasty": "頚椎椎弓形成術",
    "cervical_laminectomy": "頚椎椎弓切除術",
    "acdf": "頚椎前方除圧固定術",
    "cervical_disc_replacement": "頚椎人工椎間板置換術",
    "posterior_cervical_fusion": "頚椎後方固定術",
    "thoracic_decompression": "胸椎除圧術",
    "lumbar_decompression": "腰椎除圧術",
    "lumbar_discectomy": "腰椎椎間板摘出術",
    "lumbar_fusion": "腰椎固定術",
    "other": "その他",
}


def region_of(procedure: str) -> Region:
    """The region of a procedure; `other` for one that is not in the list."""
    return PROCEDURES[procedure][1] if procedure in PROCEDURES else Region.OTHER
