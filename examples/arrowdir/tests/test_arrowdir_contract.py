"""The connector on crossdock's conformance kit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pytest
from crossdock_arrowdir import SPEC

from crossdock.contract import TableContract


class TestArrowDir(TableContract):
    spec = SPEC
    driver_errors = (
        pa.ArrowInvalid("no Arrow file"),
        FileNotFoundError(2, "gone"),
        PermissionError(13, "no"),
    )

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"arrowdir://{tmp_path / 'data'}"

    def inventory(self, url: str) -> Collection[str]:
        return sorted(path.name for path in Path(url.removeprefix("arrowdir://")).glob("*"))

    def damage(self, url: str, name: str) -> bool:
        for part in Path(url.removeprefix("arrowdir://")).glob(f"{name}@*.arrow"):
            part.write_bytes(part.read_bytes()[:-100])
        return True
