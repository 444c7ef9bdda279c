"""Where the tables of the template are in tests of the kit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest


class OnSample:
    """Goes before the kit's class."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sample://{tmp_path / 'data'}"

    def inventory(self, url: str) -> Collection[str]:
        """All that is there but the lock of those that take one."""
        names = (path.name for path in Path(url.removeprefix("sample://")).glob("*"))
        return sorted(name for name in names if name != ".lock")
