"""Options of a copy as people give them, checked. Each raises ConfigError."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

from .errors import ConfigError
from .limits import parse_rate, parse_size
from .request import LogLevel, SkipFiles, Verify
from .spi.data import WriteMode

LEAST_MEMORY = 128 << 20


def limits(
    parallel_copies: int | str, memory: int | str, bandwidth: int | str | None, verify: Verify
) -> dict[str, Any]:
    """Those fields of a request."""
    return {
        "parallel_copies": _parallel(parallel_copies),
        "memory": _memory(memory),
        "bandwidth": None if bandwidth is None else parse_rate(bandwidth, "--bandwidth"),
        "verify": _verify(verify),
    }


def _verify(value: Verify) -> Verify:
    if value not in (True, False, "full"):
        raise ConfigError(f"verify={value!r} is not known; it is True, False or 'full'")
    return value


def write_mode(text: str) -> WriteMode:
    try:
        return WriteMode(text)
    except ValueError:
        raise ConfigError(f"--mode {text!r} is not known; it is one of {', '.join(WriteMode)}") from None


def _memory(given: int | str) -> int:
    size = parse_size(given, "--memory")
    if size < LEAST_MEMORY:
        raise ConfigError(f"--memory {given} is too little: a copy needs 128MiB at least")
    return size


def skipped_files(value: str | Collection[str]) -> tuple[str, ...]:
    """Why files may be left out: ``missing,forbidden``, or ``none``."""
    given = value.split(",") if isinstance(value, str) else list(value)
    names = [name.strip().lower() for name in given if name.strip()]
    if names == ["none"]:
        return ()
    known = get_args(SkipFiles)
    for name in names:
        if name not in known:
            raise ConfigError(f"--skip-files {name!r} is not known; it is none, or of {', '.join(known)}")
    return tuple(name for name in known if name in names)


def log_level(value: str) -> LogLevel:
    for known in get_args(LogLevel):
        if value.lower() == known:
            return known  # type: ignore[no-any-return]
    raise ConfigError(f"--log-level {value!r} is not known; it is info or warning")


def _parallel(value: int | str) -> int | None:
    if value == "auto":
        return None
    if isinstance(value, str) and not value.isdecimal():
        raise ConfigError(f"--parallel-copies {value!r} is neither a number nor auto")
    if not 1 <= int(value) <= 256:
        raise ConfigError(f"--parallel-copies must be between 1 and 256, not {value}")
    return int(value)
