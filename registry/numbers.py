"""How numbers are written for readers."""

MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 1) -> str:
    """A number with so many decimals and a true minus sign; what rounds to zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def p_value(value: float) -> str:
    """P to two significant digits without a leading zero, never as zero: "= .034", "< .001", "> .99"."""
    if value < 0.001:
        return "< .001"
    if value > 0.99:
        return "> .99"
    digits = 2 if value >= 0.0995 else 3 if value >= 0.00995 else 4
    return "= " + f"{value:.{digits}f}".lstrip("0")


def percent(k: int, n: int) -> str:
    """A share with its counts: "41/58 (71%)", one decimal from 100 on."""
    if n == 0:
        return f"{k}/{n}"
    return f"{k}/{n} ({share(k / n, digits=0 if n < 100 else 1)})"


def share(proportion: float, *, digits: int = 0) -> str:
    """A proportion in per cent."""
    return f"{number(100 * proportion, digits)}%"
