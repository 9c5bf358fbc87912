"""The look of the groups."""

from __future__ import annotations

from registry.figures.style import (
    ALL_PATIENTS,
    FIRST_GROUP,
    OTHER_GROUP,
    SECOND_GROUP,
    GroupStyle,
    group_style,
)


def test_groups_of_the_protocol_are_told_apart_without_colour() -> None:
    first, second = group_style("without", 0), group_style("with", 1)

    assert (first.colour, second.colour) == ("#0072B2", "#D55E00")
    assert first.marker != second.marker
    assert first.line != second.line
    assert first.is_filled != second.is_filled


def test_unknown_is_grey_wherever_it_stands() -> None:
    assert [group_style("unknown", place) for place in range(3)] == [OTHER_GROUP] * 3


def test_all_patients_are_black() -> None:
    assert group_style("all", 0) == ALL_PATIENTS


def test_words_of_every_group_can_be_read_on_white() -> None:
    for style in (FIRST_GROUP, SECOND_GROUP, OTHER_GROUP, ALL_PATIENTS):
        assert contrast_with_white(style) >= 4.5


def contrast_with_white(style: GroupStyle) -> float:
    """The contrast ratio of WCAG 2.2."""
    channels = [int(style.text_colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
