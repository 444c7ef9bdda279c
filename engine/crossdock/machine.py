"""What the machine, or the container that this process runs in, has: cores, and memory that is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60


def cores() -> float:
    """Cores that this process may use: those it may run on, or its container's share of them."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(count), *_shares()])


def memory() -> int:
    """Bytes of memory that this process may use, the machine's or its container's; 0 where nobody tells."""
    total = _facts(Path("/proc/meminfo")).get("MemTotal:", 0) << 10
    if not total and hasattr(os, "sysconf"):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (_number(group("memory") / name) for name in ("memory.max", "memory.limit_in_bytes"))
    return min([total, *(limit for limit in limits if limit)])


def memory_room() -> float:
    """Share of the memory that is free, of the machine's or the container's, whichever is less; 1 where the
    system does not tell.
    """
    return min([1.0, *_machines_room(), *_containers_room()])


def _machines_room() -> Iterator[float]:
    facts = _facts(Path("/proc/meminfo"))
    if facts.get("MemTotal:") and "MemAvailable:" in facts:
        yield facts["MemAvailable:"] / facts["MemTotal:"]


def _containers_room() -> Iterator[float]:
    for folder, most, now, cached in (
        (group("memory"), "memory.max", "memory.current", "inactive_file"),
        (group("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, used = _number(folder / most), _number(folder / now)
        if limit and used is not None and limit < _UNLIMITED:
            # Pages of files that nobody has used lately are given back before memory runs out.
            used -= _facts(folder / "memory.stat").get(cached, 0)
            yield max(0.0, 1 - used / limit)


def _shares() -> Iterator[float]:
    """How many cores' time the container may use."""
    folder = group("cpu")
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    if quota and period and quota > 0:
        yield quota / period
    said = _text(folder / "cpu.max").split()
    if len(said) == 2 and said[0] != "max":
        yield int(said[0]) / int(said[1])


def group(controller: str) -> Path:
    """The folder of this process's control group: of version 2, or of that controller in version 1."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, names, path = line.split(":", 2)
        below = _GROUPS if not names else _GROUPS / controller
        if controller in names.split(",") or (not names and (_GROUPS / "cgroup.controllers").exists()):
            folder = below / path.lstrip("/")
            # Within a container its own group is the root of what can be seen.
            return folder if folder.is_dir() else below
    return _GROUPS


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _facts(path: Path) -> dict[str, int]:
    lines = (line.split() for line in _text(path).splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
