"""Scores: how a number that somebody typed becomes one."""

import re
import unicodedata

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE

_WHOLE_NUMBER = re.compile(r"[0-9]{1,3}")


def read_score(text: str) -> int | None:
    """The score in a text, full-width digits and blanks around it allowed; None when it is not a whole 0-100."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not _WHOLE_NUMBER.fullmatch(plain) or not LOWEST_SCORE <= int(plain) <= HIGHEST_SCORE:
        return None
    return int(plain)
