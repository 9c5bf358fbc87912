"""The forms in which staff enter answers: from paper two lengths a question, from a call one number."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wtforms import BooleanField, Field, RadioField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired

from registry.domain.instruments import Item, Mode
from registry.domain.quality import Problem
from registry.domain.scores import read_score
from registry.domain.vocabularies import Respondent
from registry.services.entry import EnteredAnswer, score_of_mark
from registry.web.forms import DayField, PlainField, StaffForm, choices, folded

SHORTEST_LINE_MM, LONGEST_LINE_MM = Decimal(50), Decimal(150)
USUAL_LINE_MM = Decimal(100)
_LENGTH = re.compile(r"[0-9]{1,3}([.,][0-9]{1,2})?")

RESPONDENT_WORDS = {
    Respondent.SELF: "The patient",
    Respondent.HELPED: "The patient, with somebody's help to write",
    Respondent.PROXY: "Somebody in the patient's place",
}
_OF_TEN, _OF_HUNDRED = "10", "100"


class LengthField(Field):  # type: ignore[misc]  # WTForms ships no types
    """A length in millimetres, with a point or a comma; what cannot be read stays in the field."""

    data: Decimal | None

    def process_formdata(self, values: list[str]) -> None:
        """Read 47, 47.5, 47,5 or the same in full-width digits."""
        text = folded(values[0]) if values else ""
        self.data = None
        if not text:
            return
        if not _LENGTH.fullmatch(text):
            raise ValueError("Enter millimetres as a number such as 47 or 47.5")
        self.data = Decimal(text.replace(",", "."))

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else str(self.data)


@dataclass(frozen=True)
class Reading:
    """How the fields of a question are read together: what is wrong with them, and the answer that they hold."""

    problems: "Callable[[EntryForm, Item], Iterator[Problem]]"
    answer: "Callable[[EntryForm, str], EnteredAnswer | None]"


class EntryForm(StaffForm):
    """What is asked of every form that staff enter."""

    questions: Sequence[Item]
    reading: Reading

    answered_on = DayField("Day", [InputRequired("Enter the day")])
    respondent = RadioField(
        "Who answered", choices=choices(Respondent, RESPONDENT_WORDS), validators=[InputRequired("Choose who answered")]
    )
    has_agreed = BooleanField("The patient agreed to take part at the hospital")

    def validate(self, extra_validators: Any = None) -> bool:
        """Check each field, then what the fields of one question say together."""
        is_valid = super().validate(extra_validators)
        problems = dict(problem for item in self.questions for problem in self.reading.problems(self, item))
        self.refuse(problems)
        return is_valid and not problems

    def answers(self) -> list[EnteredAnswer]:
        """The questions that were answered or skipped; one that was left blank is neither."""
        given = (self.reading.answer(self, item.code) for item in self.questions)
        return [answer for answer in given if answer is not None]


def _is_skipped(form: EntryForm, code: str) -> bool:
    return bool(form[f"skipped_{code}"].data)


def _problems_on_paper(form: EntryForm, item: Item) -> Iterator[Problem]:
    mark, line = form[f"mark_{item.code}"], form[f"line_{item.code}"]
    if mark.errors or line.errors:
        return
    if mark.data is not None and _is_skipped(form, item.code):
        yield mark.name, "There is a mark: take out the number, or the tick at “skipped”"
    elif mark.data is not None and line.data is None:
        yield line.name, "Enter the measured length of the line"
    elif mark.data is not None and not SHORTEST_LINE_MM <= line.data <= LONGEST_LINE_MM:
        yield line.name, f"The line must measure {SHORTEST_LINE_MM} to {LONGEST_LINE_MM} mm"
    elif mark.data is not None and mark.data > line.data:
        yield mark.name, f"The mark must lie on the line: from 0 to {line.data} mm"


def _answer_on_paper(form: EntryForm, code: str) -> EnteredAnswer | None:
    mark, line = form[f"mark_{code}"].data, form[f"line_{code}"].data
    if _is_skipped(form, code):
        return EnteredAnswer(item=code, score=None)
    if mark is None:
        return None
    score = score_of_mark(mark, line)
    return EnteredAnswer(item=code, score=score, mode=Mode.PAPER, mark_mm=float(mark), line_mm=float(line))


class PhoneEntryForm(EntryForm):
    """A call: one number a question, on the scale that was read out."""

    respondent = RadioField(
        "Who answered",
        choices=[SelectChoice(one.value, RESPONDENT_WORDS[one]) for one in (Respondent.SELF, Respondent.PROXY)],
        validators=[InputRequired("Choose who answered")],
    )
    scale = RadioField(
        "Asked on a scale from",
        choices=[
            SelectChoice(_OF_HUNDRED, "0 to 100"),
            SelectChoice(_OF_TEN, "0 to 10; each answer is stored ten-fold"),
        ],
        default=_OF_HUNDRED,
        validators=[InputRequired("Choose the scale")],
    )


def _problems_of_call(form: EntryForm, item: Item) -> Iterator[Problem]:
    said = form[f"number_{item.code}"]
    if said.errors or not said.data:
        return
    if _is_skipped(form, item.code):
        yield said.name, "There is a number: take it out, or the tick at “skipped”"
    elif _said(form, item.code) is None:
        yield said.name, f"Enter a whole number from 0 to {_highest(form)}"


def _answer_of_call(form: EntryForm, code: str) -> EnteredAnswer | None:
    if _is_skipped(form, code):
        return EnteredAnswer(item=code, score=None)
    said = _said(form, code)
    if said is None:
        return None
    if _highest(form) == _OF_TEN:
        return EnteredAnswer(item=code, score=10 * said, mode=Mode.NRS)
    return EnteredAnswer(item=code, score=said, mode=Mode.PHONE)


def _highest(form: EntryForm) -> str:
    return _OF_TEN if form["scale"].data == _OF_TEN else _OF_HUNDRED


def _said(form: EntryForm, code: str) -> int | None:
    found = read_score(form[f"number_{code}"].data or "")
    return found if found is not None and found <= int(_highest(form)) else None


def paper_form(items: Sequence[Item]) -> type[EntryForm]:
    """The paper form of a protocol."""
    reading = Reading(_problems_on_paper, _answer_on_paper)
    fields: dict[str, object] = {"questions": tuple(items), "reading": reading}
    for item in items:
        fields[f"mark_{item.code}"] = LengthField("Mark")
        fields[f"line_{item.code}"] = LengthField("Line", default=USUAL_LINE_MM)
        fields[f"skipped_{item.code}"] = BooleanField("Skipped")
    return type("PaperForm", (EntryForm,), fields)


def phone_form(items: Sequence[Item]) -> type[PhoneEntryForm]:
    """The telephone form of a protocol."""
    reading = Reading(_problems_of_call, _answer_of_call)
    fields: dict[str, object] = {"questions": tuple(items), "reading": reading}
    for item in items:
        fields[f"number_{item.code}"] = PlainField("Number")
        fields[f"skipped_{item.code}"] = BooleanField("Skipped")
    return type("PhoneForm", (PhoneEntryForm,), fields)
