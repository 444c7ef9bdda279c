"""The store on crossdock's conformance kit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

import pytest

from crossdock.contract import StoreContract
from crossdock.template.store import SPEC


class TestSample(StoreContract):
    spec = SPEC
    options: ClassVar = {"page_size": 7}
    driver_errors = (
        FileNotFoundError(2, "gone"),
        PermissionError(13, "no"),
        OSError(28, "no space left on device"),
    )

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"{SPEC.schemes[0]}://{tmp_path / 'data'}"

    def inventory(self, url: str) -> Collection[str]:
        root = Path(url.partition("://")[2])
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".staged")
