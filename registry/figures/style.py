"""What every figure has in common: sizes in millimetres and points, inks, fonts and the look of a group."""

from __future__ import annotations

from dataclasses import dataclass, replace

SINGLE_COLUMN_MM = 84.0
DOUBLE_COLUMN_MM = 174.0
MM_PER_POINT = 25.4 / 72

TEXT_POINTS = 8.0
SMALL_POINTS = 7.0
LINE_POINTS = 1.25
BAR_POINTS = 1.0
AXIS_POINTS = 0.5
MARKER_POINTS = 5.0
MARGIN_MM = 2.0

INK = "#1a1a1a"
QUIET_INK = "#595959"
GRID_INK = "#e4e4e4"
WARNING_INK = "#a3123a"

FONT_FAMILY = "Helvetica, Arial, 'Noto Sans JP', 'Hiragino Sans', 'Yu Gothic', sans-serif"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStyle:
    """How a group looks: shape and line tell it apart as well as colour; its words are darker, to be read."""

    colour: str
    text_colour: str
    marker: str
    line: str | tuple[int, tuple[float, ...]]
    is_filled: bool


FIRST_GROUP = GroupStyle(colour="#0072B2", text_colour="#005a8c", marker="o", line="-", is_filled=True)
SECOND_GROUP = GroupStyle(colour="#D55E00", text_colour="#a34700", marker="s", line=(0, (4, 1.6)), is_filled=False)
OTHER_GROUP = GroupStyle(colour="#767676", text_colour="#595959", marker="D", line=(0, (1, 1.5)), is_filled=False)
ALL_PATIENTS = GroupStyle(colour="#000000", text_colour="#000000", marker="D", line="-", is_filled=True)


GREY_OF = {FIRST_GROUP: "#000000", SECOND_GROUP: "#767676", OTHER_GROUP: "#949494", ALL_PATIENTS: "#000000"}
GREY_WORDS_OF = {FIRST_GROUP: "#000000", SECOND_GROUP: "#595959", OTHER_GROUP: "#595959", ALL_PATIENTS: "#000000"}


def group_style(group: str, place: int, *, is_grey: bool = False) -> GroupStyle:
    """The look of a group by its code and its place among the groups of the protocol, from 0."""
    style = _in_colour(group, place)
    return replace(style, colour=GREY_OF[style], text_colour=GREY_WORDS_OF[style]) if is_grey else style


def is_compared(group: str, place: int) -> bool:
    """Whether a group is one of the two that the protocol compares, and not beside them."""
    return group != "unknown" and place <= 1


def _in_colour(group: str, place: int) -> GroupStyle:
    if group == "all":
        return ALL_PATIENTS
    return (FIRST_GROUP, SECOND_GROUP)[place] if is_compared(group, place) else OTHER_GROUP


def tint(colour: str, strength: float) -> str:
    """A colour thinned with white: at strength 1 the colour itself, at 0 white; nothing shines through it."""
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 + strength * (channel - 255)):02x}" for channel in channels)
