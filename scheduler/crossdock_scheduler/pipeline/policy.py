"""What definitions may reach on the machine that runs them."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

# No more than a name and a port: anything else would change the address that it becomes part of.
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_LOCAL = ("localhost", "ip6-localhost", "ip6-loopback")


@dataclass(frozen=True, slots=True)
class Policy:
    """``roots``: the folders that may be read and written, None for any. ``private``: whether addresses of
    private networks and of this machine may be reached. ``web_hooks``: where callbacks are listened for, by
    ``listen``, ``address``, ``certificate`` and ``key``; ``dtexec``: the program that runs packages of SSIS.
    Without them there are neither.

    Names of hosts are not looked up: whoever connects checks the address that it gets with ``address``.
    """

    roots: tuple[str, ...] | None = None
    private: bool = True
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
        if not _HOST.fullmatch(name):
            return f"{name!r} is not the name of a host"
        bare = (urlsplit(f"//{name}").hostname or "").rstrip(".")
        if self.private or not bare:
            return ""
        if bare in _LOCAL or bare.endswith(".localhost"):
            return f"the host {name!r} is this machine, which is forbidden"
        return self.address(bare)

    def address(self, text: str) -> str:
        """Why an IP address may not be reached; empty for what is none."""
        if self.private:
            return ""
        try:
            found: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text)
        except ValueError:
            return ""
        found = getattr(found, "ipv4_mapped", None) or found
        return "" if found.is_global else f"the address {text} is a private one, which is forbidden"
