"""GNOME Keyring on a bus of its own: a keyring of the system as desktops have it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")
# Without the services of the system: asked for a keyring before this one is on it, the bus would start
# another one, which is locked.
_CONFIGURATION = """
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
MISSING = [each for each in PROGRAMS if shutil.which(each) is None]


@contextmanager
def bus() -> Iterator[tuple[Path, str]]:
    """A folder for who is on it, and its address."""
    # Addresses of sockets are short: not in pytest's folders.
    with tempfile.TemporaryDirectory(prefix="crossdock-bus-") as folder:
        address = f"unix:path={folder}/bus"
        (Path(folder) / "bus.conf").write_text(_CONFIGURATION.format(address=address))
        command = ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile"]
        environment = _environment(folder, address)
        with subprocess.Popen(
            [*command, "--print-address=1"], stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline().startswith(address)
                yield Path(folder), address
            finally:
                process.terminate()


@contextmanager
def secret_service(folder: Path, address: str) -> Iterator[None]:
    """On the bus, soon; unlocked."""
    command = ["gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock"]
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=_environment(str(folder), address)
        ) as process,
    ):
        try:
            assert process.stdin is not None
            process.stdin.write(b"the password of who signs in")
            process.stdin.close()
            yield
        finally:
            process.terminate()


def _environment(folder: str, address: str) -> dict[str, str]:
    names = ("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    return {"PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": address} | dict.fromkeys(names, folder)
