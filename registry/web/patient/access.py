"""Who may see and change a form: a cookie for each form to look, a signed field without an expiry to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from flask import Response, g, request

from registry.domain.errors import BirthYearMissing, SittingOver, Unknown
from registry.languages import LANGUAGES
from registry.services.assessment import lock_and_open_form, open_form, refuse_unless_agreed_now, refuse_unless_open
from registry.storage.database import Rows, Session
from registry.storage.forms import Form
from registry.web.patient import passes
from registry.web.state import known, now, state, today

# What the signed field of a page is for before the year of birth was confirmed: it opens nothing but that question.
_ENTRY = "entry"

# A tablet goes from hand to hand: a sitting that was left open ends by itself.
TABLET_SITTING = timedelta(hours=2)


@dataclass(frozen=True)
class Pass:
    """The right to look at a form, the language chosen on it, and what still has to be confirmed."""

    public_id: str
    language: str | None = None
    asks_birth_year: bool = False
    valid_until: int | None = None


def give_pass(response: Response, given: Pass) -> Response:
    """Put the pass into the form's cookie; one that is there stays as it is."""
    if _pass(given.public_id) == given:
        return response
    max_age = TABLET_SITTING if given.valid_until else None
    values = (given.language, given.asks_birth_year, given.valid_until)
    return passes.give(response, passes.FORM, given.public_id, *values, max_age=max_age)


def form_key(public_id: str, *, is_entry: bool = False) -> str:
    """The hidden field that authorises writing, valid as long as its key is in the ring."""
    return passes.key(passes.FORM, public_id, **({"purpose": _ENTRY} if is_entry else {}))


def shown_form(public_id: str) -> Form:
    """The form for a page that only shows; unknown without the cookie."""
    given = _pass(public_id)
    if given is None:
        raise Unknown("no pass for this form")
    form = _load(public_id)
    if given.asks_birth_year and request.endpoint not in ("form.start", "routes.renewed"):
        raise BirthYearMissing("the year of birth was not confirmed")
    return form


def shown_open_form(public_id: str) -> Form:
    """The form for a page of the way through: open, and its patient takes part."""
    form = shown_form(public_id)
    refuse_unless_open(form, today(g.site))
    refuse_unless_agreed_now(form, state().study)
    return form


def written_form(public_id: str) -> Form:
    """The form for a page that writes; unknown without the signed field."""
    if not has_key(public_id):
        raise Unknown("no key for this form")
    return _load(public_id)


def entered_form(public_id: str) -> tuple[Form, bool]:
    """The form for the first button and the language, and whether the year of birth has still to be confirmed."""
    is_entry = not has_key(public_id) and _has_entry_key(public_id)
    return (_load(public_id) if is_entry else written_form(public_id)), is_entry


def left_form(public_id: str) -> Form:
    """The form of a page that comes back after its sitting is over, for the question whose it is."""
    if not has_key(public_id):
        raise Unknown("no key for this form")
    with state().database.look() as rows:
        form = open_form(rows, public_id=public_id)
    _set_page(form, is_entry=False)
    return form


@contextmanager
def writing(public_id: str) -> Iterator[tuple[Session, Form]]:
    """One transaction around a change to a form, which is held until the change is committed."""
    if not has_key(public_id):
        raise Unknown("no key for this form")
    with state().database.transaction() as session:
        form = lock_and_open_form(session, public_id=public_id)
        _prepare_page(form, is_entry=False)
        yield session, form


@contextmanager
def writing_rows(public_id: str) -> Iterator[tuple[Rows, Form]]:
    """As `writing`, for a change by statements alone: what a patient waits for most often."""
    if not has_key(public_id):
        raise Unknown("no key for this form")
    with state().database.row_transaction() as rows:
        form = lock_and_open_form(rows, public_id=public_id)
        _prepare_page(form, is_entry=False)
        yield rows, form


def pass_of(form: Form) -> Pass:
    """The pass to give with the next answer: a POST from a page whose cookie is gone restores it."""
    found = _pass(form.public_id) or Pass(form.public_id)
    if found.valid_until is not None:
        # A sitting goes on for as long as somebody answers.
        found = replace(found, valid_until=sitting_ends())
    return replace(found, asks_birth_year=False) if found.asks_birth_year else found


def chosen_language(public_id: str) -> str | None:
    """The language that the patient chose in this browser, if any."""
    found = _pass(public_id)
    return found.language if found else None


def sitting_ends() -> int:
    """When a sitting at the tablet that begins now is over."""
    return int((now() + TABLET_SITTING).timestamp())


def has_key(public_id: str) -> bool:
    """Whether the page that was sent carries the signed field of this form."""
    return passes.has_key(passes.FORM, public_id)


def _has_entry_key(public_id: str) -> bool:
    return passes.has_key(passes.FORM, public_id, purpose=_ENTRY)


def _load(public_id: str) -> Form:
    with state().database.look() as rows:
        form = open_form(rows, public_id=public_id)
    _prepare_page(form, is_entry=_is_entry(public_id))
    return form


def _is_entry(public_id: str) -> bool:
    """Whether the year of birth has still to be confirmed."""
    if has_key(public_id):
        return False
    # A page may be sent after its cookie is gone: then its field alone says what was still to be confirmed.
    given = _pass(public_id)
    return (given is not None and given.asks_birth_year) or _has_entry_key(public_id)


def _prepare_page(form: Form, *, is_entry: bool) -> None:
    """Make the page this form's; a tablet that was left opens and saves nothing until it is known for whom."""
    if form.is_tablet and _pass(form.public_id) is None:
        raise SittingOver("the sitting at the tablet has ended")
    _set_page(form, is_entry=is_entry)


def _set_page(form: Form, *, is_entry: bool) -> None:
    """Set the language, the hospital and what of the form may be seen and done on this page."""
    here, given, public_id = known(), _pass(form.public_id), form.public_id
    here.language = (given.language if given else None) or form.language
    here.site = state().settings.site(form.site_code)
    here.public_id = public_id
    here.is_entry = is_entry
    # Whose form it is must be known before anything is told of it.
    here.is_begun = bool(form.answers) and not is_entry
    here.is_tablet = form.is_tablet
    here.can_renew = not (form.is_tablet or form.has_refused)
    here.has_other_routes = not (form.is_tablet or is_entry or form.has_refused)


def _pass(public_id: str) -> Pass | None:
    """The pass that came with this request, checked once."""
    here = known()
    if here.get("checked_pass_of") != public_id:
        here.checked_pass_of, here.checked_pass = public_id, _checked_pass(public_id)
    found: Pass | None = here.checked_pass
    return found


def _checked_pass(public_id: str) -> Pass | None:
    values = passes.given(passes.FORM, public_id)
    if not values:
        return None
    language, *more = values
    asks_birth_year, valid_until = more or (False, None)
    if valid_until is not None and now().timestamp() > valid_until:
        return None
    return Pass(public_id, language if language in LANGUAGES else None, asks_birth_year, valid_until)
