"""Where words go so that they neither overlap nor leave the sheet, without asking this machine's fonts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from unicodedata import east_asian_width

from registry.figures.style import MM_PER_POINT

# Wider than Helvetica and about as wide as DejaVu Sans, so that a reader's own font fits as well.
NARROW_EM = 0.6
WIDE_EM = 1.0

# How far a line is shortened at a time.
_STEP_MM = 1.0

# Japanese lines neither begin with a closing sign nor end with an opening one.
NEVER_FIRST = "）」』】〕、。，．・ー)]"
NEVER_LAST = "（「『【〔(["


def text_width(text: str, points: float) -> float:
    """The width of one line in millimetres, on the safe side for any font a reader may have."""
    ems = sum(WIDE_EM if east_asian_width(sign) in "WFA" else NARROW_EM for sign in text)
    return ems * points * MM_PER_POINT


def wrapped(text: str, *, points: float, width: float) -> tuple[str, ...]:
    """The text in lines of at most this width: broken at spaces, or between signs where there are none."""
    lines: list[str] = []
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines else word
        if text_width(joined, points) <= width:
            lines[-1:] = [joined]
        else:
            lines.extend(_pieces(word, points, width))
    return tuple(lines)


def balanced(text: str, *, points: float, width: float) -> tuple[str, ...]:
    """The text in as few lines as this width allows, none much longer than the others."""
    lines = wrapped(text, points=points, width=width)
    narrower = width - _STEP_MM
    while len(lines) > 1 and narrower > 0:
        tried = wrapped(text, points=points, width=narrower)
        if len(tried) > len(lines):
            break
        lines, narrower = tried, narrower - _STEP_MM
    return lines


def _pieces(word: str, points: float, width: float) -> list[str]:
    pieces = [""]
    for sign in word:
        is_full = text_width(pieces[-1] + sign, points) > width
        if pieces[-1] and is_full and sign not in NEVER_FIRST:
            kept = pieces[-1].rstrip(NEVER_LAST)
            pieces[-1:] = [kept, pieces[-1][len(kept) :]] if kept else pieces[-1:]
        pieces[-1] += sign
    return pieces


def spread(wanted: Sequence[float], sizes: Sequence[float], *, low: float, high: float) -> list[float]:
    """Centres as near as possible to the wanted ones, at which things of these sizes do not overlap.

    Where the room from low to high does not hold them all they start at low and pass high.
    """
    if not wanted:
        return []
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    offsets = [0.0]
    for before, after in pairwise(order):
        offsets.append(offsets[-1] + (sizes[before] + sizes[after]) / 2)
    free = _rising([wanted[i] - offset for i, offset in zip(order, offsets, strict=True)])
    first, last = low + sizes[order[0]] / 2, high - sizes[order[-1]] / 2 - offsets[-1]
    centres = [0.0] * len(wanted)
    for i, offset, position in zip(order, offsets, free, strict=True):
        centres[i] = max(first, min(position, last)) + offset
    return centres


def _rising(values: Sequence[float]) -> list[float]:
    """The nearest values, in least squares, that never fall (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        pool = (value, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, n = pools.pop()
            pool = ((mean * n + pool[0] * pool[1]) / (n + pool[1]), n + pool[1])
        pools.append(pool)
    return [mean for mean, n in pools for _ in range(n)]
