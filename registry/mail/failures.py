"""What a server's refusal means: whether an address is dead, only busy, or the registry itself unwelcome."""

import re
from enum import StrEnum


class Severity(StrEnum):
    """What a refusal says about the address."""

    HARD = "hard"
    """Nobody will ever get a mail there."""
    SOFT = "soft"
    """This mail did not arrive; another one may."""
    UNWANTED = "unwanted"
    """The server minds the sender or the words, which is not the patient's fault."""


# As in RFC 3463; not within an Internet address, which has one number more.
_STATUS = re.compile(r"(?<![\d.])([45])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_LONGEST_DIAGNOSIS = 2000

# Whatever else begins with 5.1 says that there is no such address, with 5.7 that the mail is not wanted.
_BY_STATUS = {
    "1.0": None,
    "1.7": Severity.UNWANTED,
    "1.8": Severity.UNWANTED,
    "2.1": Severity.HARD,
    "2.2": Severity.SOFT,
    "2.3": Severity.UNWANTED,
    "3.4": Severity.UNWANTED,
}
_BY_SUBJECT = {"1": Severity.HARD, "4": Severity.SOFT, "6": Severity.UNWANTED, "7": Severity.UNWANTED}

# In the order in which they are tried: what spares the patient comes first.
_BY_WORDS = (
    (re.compile(r"quota|mailbox (is )?full|too many messages|insufficient storage|容量", re.IGNORECASE), Severity.SOFT),
    (
        re.compile(
            r"spam|unsolicited|block|black ?list|reputation|policy|\bspf\b|dkim|dmarc|virus|denied", re.IGNORECASE
        ),
        Severity.UNWANTED,
    ),
    (
        re.compile(
            r"(user|recipient|mailbox|account|address)s?( is| was)? (unknown|not found|invalid|unavailable|inactive)"
            r"|(unknown|invalid|no such) (user|recipient|mailbox|account|address|person)"
            r"|does( not|n't) (exist|have an? \S+ account)"
            r"|no mailbox here|宛先不明|存在しません|見つかりません",
            re.IGNORECASE,
        ),
        Severity.HARD,
    ),
)

_WORDS = {
    "1.2": "no such domain",
    "2.1": "the mailbox is closed",
    "2.2": "the mailbox is full",
    "2.3": "the mail is too large",
    "3.4": "the mail is too large",
}
_WORDS_BY_SEVERITY = {
    Severity.HARD: "no such mailbox",
    Severity.SOFT: "the mail could not be delivered",
    Severity.UNWANTED: "the mail was not wanted",
}


def status_in(status: str, diagnosis: str) -> str:
    """The status of a failure; the server's own words are asked where the report names none, or says nothing by it."""
    named = _found(status)
    if named and not named.endswith(".0.0"):
        return named
    return _found(diagnosis[:_LONGEST_DIAGNOSIS]) or named or ""


def severity_of(status: str, diagnosis: str) -> Severity:
    """What a failure says about the address: its status decides, and words only where that says nothing."""
    if status.startswith("4"):
        return Severity.UNWANTED if status.startswith("4.7.") else Severity.SOFT
    detail = status.partition(".")[2]
    known = _BY_STATUS.get(detail, _BY_SUBJECT.get(detail.partition(".")[0]))
    return known or _by_words(diagnosis[:_LONGEST_DIAGNOSIS])


def reason(status: str, severity: Severity) -> str:
    """Why a mail came back, in words of our own: those of a server may hold an address or a name."""
    words = _WORDS.get(status.partition(".")[2], _WORDS_BY_SEVERITY[severity])
    return f"{words} ({status})" if status else words


def _by_words(diagnosis: str) -> Severity:
    found = (severity for words, severity in _BY_WORDS if words.search(diagnosis))
    return next(found, Severity.SOFT)


def _found(text: str) -> str | None:
    found = _STATUS.search(text)
    return found.group(0) if found else None
