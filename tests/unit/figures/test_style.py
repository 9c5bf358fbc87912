"""The look of the groups."""

from __future__ import annotations

from registry.figures.style import (
    ALL_PATIENTS,
    FIRST_GROUP,
    OTHER_GROUP,
    SECOND_GROUP,
    GroupStyle,
    group_style,
    tint,
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


def test_groups_are_told_apart_in_grey_and_seen_on_white() -> None:
    looks = [group_style(code, place, is_grey=True) for place, code in enumerate(("without", "with", "unknown"))]

    assert [look.colour for look in looks[:2]] == ["#000000", "#767676"]
    assert len({look.colour for look in looks}) == 3
    for look in looks:
        assert contrast_of(look.colour) >= 3
        assert contrast_with_white(look) >= 4.5


def test_grey_changes_the_colour_alone() -> None:
    coloured, grey = (group_style("with", 1, is_grey=is_grey) for is_grey in (False, True))

    assert (grey.marker, grey.line, grey.is_filled) == (coloured.marker, coloured.line, coloured.is_filled)


def test_thinned_colour_lies_between_itself_and_white() -> None:
    assert [tint("#0072B2", strength) for strength in (0, 0.5, 1)] == ["#ffffff", "#80b8d8", "#0072b2"]


def contrast_with_white(style: GroupStyle) -> float:
    """The contrast of a group's words."""
    return contrast_of(style.text_colour)


def contrast_of(colour: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
