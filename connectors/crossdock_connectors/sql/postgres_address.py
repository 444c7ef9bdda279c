"""From an address to what libpq connects with."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from crossdock import ConfigError, Location

_ALLOWED = (
    "application_name", "channel_binding", "connect_timeout", "gssencmode", "host", "hostaddr", "keepalives",
    "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname", "load_balance_hosts",
    "passfile", "port", "require_auth", "service", "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert",
    "ssl_min_protocol_version", "target_session_attrs", "tcp_user_timeout", "user",
)  # fmt: skip
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1", re.IGNORECASE)
_AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_CHECKED = ("verify-full",)


def parameters(location: Location, given: dict[str, str]) -> dict[str, str]:
    """libpq's parameters for the address; ``given`` (options) come before what the address says.

    Raises ConfigError for one that is unknown. A server elsewhere is verified (``verify-full``) unless
    something else is asked for, here or in PGSSLMODE.
    """
    found = _of_authority(location)
    database = location.path.removeprefix("/")
    if database:
        found["dbname"] = database
    for key, value in parse_qsl(location.query, keep_blank_values=True):
        if key not in _ALLOWED:
            hint = "give it with password=..., PGPASSWORD or ~/.pgpass" if key == "password" else ""
            raise ConfigError(f"{key!r} is no parameter that a postgresql:// address may have", hint=hint)
        found[key] = value
    found |= {key: value for key, value in given.items() if value}
    if any("\0" in value for value in found.values()):
        raise ConfigError("a postgresql:// address cannot hold a NUL character")
    found.setdefault("application_name", "crossdock")
    found.setdefault("connect_timeout", "30")
    if not is_near(found):
        _verified(found)
    return found


def _of_authority(location: Location) -> dict[str, str]:
    login, _, hosts = location.authority.rpartition("@")
    user, colon, password = login.partition(":")
    found = {}
    if user:
        found["user"] = unquote(user)
    if colon:
        found["password"] = unquote(password)
    names, ports = [], []
    for each in filter(None, hosts.split(",")):
        match = re.fullmatch(r"(\[(?P<six>[^]]*)\]|(?P<name>[^:]*))(:(?P<port>\d*))?", each)
        if match is None:
            raise ConfigError(f"{each!r} is no host:port")
        names.append(match["six"] or unquote(match["name"] or ""))
        ports.append(match["port"] or "5432")
    if any(names):
        found |= {"host": ",".join(names), "port": ",".join(ports)}
    return found


def is_near(found: dict[str, str]) -> bool:
    """Whether every server is this machine: a loopback address or a socket file."""
    hosts = found.get("hostaddr") or found.get("host") or os.environ.get("PGHOST", "")
    if not hosts and (found.get("service") or os.environ.get("PGSERVICE")):
        return False
    return all(
        not host or host.startswith(("/", "@")) or _LOOPBACK.fullmatch(host) for host in hosts.split(",")
    )


def _verified(found: dict[str, str]) -> None:
    if "sslmode" not in found and not os.environ.get("PGSSLMODE"):
        found["sslmode"] = "verify-full"
    mode = found.get("sslmode", "")
    own = Path.home() / ".postgresql" / "root.crt"
    if mode.startswith("verify") and "sslrootcert" not in found and not os.environ.get("PGSSLROOTCERT"):
        usual = [ssl.get_default_verify_paths().cafile or "", *_AUTHORITIES]
        known = next((path for path in usual if path and os.path.exists(path)), "")
        if known and not own.exists():
            found["sslrootcert"] = known


def weakness(found: dict[str, str]) -> str:
    """What the report says about a connection that is not verified; empty where it is."""
    mode = found.get("sslmode") or os.environ.get("PGSSLMODE", "")
    if is_near(found) or mode in _CHECKED:
        return ""
    if mode in ("disable", "allow", "prefer"):
        return f"sslmode={mode}: the connection to {found.get('host')} may not be encrypted"
    return f"sslmode={mode}: the name of the server {found.get('host')} is not verified"


def connection_string(found: dict[str, str]) -> str:
    """libpq's ``key='value'`` text."""
    quoted = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in found.items()}
    return " ".join(f"{key}='{value}'" for key, value in quoted.items())


def shown(found: dict[str, str]) -> str:
    """``host:port/database`` for messages."""
    host = found.get("host") or os.environ.get("PGHOST") or "localhost"
    port = found.get("port") or os.environ.get("PGPORT") or "5432"
    name = found.get("dbname") or os.environ.get("PGDATABASE") or found.get("user", "")
    return f"{host}/{name}" if "," in host or host.startswith("/") else f"{host}:{port}/{name}"
