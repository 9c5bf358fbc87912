"""The fonts that go into PDF and PNG files: those that are shipped, never those of this machine."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution

# Both come with packages that the registry needs: nothing depends on what else this machine has.
LATIN_FONT = "DejaVu Sans"
# Under a name of our own, or another version of it on this machine could be taken.
JAPANESE_FONT = "registry-japanese"


def font_order(language: str) -> list[str]:
    """The font of a language first; the other one has the signs that it lacks."""
    load_fonts()
    return [JAPANESE_FONT, LATIN_FONT] if language == "ja" else [LATIN_FONT, JAPANESE_FONT]


@cache
def load_fonts() -> None:
    """Make the Japanese font known to matplotlib, which brings the other along."""
    from matplotlib.font_manager import FontEntry, fontManager

    # Found by its place: importing the package would change matplotlib's settings for the whole process.
    file = str(distribution("matplotlib-fontja").locate_file("matplotlib_fontja/fonts/ipaexg.ttf"))
    # It has one weight, which stands for the bold one as well.
    for weight in (400, 700):
        fontManager.ttflist.append(
            FontEntry(
                fname=file,
                name=JAPANESE_FONT,
                style="normal",
                variant="normal",
                weight=weight,
                stretch="normal",
                size="scalable",
            )
        )
