"""The connector on crossdock's conformance kit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pytest

from crossdock.contract import TableContract
from crossdock.template.table import SPEC


class TestSample(TableContract):
    spec = SPEC
    driver_errors = (
        pa.ArrowInvalid("no Arrow file"),
        FileNotFoundError(2, "gone"),
        PermissionError(13, "no"),
    )

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"{SPEC.schemes[0]}://{tmp_path / 'data'}"

    def inventory(self, url: str) -> Collection[str]:
        return sorted(path.name for path in Path(url.partition("://")[2]).glob("*"))

    def damage(self, url: str, name: str) -> bool:
        for part in Path(url.partition("://")[2]).glob(f"{name}@*.arrow"):
            part.write_bytes(part.read_bytes()[:-100])
        return True
