"""What a node needs of its machine, each checked: ``crossdock node doctor``."""

from __future__ import annotations

import configparser
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import psutil

from crossdock import Check, ConfigError
from crossdock.machine import cores, memory

from ..pipeline.policy import Policy
from .permitted import Permitted

_CORES, _MEMORY, _DISK = 4, 8 << 30, 80 << 30
_LEAST_MEMORY, _LEAST_DISK = 1 << 30, 1 << 30
_SLEEPS = ("suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate")
_LOGIND = ("/usr/lib/systemd/logind.conf", "/etc/systemd/logind.conf")


def machine(folder: Path) -> Iterator[Check]:
    """The machine against the documented prerequisites; what is little is a warning."""
    few = (
        ""
        if cores() >= _CORES
        else f"{_CORES} are recommended; fewer jobs run at once, and each takes longer"
    )
    yield Check("cores", "warning" if few else "ok", f"{cores():g} cores", few)
    yield _enough("memory", memory() or psutil.virtual_memory().total, _MEMORY, _LEAST_MEMORY)
    near = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    yield _enough("disk", shutil.disk_usage(near).free, _DISK, _LEAST_DISK, f" free at {near}")
    yield _awake()


def held(permitted: Permitted) -> Check:
    """Whether the machine can keep jobs from private addresses, where the policy says so."""
    if permitted.private:
        return Check("policy", "ok", "private addresses are allowed")
    try:
        anyio.run(_hold, Policy(private=False))
    except (ConfigError, ImportError) as error:
        message = error.message if isinstance(error, ConfigError) else "only Linux keeps jobs from addresses"
        return Check("policy", "failed", message, getattr(error, "hint", "") or "")
    return Check("policy", "ok", "the kernel keeps jobs from private addresses")


async def _hold(policy: Policy) -> None:
    from .guard import Guard  # for Linux only

    with closing(Guard(policy)) as guard:
        async with await anyio.open_process(guard.command("this"), pass_fds=guard.passed) as process:
            await guard.take(process)
            await process.wait()


def _enough(name: str, found: int, wanted: int, least: int, what: str = "") -> Check:
    message = f"{found / (1 << 30):,.1f} GiB{what}"
    if found < least:
        return Check(name, "failed", message, f"jobs need {least >> 30} GiB at least")
    if found < wanted:
        return Check(name, "warning", message, f"{wanted >> 30} GiB are recommended")
    return Check(name, "ok", message)


def _awake() -> Check:
    action = _idle_action()
    if action in _SLEEPS:
        advice = (
            "set IdleAction=ignore in /etc/systemd/logind.conf: a machine that sleeps carries out no jobs"
        )
        return Check("sleep", "failed", f"the system has the machine {action} when nobody uses it", advice)
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is not None:
        advice = "keep it on mains, and have its lid and its idle time not suspend it"
        return Check("sleep", "warning", "the machine has a battery and may sleep", advice)
    return Check("sleep", "ok", "the system does not put the machine to sleep")


def _idle_action(files: tuple[str, ...] = _LOGIND) -> str:
    read = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    more = [str(each) for name in files for each in sorted(Path(f"{name}.d").glob("*.conf"))]
    try:
        read.read([*files, *more])
    except configparser.Error:
        return ""
    return (read.get("Login", "IdleAction", fallback="") or "").strip().lower()
