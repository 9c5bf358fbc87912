"""Which characters a line of text may hold: what cannot be seen is refused, what shapes a name is kept."""

import pytest

from registry.web.forms import has_hidden


@pytest.mark.parametrize(
    "hidden",
    [
        "\0", "\t", "\n", "\x1b", "\x7f", "\x85",  # controls
        "\xad", "\u061c", "\u180e", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\ufff9",  # format characters
        "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e",  # directions
        "\u2066", "\u2067", "\u2068", "\u2069",
        "\U000e0001", "\U000e0041",  # tags
        "\ud800", "\ue000", "\U000f0000", "\u2028", "\u2029",
    ],
)  # fmt: skip
def test_a_character_that_cannot_be_seen_is_noticed(hidden: str) -> None:
    assert has_hidden(f"見{hidden}本")


@pytest.mark.parametrize(
    "name",
    [
        "葛\U000e0100城",  # the shape of 葛 with ヒ, as a family register has it
        "辻\U000e0101",
        "芦\ufe00屋",
        "神\ufe0f",
        "𠮷野家",
        "髙﨑",
        "見本　花子",
        "ハナコ゛",
        "O’Brien-Ñúñez",
        "Nguyễn",
        "م",
    ],
)
def test_a_name_is_taken_as_it_is_written(name: str) -> None:
    assert not has_hidden(name)
