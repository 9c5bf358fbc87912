"""Scores: how a number that somebody typed becomes one."""

import re

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE

# Plain and full-width digits alone: made plain, 5² would read as 52.
_WHOLE_NUMBER = re.compile(r"[0-9０-９]{1,3}")


def read_score(text: str) -> int | None:
    """The score in a text, full-width digits and blanks around it allowed; None when it is not a whole 0-100."""
    typed = text.strip()
    if not _WHOLE_NUMBER.fullmatch(typed) or not LOWEST_SCORE <= int(typed) <= HIGHEST_SCORE:
        return None
    return int(typed)
