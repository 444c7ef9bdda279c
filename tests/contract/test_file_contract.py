"""The local file store on the conformance kit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

import pytest

from crossdock.contract import StoreContract
from crossdock_connectors.stores.file import SPEC


class TestFileStore(StoreContract):
    spec = SPEC
    driver_errors = (
        FileNotFoundError(2, "No such file"),
        PermissionError(13, "Permission denied"),
        OSError(28, "No space left on device"),
        OSError(5, "Input/output error"),
    )
    exempt: ClassVar = {
        "test_hostile_paths_are_refused[newline]": "files with such names exist and must be copied"
    }

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return str(tmp_path / "root")

    def inventory(self, url: str) -> Collection[str]:
        return sorted(str(path.relative_to(url)) for path in Path(url).rglob("*"))


class TestFileStoreByUrl(TestFileStore):
    """Addressed by URL, synchronous, and changed by a program that writes in place."""

    options: ClassVar = {"sync": True}

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return (tmp_path / "a root").as_uri()

    def inventory(self, url: str) -> Collection[str]:
        return super().inventory(_path(url))

    def change(self, url: str, path: str, data: bytes) -> None:
        place = Path(_path(url)) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def _path(url: str) -> str:
    return url.removeprefix("file://").replace("%20", " ")
