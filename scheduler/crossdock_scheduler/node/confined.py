"""A process that asks before it connects: ``python -m crossdock_scheduler.node.confined CHANNEL MODULE``.

It has the kernel (seccomp) stop each call by which it or a descendant would reach an address, until whoever
has the listener has answered: so for Python, for every driver and for programs that are started. The number
of the listener's descriptor is written to the socket CHANNEL, negative the error number where the system
refuses; once that is read, MODULE is run.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import runpy
import struct
import sys

_NO_NEW_PRIVS, _SET_MODE_FILTER = 38, 1
_NEW_LISTENER, _SPEC_ALLOW = 1 << 3, 1 << 2
_ALLOW, _ASK, _REFUSE = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.ENOSYS
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
# Offsets in the kernel's seccomp_data: the number, the architecture, and the fifth argument of a call.
_NUMBER, _ARCHITECTURE, _FIFTH = 0, 4, 16 + 4 * 8
# Calls of other instruction sets have other numbers.
_FOREIGN, _IO_URING = 0x40000000, 425
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CALLS = {
    "x86_64": {"connect": 42, "sendto": 44, "sendmsg": 46, "sendmmsg": 307, "seccomp": 317},
    "aarch64": {"connect": 203, "sendto": 206, "sendmsg": 211, "sendmmsg": 269, "seccomp": 277},
}  # fmt: skip
ANSWER = struct.Struct("=i")


def main() -> None:
    channel, module = int(sys.argv[1]), sys.argv[2]
    try:
        listener = _confine()
    except OSError as error:
        os.write(channel, ANSWER.pack(-(error.errno or errno.ENOSYS)))
        sys.exit(1)
    os.write(channel, ANSWER.pack(listener))
    os.read(channel, 1)  # until it is taken
    os.close(listener)
    os.close(channel)
    sys.argv[:] = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _confine() -> int:
    """Everything that this thread does and starts from now on. Raises OSError where the system cannot."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in CALLS:
        raise OSError(errno.ENOSYS, "not here")
    if len(os.listdir("/proc/self/task")) != 1:
        raise OSError(errno.EBUSY, "another thread would not be held")
    calls, system = CALLS[machine], ctypes.CDLL(None, use_errno=True)
    content = b"".join(struct.pack("=HBBI", *each) for each in _program(machine))
    program = ctypes.create_string_buffer(content, len(content))
    # struct sock_fprog
    pointer = struct.pack("@HP", len(content) // 8, ctypes.addressof(program))
    if system.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    listener: int = system.syscall(
        calls["seccomp"], _SET_MODE_FILTER, _NEW_LISTENER | _SPEC_ALLOW, ctypes.create_string_buffer(pointer)
    )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener


def _program(machine: str) -> list[tuple[int, int, int, int]]:
    """What the kernel does with each call; jumps are relative to the next line. ``io_uring`` would reach
    addresses without a call."""
    calls = CALLS[machine]
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 13, ARCHITECTURES[machine]),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 11, 0, _FOREIGN),
        (_EQUAL, 10, 0, _IO_URING),
        (_EQUAL, 8, 0, calls["connect"]),
        (_EQUAL, 7, 0, calls["sendmsg"]),
        (_EQUAL, 6, 0, calls["sendmmsg"]),
        (_EQUAL, 0, 4, calls["sendto"]),
        # Without an address it goes where the socket is connected to: the path of all data.
        (_LOAD, 0, 0, _FIFTH),
        (_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, _FIFTH + 4),
        (_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ASK),
        (_RETURN, 0, 0, _REFUSE),
    ]


if __name__ == "__main__":
    main()
