"""Holds a job's processes to the policy: each address is checked right where it would be reached.

Names may be looked up as often as one likes, and change what they mean: what counts is the address that the
kernel gets. The processes are those of ``confined``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import ipaddress
import logging
import os
import platform
import select
import socket
import struct
import sys
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import Process

from crossdock import ConfigError

from ..pipeline.policy import Policy
from .confined import ANSWER, CALLS

_LOG = logging.getLogger(__name__)
_PIDFD_GETFD = 438
_RECEIVE, _SEND, _STILL_THERE = 0xC0502100, 0xC0182101, 0x40082102
# The kernel's seccomp_notif: an id, the thread, flags, then the call with its number and six arguments.
_ASKED = struct.Struct("=QIIiIQ6Q")
_ANSWERED = struct.Struct("=QqiI")
_ID = struct.Struct("=Q")
_CONTINUE = 1
_MESSAGE, _MESSAGES = struct.Struct("=QI"), 64
_MOST_MESSAGES = 1024
_LONGEST = 128
_NAMES_PORT = 53
_NAMES_FILE = Path("/etc/resolv.conf")
# Sockets by which the system looks names up, and its log.
_SYSTEMS = (
    b"/run/nscd/", b"/var/run/nscd/", b"/run/systemd/resolve/", b"/var/lib/sss/pipes/", b"/dev/log",
)  # fmt: skip
_NETLINK = 16


class Guard:
    """``refused``: the sentences about what was not reached; each once. ``always``: addresses and ports that
    may be reached in any case."""

    def __init__(self, policy: Policy, always: Set[tuple[str, int]] = frozenset()) -> None:
        self._policy, self._always = policy, always
        self.refused: dict[str, None] = {}
        self._ours, self._theirs = socket.socketpair()
        self._listener = -1
        self._calls = {number: name for name, number in CALLS.get(platform.machine(), {}).items()}

    @property
    def passed(self) -> tuple[int]:
        """The descriptors that the process is to be started with."""
        return (self._theirs.fileno(),)

    def command(self, module: str) -> list[str]:
        confined = f"{__package__}.confined"
        return [sys.executable, "-m", confined, str(self._theirs.fileno()), module]

    async def take(self, process: Process) -> None:
        """Once the process is started. Raises ConfigError where this system cannot hold it."""
        self._theirs.close()
        self._ours.setblocking(False)
        await anyio.wait_readable(self._ours)
        said = self._ours.recv(ANSWER.size)
        number = ANSWER.unpack(said)[0] if len(said) == ANSWER.size else -errno.EIO
        if number >= 0:
            self._listener, number = _taken(process.pid, number)
        if number < 0:
            raise ConfigError(
                "this machine cannot keep jobs from private addresses, which its policy forbids: "
                f"{os.strerror(-number)} (seccomp)",
                hint="where nothing else keeps them, allow them with: crossdock node policy --allow-private",
            )
        self._ours.send(b"!")

    async def watch(self) -> None:
        """Answer until nobody is left who could ask."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        while True:
            await anyio.wait_readable(self._listener)
            if not any(events & select.POLLIN for _, events in poll.poll(0)):
                return
            # Whoever asked may have been killed meanwhile.
            with suppress(FileNotFoundError):
                self._answer()

    def _answer(self) -> None:
        asked = bytearray(_ASKED.size)
        fcntl.ioctl(self._listener, _RECEIVE, asked)
        ident, thread, _, call, _, _, *arguments = _ASKED.unpack(asked)
        try:
            refusal = self._refusal(ident, thread, self._calls[call], arguments)
        except (OSError, OverflowError, ValueError, struct.error):
            self._still_asks(ident)
            refusal = "an address that cannot be read"
        if refusal and refusal not in self.refused:
            self.refused[refusal] = None
            _LOG.warning("a job was kept from an address: %s", refusal)
        answer = (ident, 0, -errno.EACCES, 0) if refusal else (ident, 0, 0, _CONTINUE)
        fcntl.ioctl(self._listener, _SEND, _ANSWERED.pack(*answer))

    def _refusal(self, ident: int, thread: int, call: str, arguments: list[int]) -> str:
        memory = os.open(f"/proc/{thread}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = [
                os.pread(memory, min(length, _LONGEST), place)
                for place, length in _places(memory, call, arguments)
                if place and length
            ]
        finally:
            os.close(memory)
        # The number of the thread may be another's by now, and the memory with it.
        self._still_asks(ident)
        for each in found:
            if refusal := self._against(each, call):
                return refusal
        return ""

    def _still_asks(self, ident: int) -> None:
        """Raises FileNotFoundError where the thread has ended meanwhile."""
        fcntl.ioctl(self._listener, _STILL_THERE, _ID.pack(ident))

    def _against(self, address: bytes, call: str) -> str:
        (family,) = struct.unpack_from("=H", address)
        match family:
            case socket.AF_INET:
                host = socket.inet_ntop(family, address[4:8])
            case socket.AF_INET6:
                host = socket.inet_ntop(family, address[8:24])
            case socket.AF_UNIX:
                path = os.path.normpath(address[2:].partition(b"\0")[0])
                known = path.startswith(_SYSTEMS)
                return "" if known else "a socket of this machine, which is forbidden"
            case socket.AF_UNSPEC if call == "connect":
                return ""  # ends what was connected
            case _:
                return "" if family == _NETLINK else f"an address of the family {family}, which is forbidden"
        (port,) = struct.unpack_from("!H", address, 2)
        if (host, port) in self._always or (port == _NAMES_PORT and host in _name_servers()):
            return ""
        return self._policy.address(host)

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()
        if self._listener >= 0:
            os.close(self._listener)


def _taken(pid: int, number: int) -> tuple[int, int]:
    """A process's descriptor as one of this process, and 0; else the error number."""
    system = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        found: int = system.syscall(_PIDFD_GETFD, process, number, 0)
        return (found, 0) if found >= 0 else (-1, -ctypes.get_errno())
    finally:
        os.close(process)


def _places(memory: int, call: str, arguments: list[int]) -> Iterator[tuple[int, int]]:
    """Where in the memory the addresses of a call are, and how long each is; place 0 for none."""
    match call:
        case "connect":
            yield arguments[1], arguments[2] & 0xFFFFFFFF
        case "sendto":
            yield arguments[4], arguments[5] & 0xFFFFFFFF
        case _:
            count = 1 if call == "sendmsg" else min(arguments[2] & 0xFFFFFFFF, _MOST_MESSAGES)
            for each in range(count):
                yield _MESSAGE.unpack(os.pread(memory, _MESSAGE.size, arguments[1] + each * _MESSAGES))


def _name_servers() -> set[str]:
    """Those of the system, which may be reached for names."""
    try:
        lines = _NAMES_FILE.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    found = {parts[1] for parts in map(str.split, lines) if parts[:1] == ["nameserver"] and parts[1:]}
    known = set()
    for each in found or {"127.0.0.1"}:
        with suppress(ValueError):
            known.add(str(ipaddress.ip_address(each.partition("%")[0])))
    return known
