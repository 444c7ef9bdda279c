"""Stores that are each wrong about attributes or versions: variations of the template's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import broken_stores

from crossdock import (
    AlreadyExistsError,
    Attributes,
    Folders,
    Location,
    NotFoundError,
    ObjectAttributes,
    ObjectInfo,
    UploadRequest,
)
from crossdock.template.store import SPEC, SampleStore


class Wrong(broken_stores.Wrong):
    """As there; not collected itself."""

    __test__ = False


class DescribedStore(SampleStore, Attributes):
    """Correct: metadata lies beside the root from ``open_upload`` on."""

    keeps = frozenset({"metadata"})

    def note(self, path: str) -> Path:
        return Path(f"{self.root}.notes", path.replace("/", "~"))

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        self.place(path)
        self.note(path).parent.mkdir(parents=True, exist_ok=True)
        given = request.attributes.metadata if request.attributes else {}
        self.note(path).write_text(json.dumps(dict(given)))
        return super().open_upload(path, request)

    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        self.open_read(info.path, info).close()
        return ObjectAttributes(metadata=json.loads(self.note(info.path).read_text()))


class ForgetfulStore(DescribedStore):
    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        super().attributes(info)
        return ObjectAttributes()


def open_forgetful(config: Any, location: Location) -> ForgetfulStore:
    return ForgetfulStore(location.path)


class TestForgetsAttributes(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_forgetful)
    caught_by = frozenset({"test_attributes"})


class CarelessStore(DescribedStore):
    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        return super().attributes(self.stat(info.path))


def open_careless(config: Any, location: Location) -> CarelessStore:
    return CarelessStore(location.path)


class TestTakesAttributesOfAnyVersion(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_careless)
    caught_by = frozenset({"test_attributes_of_another_version"})


class HastyStore(SampleStore):
    def delete_version(self, info: ObjectInfo) -> None:
        self.delete(info.path)


def open_hasty(config: Any, location: Location) -> HastyStore:
    return HastyStore(location.path)


class TestDeletesAnyVersion(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_hasty)
    caught_by = frozenset({"test_delete_version"})


class CoveredStore(SampleStore, Folders):
    """Correct."""

    def folders(self) -> Iterator[tuple[str, bool]]:
        for path in sorted(path for path in Path(self.root).rglob("*") if path.is_dir()):
            yield path.relative_to(self.root).as_posix(), not any(path.iterdir())

    def folder_attributes(self, path: str) -> ObjectAttributes:
        if not Path(self.root, path).is_dir():
            raise NotFoundError(path)
        return ObjectAttributes()

    def make_folder(self, path: str, attributes: ObjectAttributes) -> None:
        try:
            Path(self.root, path).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise AlreadyExistsError(path) from error


class UpsideDownStore(CoveredStore):
    def folders(self) -> Iterator[tuple[str, bool]]:
        return reversed(list(super().folders()))


def open_upside_down(config: Any, location: Location) -> UpsideDownStore:
    return UpsideDownStore(location.path)


class TestListsFoldersUpsideDown(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_upside_down)
    caught_by = frozenset({"test_folders"})


class TramplingStore(CoveredStore):
    def make_folder(self, path: str, attributes: ObjectAttributes) -> None:
        if Path(self.root, path).is_file():
            Path(self.root, path).unlink()
        super().make_folder(path, attributes)


def open_trampling(config: Any, location: Location) -> TramplingStore:
    return TramplingStore(location.path)


class TestFolderInPlaceOfAnObject(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_trampling)
    caught_by = frozenset({"test_folders"})
