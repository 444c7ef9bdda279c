"""From an address and options to a connection string, in which no value can pass for another attribute."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from crossdock import ConfigError, Location, NotFoundError

if TYPE_CHECKING:
    from .odbc import OdbcConfig

DRIVERS_VARIABLE = "CROSSDOCK_ODBC_DRIVERS"
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_.:/\\-]+")
_DOUBLED = re.compile(r"msodbcsql|psqlodbc|ODBC Driver \d+ for SQL Server|PostgreSQL", re.IGNORECASE)
_FREETDS = re.compile(r"tds", re.IGNORECASE)
# They read or write a file of attributes, and with it any library.
_FILES = ("filedsn", "savefile")
_FORM = "odbc:///?dsn=NAME#schema.table"
_OPTIONS = {"dsn": "DSN", "driver": "Driver", "server": "Server", "database": "Database", "user": "UID"}


def attributes(config: OdbcConfig, location: Location) -> dict[str, str]:
    """The connection's attributes by lower-case name: options first, then the address, then the string.

    Raises ConfigError, which repeats no value.
    """
    if location.authority or location.path.strip("/"):
        raise ConfigError(f"an ODBC address has no host and no path; write {_FORM}")
    found: dict[str, str] = {}
    if config.connection_string is not None:
        found |= parse(config.connection_string.get_secret_value())
    given: dict[str, str] = {}
    for pair in filter(None, location.query.split("&")):
        key, _, value = pair.partition("=")
        given[unquote(key).strip().lower()] = unquote(value)
    found |= parse(given.pop("connection_string", ""))
    found |= given
    for option, name in _OPTIONS.items():
        if value := getattr(config, option):
            found[name.lower()] = value
    if config.port:
        found["port"] = str(config.port)
    if config.password is not None:
        found["pwd"] = config.password.get_secret_value()
    elif "uid" in found and "pwd" not in found and (password := os.environ.get("ODBC_PASSWORD")):
        found["pwd"] = password
    for key, value in found.items():
        if not _KEY.fullmatch(key) or "\0" in value:
            raise ConfigError(f"{key[:40]!r} is no attribute of an ODBC connection, or its value has a NUL")
    if not {"dsn", "driver"} & found.keys():
        raise ConfigError(
            f"an ODBC address names a data source or a driver: {_FORM}, or ?driver=...&server=..."
        )
    return found


def parse(text: str) -> dict[str, str]:
    """The attributes of a connection string. Raises ConfigError for one that is malformed."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at] in "; ":
            at += 1
            continue
        key, equals, _ = text[at:].partition("=")
        at += len(key) + 1
        if not equals:
            raise ConfigError("connection_string: a part has no '='")
        value, at = _braced(text, at) if text.startswith("{", at) else _bare(text, at)
        # The first of a name counts, as for the driver manager.
        found.setdefault(key.strip().lower(), value)
    return found


def _bare(text: str, at: int) -> tuple[str, int]:
    end = text.find(";", at)
    end = len(text) if end < 0 else end
    return text[at:end].strip(), end


def _braced(text: str, at: int) -> tuple[str, int]:
    value = re.compile(r"\{((?:[^}]|\}\})*)\}\s*(?:;|\Z)").match(text, at)
    if value is None:
        raise ConfigError("connection_string: a value in braces does not end; write } in it as }}")
    return value[1].replace("}}", "}"), value.end()


def connection_string(found: Mapping[str, str], odbc: Any) -> str:
    """As the driver takes it. The names of attributes are not case-sensitive."""
    driver = found.get("driver") or next(
        about for name, about in odbc.dataSources().items() if name.lower() == found["dsn"].lower()
    )
    return "".join(f"{key}={quoted(value, driver, key)};" for key, value in found.items())


def quoted(value: str, driver: str, key: str) -> str:
    """A value in a connection string. Raises ConfigError for one in which the driver would see another's
    beginning: not all take ``}}`` for a ``}``, as ODBC asks for."""
    if _PLAIN.fullmatch(value):
        return value
    if "}" not in value or _DOUBLED.search(driver):
        return "{" + value.replace("}", "}}") + "}"
    # FreeTDS looks for the first "};" and doubles nothing; others may end at the first brace.
    tds = _FREETDS.search(driver)
    if "};" in value if tds else re.search(r"\}.*;", value, re.DOTALL):
        raise ConfigError(f"the attribute {key} has a }} before a ;, which the driver {driver} may misread")
    return "{" + (value if tds else value.replace("}", "}}")) + "}"


def shown(found: Mapping[str, str]) -> str:
    """What messages call the database: no secret is in it."""
    place = found.get("server") or found.get("servername") or ""
    if place and "port" in found:
        place += f":{found['port']}"
    named = "/".join(filter(None, (place, found.get("database", ""))))
    return named or found.get("dsn") or found["driver"]


def check_trusted(found: Mapping[str, str], odbc: Any) -> None:
    """Only what this machine's administrator has installed is loaded: a driver is code.

    Raises ConfigError for a path that CROSSDOCK_ODBC_DRIVERS does not list, NotFoundError for another name.
    """
    for key in _FILES:
        if key in found:
            raise ConfigError(f"{key.upper()} is not allowed in an ODBC connection")
    if "driver" in found:
        check_driver(found["driver"], odbc.drivers())
    elif found["dsn"].lower() not in map(str.lower, odbc.dataSources()):
        hint = _near(found["dsn"], list(odbc.dataSources()), "odbc.ini has")
        raise NotFoundError(f"there is no ODBC data source {found['dsn']!r}", hint=hint)


def check_driver(driver: str, installed: list[str]) -> None:
    """Raises as ``check_trusted``."""
    if driver in filter(None, os.environ.get(DRIVERS_VARIABLE, "").split(os.pathsep)):
        return
    if re.search(r"[/\\]|\.(so|dll|dylib)\b", driver):
        raise ConfigError(
            "driver: a library is loaded by its path only where the environment variable "
            f"{DRIVERS_VARIABLE} lists it; name a driver of odbcinst.ini"
        )
    if driver.lower() not in map(str.lower, installed):
        raise NotFoundError(
            f"there is no ODBC driver {driver!r}", hint=_near(driver, installed, "odbcinst.ini has")
        )


def _near(name: str, known: list[str], words: str) -> str:
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), by_lower, 1)
    return f"did you mean {by_lower[near[0]]}?" if near else f"{words}: {', '.join(known) or 'none'}"
