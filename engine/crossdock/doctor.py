"""What a copy needs of this machine, each thing checked: ``crossdock doctor``."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from . import __version__, machine
from .errors import CrossdockError
from .history import state_folder
from .plugins import Registry, missing_modules, registry
from .redact import redacted
from .spi.check import Check

_GIB = 1 << 30
_LEAST_MEMORY, _LEAST_DISK, _LEAST_FILES = 1 * _GIB, 1 * _GIB, 1024
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_PATIENCE = 3.0


def examine(known: Registry | None = None) -> Iterator[Check]:
    """All checks, those of plugins last. Nothing is changed, and only proxies are connected to, for 3 s."""
    known = known or registry()
    yield _versions()
    yield from _plugins(known)
    yield from _extras(known)
    yield from journals(state_folder())
    yield _disk("temporary files", Path(tempfile.gettempdir()), "TMPDIR names another folder")
    yield _cores()
    yield memory(machine.memory())
    yield _open_files()
    yield from proxies(os.environ)
    yield from certificates(os.environ)
    yield from _of_plugins(known)


def _versions() -> Check:
    named = ("pyarrow", "numpy", "pydantic", "anyio")
    found = ", ".join(f"{name} {metadata.version(name)}" for name in named)
    return Check("versions", "ok", f"crossdock {__version__}, Python {platform.python_version()}, {found}")


def _plugins(known: Registry) -> Iterator[Check]:
    yield Check("connectors", "ok", f"{len(known.specs)}: {', '.join(sorted(known.specs))}")
    for fault in known.faults:
        advice = f"update or remove it: pip install --upgrade {fault.plugin}, pip uninstall {fault.plugin}"
        yield Check("plugin", "failed", redacted(str(fault)), advice)


def _extras(known: Registry) -> Iterator[Check]:
    """By extra the connectors that cannot be opened without it."""
    lacking: dict[str, list[str]] = {}
    for spec in known.specs.values():
        if spec.extra and missing_modules(spec):
            lacking.setdefault(spec.extra, []).append(spec.name)
    for extra, names in sorted(lacking.items()):
        whose = ", ".join(sorted(names))
        yield Check(
            "extra", "warning", f"{extra} is not installed, which {whose} needs", f"pip install '{extra}'"
        )
    if not lacking:
        yield Check("extras", "ok", "the libraries of all connectors are installed")


def journals(folder: Path) -> Iterator[Check]:
    """Whether runs can keep their journals there."""
    advice = "set CROSSDOCK_HOME to a folder of yours on a local disk"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as place:
            path = Path(place) / "journal"
            with closing(sqlite3.connect(path)) as database:
                (mode,) = database.execute("PRAGMA journal_mode=WAL").fetchone()
                database.execute("CREATE TABLE t (x)")
    except (OSError, sqlite3.Error) as error:
        yield Check("journals", "failed", f"{folder} cannot keep journals: {error}", advice)
        return
    if mode != "wal":
        yield Check("journals", "failed", f"{folder} is on a file system without shared memory", advice)
        return
    yield _disk("journals", folder, advice)


def _disk(name: str, folder: Path, advice: str) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(name, "failed", f"{folder}: {error.strerror}", advice)
    message = f"{free / _GIB:,.1f} GiB free at {folder}"
    return Check(name, "warning", message, advice) if free < _LEAST_DISK else Check(name, "ok", message)


def _cores() -> Check:
    return Check("cores", "ok", f"{machine.cores():g}")


def memory(given: int) -> Check:
    """What there is for this process, in bytes; 0: nobody tells."""
    if not given:
        return Check("memory", "ok", "the system does not say how much there is")
    message = f"{given / _GIB:,.1f} GiB"
    if given >= _LEAST_MEMORY:
        return Check("memory", "ok", message)
    advice = (
        "give copies less than the 512 MiB that they take by default: --memory 128MiB or CROSSDOCK_MEMORY"
    )
    return Check("memory", "warning", message, advice)


def _open_files() -> Check:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return Check("open files", "ok", "not limited")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _LEAST_FILES:
        return Check("open files", "ok", f"{soft:,} at once" if soft >= 0 else "not limited")
    advice = (
        f"raise it before many files are copied at once: ulimit -n {min(4096, hard) if hard >= 0 else 4096}"
    )
    return Check("open files", "warning", f"{soft:,} at once", advice)


def proxies(environment: Mapping[str, str]) -> Iterator[Check]:
    """The proxies of the environment, each connected to."""
    found = {name: environment.get(name) or environment.get(name.lower(), "") for name in _PROXIES}
    for name, address in found.items():
        if address:
            yield _proxy(name, address)
    if not any(found.values()):
        yield Check("proxy", "ok", "none: HTTPS_PROXY, HTTP_PROXY and ALL_PROXY are not set")
    elif bypass := environment.get("NO_PROXY") or environment.get("no_proxy"):
        yield Check("NO_PROXY", "ok", bypass)


def _proxy(name: str, address: str) -> Check:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        host, port = "", 0
    if not host:
        return Check(name, "failed", "it is no address of a proxy", f"{name}=http://host:port")
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except OSError as error:
        advice = f"correct or unset {name}; hosts in NO_PROXY are reached without it"
        return Check(name, "failed", f"{host}:{port} does not answer: {error}", advice)
    return Check(name, "ok", f"{host}:{port} answers")


def certificates(environment: Mapping[str, str]) -> Iterator[Check]:
    """Files of certificates to trust that the environment names."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if not (path := environment.get(name)):
            continue
        try:
            there = b"BEGIN CERTIFICATE" in Path(path).read_bytes()
            reason = "" if there else "has no certificate in PEM"
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
        advice = f"correct or unset {name}"
        yield Check(name, "failed", f"{path} {reason}", advice) if reason else Check(name, "ok", path)


def _of_plugins(known: Registry) -> Iterator[Check]:
    for impl in known.manager.hook.crossdock_checks.get_hookimpls():
        try:
            found: Iterable[Check] = impl.function()  # type: ignore[assignment] # pluggy calls it object
            yield from found
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may do anything
            sentence = (
                error.message if isinstance(error, CrossdockError) else f"{type(error).__name__}: {error}"
            )
            advice = f"update it, or tell its author: {impl.plugin_name}"
            yield Check(
                "plugin", "failed", f"{impl.plugin_name}: its check broke off: {redacted(sentence)}", advice
            )
