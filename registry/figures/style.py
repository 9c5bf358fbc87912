"""What every figure has in common: sizes in millimetres and points, inks, fonts and the look of a group."""

from __future__ import annotations

from dataclasses import dataclass

DOUBLE_COLUMN_MM = 174.0
MM_PER_POINT = 25.4 / 72

TEXT_POINTS = 8.0
SMALL_POINTS = 7.0
LINE_POINTS = 1.25
BAR_POINTS = 1.0
AXIS_POINTS = 0.5
MARKER_POINTS = 5.0

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


def group_style(group: str, place: int) -> GroupStyle:
    """The look of a group by its code and its place among the groups of the protocol, from 0."""
    if group == "all":
        return ALL_PATIENTS
    if group == "unknown" or place > 1:
        return OTHER_GROUP
    return (FIRST_GROUP, SECOND_GROUP)[place]
