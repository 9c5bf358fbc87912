"""The question for the year of birth, as the pages that ask it refuse what was typed."""

from collections.abc import Callable

from flask import g, request

from registry.domain.errors import TooManyTries
from registry.services.identity import Finding
from registry.web.rendering import translated


def wrong_birth_year(find: Callable[[str], Finding]) -> str | None:
    """Why what was typed does not show whose page it is; None when it does."""
    typed = request.form.get("birth_year", "")
    if not typed.strip():
        return translated("Enter the year you were born, such as 1952")
    try:
        return _sentence(find(typed))
    except TooManyTries:
        return translated(
            "That was not right several times. Call %(phone)s, or try again in an hour", phone=g.site.phone
        )


def _sentence(finding: Finding) -> str | None:
    match finding:
        case Finding.RIGHT:
            return None
        case Finding.WRONG_YEAR:
            return translated("This is not the year we have. Check the year you were born")
        case Finding.WRONG_DAY:
            return translated("This is not the date we have. Check the date you were born")
        case Finding.DAY_MISSING:
            return translated(
                "Two people who use this mailbox were born in the same year. "
                "Enter the whole date you were born in eight digits, such as 19520304"
            )
        case Finding.SAME_AS_ANOTHER:
            return translated(
                "Two people who use this mailbox were born in the same year. "
                "Please call %(phone)s, or ask at the hospital",
                phone=g.site.phone,
            )
