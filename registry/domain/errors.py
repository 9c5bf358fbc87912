"""What can go wrong in the words of the field; the edges decide what each means for a browser or a shell."""

from collections.abc import Mapping, Sequence
from datetime import date


class RegistryError(Exception):
    """Something that a person can understand and put right; its text says what."""


class ConfigurationProblems(RegistryError):
    """Everything that is wrong with the configuration, at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class InvalidInput(RegistryError):
    """What somebody typed cannot be taken; `problems` names each field and the reason."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in problems.items()))
        self.problems = dict(problems)


class Unknown(RegistryError):
    """What was asked for does not exist, or not for the one who asks."""


class LinkClosed(RegistryError):
    """The form behind a link is no longer open."""

    def __init__(self, closed_on: date) -> None:
        super().__init__(f"closed on {closed_on}")
        self.closed_on = closed_on


class FormNotOpenYet(RegistryError):
    """The form behind a link opens on a later day, as when an operation was moved after the link was sent."""

    def __init__(self, opens_on: date) -> None:
        super().__init__(f"opens on {opens_on}")
        self.opens_on = opens_on


class BirthYearMissing(RegistryError):
    """A form of a shared mailbox was opened without confirming whose it is."""


class SittingOver(RegistryError):
    """A page that had been left open for long came back: it must be known whose it is before anything is saved."""


class TooManyTries(RegistryError):
    """Somebody has tried too often; only waiting or a telephone call helps."""


class ConsentMissing(RegistryError):
    """A patient who has not agreed to take part gave an answer."""


class SignInRefused(RegistryError):
    """The name or the password is not right; which of the two is not said."""
