"""What definitions may reach on the machine that runs them."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

# No more than a name and a port: anything else would change the address that it becomes part of.
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_LOCAL = ("localhost", "ip6-localhost", "ip6-loopback")
# Addresses of IPv6 that lead to one of IPv4, their last four bytes: NAT64, and what was there before.
_EMBEDDED = tuple(ipaddress.IPv6Network(each) for each in ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96"))
# Of Azure's own services on every machine there, which answer nobody else.
_PLATFORM = ipaddress.IPv4Address("168.63.129.16")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Policy:
    """``roots``: the folders that may be read and written, None for any. ``private``: whether addresses of
    private networks and of this machine may be reached; those of ``networks`` may in any case. ``web_hooks``:
    where callbacks are listened for, by ``listen``, ``address``, ``certificate`` and ``key``; ``dtexec``: the
    program that runs packages of SSIS. Without them there are neither.

    Names of hosts are looked up only with ``looks_up``: whoever connects checks the address that it gets with
    ``address``.
    """

    roots: tuple[str, ...] | None = None
    private: bool = True
    networks: tuple[str, ...] = ()
    looks_up: bool = False
    web_hooks: Mapping[str, str] | None = None
    dtexec: str | None = None

    def refusals(self, folders: Iterable[str], hosts: Iterable[str]) -> list[str]:
        """One sentence for each that is forbidden."""
        found = [self.folder(each) for each in folders] + [self.host(each) for each in hosts]
        return [each for each in found if each]

    def folder(self, path: str) -> str:
        """Why a folder may not be used; empty if it may. Symbolic links count as what they lead to."""
        if self.roots is None:
            return ""
        real = os.path.realpath(path)
        for root in self.roots:
            allowed = os.path.realpath(root)
            if os.path.commonpath((allowed, real)) == allowed:
                return ""
        return f"the folder {path!r} is outside of what is allowed: {', '.join(self.roots) or 'nothing'}"

    def host(self, name: str) -> str:
        """Why a host, with or without a port, may not be reached, as far as its name says it."""
        name = unicodedata.normalize("NFKC", name)
        if not _HOST.fullmatch(name):
            return f"{name!r} is not the name of a host"
        bare = (urlsplit(f"//{name}").hostname or "").rstrip(".")
        if self.private or not bare:
            return ""
        if (bare in _LOCAL or bare.endswith(".localhost")) and self.address("127.0.0.1"):
            return f"the host {name!r} is this machine, which is forbidden"
        return self.address(bare) or (self._looked_up(bare) if self.looks_up else "")

    def address(self, text: str) -> str:
        """Why an IP address, however it is spelled, may not be reached; empty for what is none."""
        found = None if self.private else _address(text)
        if found is None or _is_public(found) or self._is_excepted(found):
            return ""
        return f"the address {text} is a private one, which is forbidden"

    def _is_excepted(self, found: Address) -> bool:
        return any(found in ipaddress.ip_network(each, strict=False) for each in self.networks)

    def _looked_up(self, name: str) -> str:
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return ""  # whoever connects says so
        for each in found:
            if refusal := self.address(str(each[4][0]).partition("%")[0]):
                return f"the host {name!r}: {refusal}"
        return ""


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        try:
            # Parts left out, one number, hexadecimal and octal ones, as C's libraries take them.
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except OSError:
            return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_public(found: Address) -> bool:
    if isinstance(found, ipaddress.IPv6Address):
        if any(found in each for each in _EMBEDDED):
            return _is_public(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
        if found.sixtofour is not None:
            return _is_public(found.sixtofour)
        if found.is_site_local:
            return False
    return found.is_global and not found.is_multicast and found != _PLATFORM
