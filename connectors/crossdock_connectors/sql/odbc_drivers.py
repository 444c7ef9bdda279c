"""ODBC drivers of this machine: which may be loaded, and values in their connection strings.

For every connector that is told a driver by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from crossdock import ConfigError, MissingDependencyError, NotFoundError

DRIVERS_VARIABLE = "CROSSDOCK_ODBC_DRIVERS"
_PLAIN = re.compile(r"[A-Za-z0-9_.:/\\-]+")
_DOUBLED = re.compile(r"msodbcsql|psqlodbc|ODBC Driver \d+ for SQL Server|PostgreSQL", re.IGNORECASE)
# Attributes of drivers that load what the value names, or look for it there.
_LOADING = re.compile(r"dll$|plugin|loadext|extension|library|libname|instlib|gssclient|jvm|classpath")
_LIBRARY = re.compile(r"(?!\w+://).*[/\\].*\.(so|dll|dylib)(\.\d+)*(?=$|[\s,;:])", re.DOTALL | re.IGNORECASE)
INSTALL = (
    "the ODBC driver manager libodbc is not installed; apt-get install unixodbc (Debian, Ubuntu), "
    "dnf install unixODBC (RHEL, Fedora) or brew install unixodbc (macOS) does that"
)


@cache
def odbc() -> Any:
    """The module pyodbc. Raises MissingDependencyError where the machine has no driver manager."""
    try:
        import pyodbc
    except ImportError as error:
        if "odbc" in str(error) and not isinstance(error, ModuleNotFoundError):
            raise MissingDependencyError(INSTALL, detail=str(error)) from error
        raise
    # A pool keeps a session's settings, and a forked child would share its sockets.
    pyodbc.pooling = False
    return pyodbc


def quoted(value: str, driver: str, key: str) -> str:
    """A value in a connection string. Raises ConfigError for one in which the driver would see another's
    beginning: not all take ``}}`` for a ``}``, as ODBC asks for."""
    if _PLAIN.fullmatch(value):
        return value
    if "}" not in value or _DOUBLED.search(driver):
        return "{" + value.replace("}", "}}") + "}"
    # FreeTDS looks for the first "};" and doubles nothing; others may end at the first brace.
    tds = is_freetds(driver)
    if "};" in value if tds else re.search(r"\}.*;", value, re.DOTALL):
        raise ConfigError(f"the attribute {key} has a }} before a ;, which the driver {driver} may misread")
    return "{" + (value if tds else value.replace("}", "}}")) + "}"


def is_freetds(driver: str) -> bool:
    """By its name in odbcinst.ini, the name that it gives itself, or its path."""
    return "tds" in driver.lower()


def check_driver(driver: str, installed: list[str]) -> None:
    """Raises as ``check_trusted``."""
    if _listed(driver):
        return
    if re.search(r"[/\\]|\.(so|dll|dylib)\b", driver):
        raise ConfigError(
            "driver: a library is loaded by its path only where the environment variable "
            f"{DRIVERS_VARIABLE} lists it; name a driver of odbcinst.ini"
        )
    if driver.lower() not in map(str.lower, installed):
        raise NotFoundError(
            f"there is no ODBC driver {driver!r}", hint=near(driver, installed, "odbcinst.ini has")
        )


def check_libraries(attributes: Mapping[str, str]) -> None:
    """Raises ConfigError for a library, or a folder of them, that a driver would load besides."""
    for key, value in attributes.items():
        if key in ("driver", "pwd", "password"):
            continue
        loads = value and _LOADING.search(re.sub("[ _.-]", "", key))
        if (loads or _LIBRARY.match(value)) and not _listed(value):
            raise ConfigError(
                f"{key.upper()}: a library, or a folder of them, is given to a driver only where the "
                f"environment variable {DRIVERS_VARIABLE} lists it; set it in odbc.ini instead"
            )


def _listed(path: str) -> bool:
    return path in filter(None, os.environ.get(DRIVERS_VARIABLE, "").split(os.pathsep))


def near(name: str, known: list[str], words: str) -> str:
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), by_lower, 1)
    return f"did you mean {by_lower[near[0]]}?" if near else f"{words}: {', '.join(known) or 'none'}"
