"""Quantiles and tail areas, from scipy.special, loaded when the first is asked for."""

from __future__ import annotations

from typing import Any


def t_quantile(probability: float, *, df: float) -> float:
    """The value below which a t variable with df degrees of freedom falls with this probability.

    Formula: the inverse of the t distribution function; df need not be whole.
    Errors: none for 0 < probability < 1 and df > 0, which the callers guarantee.
    Reference: scipy.special.stdtrit; equal to R qt().
    """
    return float(_special().stdtrit(df, probability))


def two_sided_p(t: float, *, df: float) -> float:
    """The probability that a t variable with df degrees of freedom lies at least as far from 0 as t.

    Formula: 2 F(-|t|), taken from the lower tail so that small values keep their digits.
    Errors: none for df > 0; a value below the smallest float becomes 0.
    Reference: scipy.special.stdtr; equal to R 2 * pt(-abs(t), df).
    """
    return 2 * float(_special().stdtr(df, -abs(t)))


def normal_quantile(probability: float) -> float:
    """The value below which a standard normal variable falls with this probability.

    Formula: the inverse of the normal distribution function.
    Errors: none for 0 < probability < 1, which the callers guarantee.
    Reference: scipy.special.ndtri; equal to R qnorm().
    """
    return float(_special().ndtri(probability))


def _special() -> Any:
    # Here and not above: a process that makes no report must not load scipy.
    from scipy import special

    return special
