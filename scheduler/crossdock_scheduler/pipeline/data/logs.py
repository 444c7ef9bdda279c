"""Logs that activities write to a folder of a store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import quote

import crossdock

from ..planning.ends import End


def log_address(folder: End, name: str) -> str:
    return f"{folder.address.rstrip('/')}/{quote(name)}"


def put_file(file: Path, folder: End, name: str) -> str:
    """The address of the log, which is a copy of a local file; one of that name is replaced."""
    address = log_address(folder, name)
    crossdock.copy(
        file, address, source_format="binary", sink_format="binary", sink_options=folder.given(),
        mode="overwrite",
    )  # fmt: skip
    return address


def put_log(text: str, folder: End, name: str) -> str:
    with tempfile.TemporaryDirectory() as local:
        file = Path(local, "log")
        file.write_text(text, encoding="utf-8")
        return put_file(file, folder, name)
