"""AzCopy, installed by npm into a cache on first use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "10.32.2"


def installed() -> Path:
    """AzCopy's program. Raises RuntimeError where npm is missing or cannot get it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "crossdock-perf" / f"azcopy-{VERSION}"
    program = folder / "node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64"
    if not program.exists():
        npm = shutil.which("npm", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if npm is None:
            raise RuntimeError("AzCopy comes by npm, which is missing here: apt-get install npm")
        folder.mkdir(parents=True, exist_ok=True)
        package = f"@azure-tools/azcopy-linux@{VERSION}"
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), package]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
        if not program.exists():
            raise RuntimeError(f"npm could not install AzCopy: {done.stderr.strip()[-500:]}")
    program.chmod(0o755)
    tried = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)
    if tried.returncode:
        raise RuntimeError(
            f"AzCopy does not start (Debian: apt-get install libsecret-1-0): {tried.stderr.strip()}"
        )
    return program
