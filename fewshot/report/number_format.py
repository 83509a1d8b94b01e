"""Numbers as the report shows them."""

import math

_MINUS = "\N{MINUS SIGN}"


def decimals(value: float, *, signed: bool = False) -> str:
    """Return a score with three decimals; a dash for NaN, and with `signed` a plus where due."""
    if math.isnan(value):
        return "–"
    return f"{value:{'+' if signed else ''}.3f}".replace("-", _MINUS)


def span(interval: tuple[float, float] | None, *, signed: bool = False) -> str:
    """Return an interval as `0.512 to 0.634`; empty for None."""
    if interval is None:
        return ""
    low, high = (decimals(value, signed=signed) for value in interval)
    return f"{low} to {high}"


def fraction(value: float) -> str:
    """Return the length of a score's bar, 0 to 1."""
    return "0" if math.isnan(value) else f"{min(max(value, 0.0), 1.0):.3f}"


def duration(seconds: float) -> str:
    """Return a time in words: `4.8 s`, `48 s`, `12 min 5 s`, `3 h 20 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
