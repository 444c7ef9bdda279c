"""The correct connectors that the broken ones vary pass every check; the table is ``examples/arrowdir``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import arrow_file
import broken_loaders
import broken_memory
import folder_store
import pytest
from arrow_place import OnArrowDir

from crossdock.contract import FormatContract, StoreContract, TableContract


class TestFolderStore(StoreContract):
    spec = folder_store.SPEC

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"folder://{tmp_path / 'store'}"

    def inventory(self, url: str) -> Collection[str]:
        root = Path(url.removeprefix("folder://"))
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".staged")


class TestArrowFile(FormatContract):
    spec = arrow_file.SPEC


class TestLoadingTable(OnArrowDir, TableContract):
    """``arrowdir`` with the ability to load staged files by itself."""

    spec = broken_loaders.LOADING


class TestRememberingTable(OnArrowDir, TableContract):
    """``arrowdir`` that knows what a run has committed."""

    spec = broken_memory.REMEMBERING
