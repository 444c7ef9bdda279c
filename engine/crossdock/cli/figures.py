"""Numbers as people read them."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def count(number: int, noun: str) -> str:
    """``1 row``, ``336,776 rows``, ``2 copies``."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def size(number: float, scale: float | None = None) -> str:
    """Bytes in decimal units (1 MB is 10**6 bytes), three digits: ``31.0 MB``. ``scale`` fixes the unit."""
    value, unit = float(number), 0
    while max(value, scale or 0) / 1000**unit >= 1000 and unit < len(_UNITS) - 1:
        unit += 1
    value /= 1000**unit
    digits = 0 if unit == 0 or value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {_UNITS[unit]}"


def megabytes_per_second(rate: float) -> str:
    """``25.1 MB/s``; always in MB/s, so that runs can be compared at a glance."""
    value = rate / 1e6
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f} MB/s"


def duration(seconds: float) -> str:
    """``0.42 s``, ``12.3 s``, ``3 min 07 s``, ``2 h 05 min``."""
    if seconds < 59.95:
        return f"{seconds:.{2 if seconds < 10 else 1}f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def clock(seconds: float) -> str:
    """A time still to go: ``0:07``, ``3:21``, ``2:05:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
