"""Forms for staff: what may be typed, and the sentence at the field when it cannot be taken."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, PasswordField, SelectField, StringField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from registry.domain.quality import is_study_id
from registry.domain.study import Grouping
from registry.domain.vocabularies import PROCEDURES, UNKNOWN_GROUP, ConsentRoute, Evidence, OperationState, Sex

# Japanese carriers once gave out addresses with dots that today's rules refuse, and they still receive mail.
_CARRIER_ADDRESS = re.compile(r"[A-Za-z0-9._+/?-]+@(docomo|ezweb|disney)\.ne\.jp|[A-Za-z0-9._+/?-]+@au\.com")
# By category and not as a list, which each version of Unicode makes longer: controls, format characters (soft hyphens,
# zero-width and bidirectional ones), halves of a pair, private use, separators of lines. Variation selectors are
# marks, and stay: the exact shape of many a Japanese name is written with one.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")


def plain(text: str | None) -> str:
    """A text as it is stored: composed characters, no blanks around it."""
    return unicodedata.normalize("NFC", text or "").strip()


def folded(text: str | None) -> str:
    """A text for codes, numbers and addresses: full-width letters and digits become plain ones."""
    return unicodedata.normalize("NFKC", text or "").strip()


def has_hidden(text: str) -> bool:
    """Whether a text holds a character that cannot be seen, or that turns others around."""
    return any(unicodedata.category(character) in _HIDDEN for character in text)


class DayField(Field):  # type: ignore[misc]  # WTForms ships no types
    """A date, typed or picked; what cannot be read stays in the field."""

    data: date | None

    def process_formdata(self, values: list[str]) -> None:
        """Read 2026-06-12, 2026/6/12 or 2026年6月12日, in full-width digits too."""
        text = folded(values[0]) if values else ""
        self.data = None
        if not text:
            return
        match = _DAY.fullmatch(text)
        try:
            self.data = date(*map(int, match.groups())) if match else None
        except ValueError:
            self.data = None
        if self.data is None:
            raise ValueError("Enter a date such as 2026-06-12")

    def _value(self) -> str:
        return self.raw_data[0] if self.raw_data else self.data.isoformat() if self.data else ""


class StaffForm(FlaskForm):  # type: ignore[misc]
    """A form whose refusals by a use case appear at the fields they are about."""

    def refuse(self, problems: Mapping[str, str]) -> None:
        """Show each problem at its field, or above the form when it is about none of them."""
        for name, reason in problems.items():
            if name in self:
                self[name].errors = [*self[name].errors, reason]
            else:
                self.form_errors.append(reason)


def choices(kind: type[StrEnum], words: Mapping[Any, str]) -> list[SelectChoice]:
    """The choices of a closed list, in its order."""
    return [SelectChoice(member.value, words[member]) for member in kind]


SEX_WORDS = {Sex.FEMALE: "Female", Sex.MALE: "Male", Sex.OTHER: "Other", Sex.UNKNOWN: "Unknown"}
STATE_WORDS = {
    OperationState.PLANNED: "Planned",
    OperationState.PERFORMED: "Performed",
    OperationState.POSTPONED: "Postponed",
    OperationState.CANCELLED: "Cancelled",
}
EVIDENCE_WORDS = {
    Evidence.MRI: "MRI",
    Evidence.CT: "CT",
    Evidence.RADIOGRAPH: "Radiograph",
    Evidence.CLINICAL: "Clinical examination",
    Evidence.QUESTIONNAIRE: "Questionnaire",
    Evidence.RECORDS: "Medical records",
    Evidence.NOT_STATED: "Not stated",
}
CONSENT_WORDS = {ConsentRoute.FORM: "Ask in the form", ConsentRoute.HOSPITAL: "Given at the hospital"}
LANGUAGES_OFFERED = [SelectChoice("ja", "日本語"), SelectChoice("en", "English")]


def _study_id(_form: FlaskForm, field: Field) -> None:
    field.data = folded(field.data)
    if not is_study_id(field.data):
        raise ValidationError("Use letters, digits and . _ / # -, at most 40 without blanks, and no name")


def _birth_year(_form: FlaskForm, field: Field) -> None:
    if not re.fullmatch(r"\d{4}", folded(field.data)):
        raise ValidationError("Enter the year in four digits, such as 1952")


def _email(_form: FlaskForm, field: Field) -> None:
    address = folded(field.data)
    field.data = address
    if not address or _CARRIER_ADDRESS.fullmatch(address):
        return
    try:
        # With the domain in its ASCII form: servers take no other.
        field.data = validate_email(address, check_deliverability=False, allow_smtputf8=False).ascii_email or ""
    except EmailNotValidError as error:
        raise ValidationError(f"This address cannot receive mail: {error}") from None


def _folded(_form: FlaskForm, field: Field) -> None:
    # Before a length is measured: one character can stand for several.
    field.data = folded(field.data)


class PlainField(StringField):  # type: ignore[misc]  # WTForms ships no types
    """A line of text: no blanks around it, and no character that cannot be seen or turns others around."""

    def process_formdata(self, values: list[str]) -> None:
        """Compose the characters and refuse hidden ones."""
        self.data = plain(values[0]) if values else ""
        if has_hidden(self.data):
            raise ValueError("This holds characters that cannot be seen; type it anew")

    def _value(self) -> str:
        return self.data or ""


def _required(sentence: str) -> InputRequired:
    return InputRequired(sentence)


def _filled(sentence: str) -> DataRequired:
    return DataRequired(sentence)


class SignInForm(StaffForm):
    """Name and password."""

    sign_in_name = PlainField("Name", [_filled("Enter your sign-in name"), Length(max=100)])
    password = PasswordField("Password", [_required("Enter your password"), Length(max=256)])


class ContactForm(StaffForm):
    """How a patient is named and reached."""

    family_name = PlainField("Family name", [_filled("Enter the family name"), Length(max=200)])
    given_name = PlainField("Given name", [Length(max=200)])
    kana = PlainField("Kana", [Length(max=200)])
    email = PlainField("E-mail (leave empty if none)", [_email, Length(max=320)])
    phone = PlainField("Phone", [_folded, Length(max=40)])
    language = SelectField("Language of forms and mails", choices=LANGUAGES_OFFERED)


class CorrectionForm(ContactForm):
    """How a patient is named and reached, and whether the old address was the patient's at all."""

    is_strangers_address = BooleanField("The old address did not belong to the patient: its links stop working")


class EnrolmentForm(ContactForm):
    """One patient on one screen."""

    study_id = PlainField("Study ID", [_filled("Enter a study ID"), _study_id])
    birth_year = PlainField("Year of birth", [_filled("Enter the year of birth"), _birth_year])
    born_on = DayField("Date of birth (optional)", [Optional()])
    sex = SelectField(
        "Sex", choices=[SelectChoice("", "Choose"), *choices(Sex, SEX_WORDS)], validators=[_required("Choose the sex")]
    )
    site = SelectField("Site", choices=[])
    consent = SelectField(
        "Consent", choices=choices(ConsentRoute, CONSENT_WORDS), validators=[_required("Choose where consent is given")]
    )


class OperationForm(StaffForm):
    """An operation, planned or performed."""

    state = SelectField("State", choices=choices(OperationState, STATE_WORDS))
    planned_on = DayField("Planned for", [Optional()])
    operated_on = DayField("Day of operation", [Optional()])
    procedure = SelectField("Procedure", choices=[])

    def offer_procedure(self, standing: str | None = None) -> None:
        """Offer the list, and what stands if it came by import in other words."""
        listed = [SelectChoice(code, words) for code, (words, _) in PROCEDURES.items()]
        other = [SelectChoice(standing)] if standing and standing not in PROCEDURES else []
        self.procedure.choices = [*listed, *other]


class ClassificationForm(StaffForm):
    """With or without lumbar disease, and what it rests on."""

    group_code = SelectField("Lumbar disease", choices=[])
    evidence = SelectField("Evidence", choices=choices(Evidence, EVIDENCE_WORDS))
    assessed_on = DayField("Assessed on", [Optional()])
    assessed_by = PlainField("Assessed by", [_filled("Enter who assessed it"), Length(max=200)])

    def offer_groups(self, grouping: Grouping) -> None:
        """Offer the groups as the protocol names them, and unknown."""
        codes = [*grouping.groups, UNKNOWN_GROUP]
        self.group_code.choices = [SelectChoice(code, grouping.label(code, "en")) for code in codes]


class WithdrawalForm(StaffForm):
    """When a patient left."""

    withdrawn_on = DayField("Withdrawn on", [_required("Enter the day")])
    delete_answers = BooleanField("The patient wants the answers given so far deleted; they cannot be brought back")


class DeathForm(StaffForm):
    """When a patient died."""

    died_on = DayField("Died on", [_required("Enter the day")])


class MailTestForm(StaffForm):
    """To whom, and in which language, every kind of mail is sent as a test."""

    recipient = PlainField("Send a test to", [_filled("Enter an e-mail address"), _email, Length(max=320)])
    language = SelectField("Language", choices=LANGUAGES_OFFERED)
