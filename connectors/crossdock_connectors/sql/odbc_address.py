"""From an address and options to a connection string, in which no value can pass for another attribute."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from crossdock import ConfigError, Location, NotFoundError

from .odbc_drivers import check_driver, check_libraries, near, quoted

if TYPE_CHECKING:
    from .odbc_config import OdbcConfig

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]*")
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
    check_libraries(found)
    if "driver" in found:
        check_driver(found["driver"], odbc.drivers())
    elif found["dsn"].lower() not in map(str.lower, odbc.dataSources()):
        hint = near(found["dsn"], list(odbc.dataSources()), "odbc.ini has")
        raise NotFoundError(f"there is no ODBC data source {found['dsn']!r}", hint=hint)
