"""Addresses of hosts, looked up once and checked: whoever connects uses them and not the name."""

from __future__ import annotations

import socket

from crossdock import AccessDeniedError, UnreachableError

from .policy import Policy


def checked(host: str, port: int, policy: Policy) -> list[str]:
    """The addresses of a host, each of which the policy allows.

    Raises AccessDeniedError where one of them or the name is forbidden, UnreachableError without any.
    """
    if refusal := policy.host(f"[{host}]" if ":" in host else host):
        raise AccessDeniedError(refusal)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"the host {host!r} has no address that is known here") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for each in addresses:
        if refusal := policy.address(each.partition("%")[0]):
            raise AccessDeniedError(f"the host {host!r}: {refusal}")
    return addresses
