"""The planted truth: low back scores whose sample means are the published ones, whatever the seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from random import Random
from statistics import fmean, pstdev

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE

ENTRY = 30
CORRELATION = 0.45


@dataclass(frozen=True)
class Spread:
    """Where scores lie: the mean that the sample will have, and the SD before the ends of the line cut it off."""

    mean: float
    sd: float
    lowest: int = LOWEST_SCORE


@dataclass(frozen=True)
class Course:
    """The low back scores around one operation: before it and 12 months after it."""

    before: int
    after: int


@dataclass(frozen=True)
class Planted:
    """A group of the published study."""

    n: int
    before: Spread
    after: Spread


# Means: hospital report of 1 December 2023; it gives no SD, these follow other registries of the same scores.
WITHOUT = Planted(30, Spread(50.7, 16.5, ENTRY), Spread(27.7, 25.0))
WITH = Planted(26, Spread(59.8, 15.5, ENTRY), Spread(54.5, 23.0))
AROUND_LUMBAR_OPERATION = Planted(9, Spread(56.0, 15.0), Spread(38.3, 22.0))


def courses(random: Random, planted: Planted) -> list[Course]:
    """The scores of a group, with the published means and a correlation as pain scores have."""
    first, second = _correlated(random, planted.n)
    before = fitted(random, first, planted.before)
    after = fitted(random, second, planted.after)
    return [Course(*pair) for pair in zip(before, after, strict=True)]


def courses_around_lumbar_operation(random: Random, known_before: Sequence[int]) -> list[Course]:
    """The same for the later lumbar operations; the first of them have a score before that is known already."""
    planted = AROUND_LUMBAR_OPERATION
    first, second = _correlated(random, planted.n)
    total = round(planted.before.mean * planted.n) - sum(known_before)
    n_open = planted.n - len(known_before)
    spread = Spread(total / n_open, planted.before.sd)
    before = [*known_before, *fitted(random, first[len(known_before) :], spread)]
    after = fitted(random, second, planted.after)
    return [Course(*pair) for pair in zip(before, after, strict=True)]


def _correlated(random: Random, n: int) -> tuple[list[float], list[float]]:
    first = [random.gauss(0, 1) for _ in range(n)]
    rest = sqrt(1 - CORRELATION**2)
    return first, [CORRELATION * draw + rest * random.gauss(0, 1) for draw in first]


def fitted(random: Random, draws: Sequence[float], spread: Spread) -> list[int]:
    """Whole scores in the order of the draws, whose sum is as near to the wanted mean as whole numbers come."""
    mean, sd = fmean(draws), pstdev(draws)
    wished = [round(spread.mean + spread.sd * (draw - mean) / sd) for draw in draws]
    scores = [min(max(score, spread.lowest), HIGHEST_SCORE) for score in wished]
    missing = round(spread.mean * len(draws)) - sum(scores)
    step = 1 if missing > 0 else -1
    for _ in range(abs(missing)):
        movable = [i for i, score in enumerate(scores) if spread.lowest <= score + step <= HIGHEST_SCORE]
        scores[random.choice(movable)] += step
    return scores
