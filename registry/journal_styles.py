"""How journals write numbers: the decimal point, P and the confidence interval, in English by style and in Japanese."""

from dataclasses import dataclass
from enum import StrEnum

from registry.numbers import number, p_value


class Style(StrEnum):
    """Whose rules an English text follows."""

    AMA = "ama"
    APA = "apa"
    NEJM = "nejm"
    LANCET = "lancet"


@dataclass(frozen=True)
class Notation:
    """The rules of one style in one language."""

    p: str
    """How a P value is put: its sign and its digits take the places."""
    interval: str
    """A confidence interval where it is named, as the first of a text."""
    interval_again: str
    """Any further one, of which the reader knows what it is."""
    has_leading_zero: bool
    point: str = "."
    signs: tuple[str, str, str] = ("=", "<", ">")

    def number(self, value: float, digits: int = 1) -> str:
        """A number with so many decimals."""
        return number(value, digits).replace(".", self.point)

    def p_words(self, value: float) -> str:
        """A P value with its sign, never as zero."""
        sign, digits = p_value(value).split(" ")
        written = f"0{digits}" if self.has_leading_zero else digits
        named = dict(zip("=<>", self.signs, strict=True))
        return self.p.format(sign=named[sign], digits=written.replace(".", self.point))

    def interval_words(self, low: float, high: float, *, is_first: bool, digits: int = 1) -> str:
        """A 95 % interval, its ends parted by a word or a wave wherever they may be negative."""
        pattern = self.interval if is_first else self.interval_again
        return pattern.format(low=self.number(low, digits), high=self.number(high, digits))


_TO = "{low} to {high}"
_ENGLISH = {
    Style.AMA: Notation(p="P {sign} {digits}", interval=f"95% CI, {_TO}", interval_again=_TO, has_leading_zero=False),
    Style.APA: Notation(
        p="p {sign} {digits}",
        interval="95% CI [{low}, {high}]",
        interval_again="[{low}, {high}]",
        has_leading_zero=False,
    ),
    Style.NEJM: Notation(p="P{sign}{digits}", interval=f"95% CI, {_TO}", interval_again=_TO, has_leading_zero=True),
    Style.LANCET: Notation(
        p="p{sign}{digits}",
        interval=f"95% CI {_TO}",
        interval_again=_TO,
        has_leading_zero=True,
        point="\N{MIDDLE DOT}",
    ),
}
_JAPANESE = Notation(
    p="P{sign}{digits}",
    interval="95％信頼区間 {low}〜{high}",
    interval_again="{low}〜{high}",
    has_leading_zero=True,
    signs=("＝", "＜", "＞"),
)


def notation(style: Style, language: str) -> Notation:
    """The rules for a text; Japanese journals agree among themselves, so there a style changes nothing."""
    return _JAPANESE if language == "ja" else _ENGLISH[style]
