"""Stores that are each wrong about attributes or versions: variations of the template's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from broken_stores import found_by

from crossdock import (
    AlreadyExistsError,
    Attributes,
    Folders,
    NotFoundError,
    ObjectAttributes,
    ObjectInfo,
    UploadRequest,
)
from crossdock.template.store import SampleStore


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


@found_by("test_attributes")
class ForgetfulStore(DescribedStore):
    """Forgets attributes."""

    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        super().attributes(info)
        return ObjectAttributes()


@found_by("test_attributes_of_another_version")
class CarelessStore(DescribedStore):
    """Takes attributes of any version."""

    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        return super().attributes(self.stat(info.path))


@found_by("test_delete_version")
class HastyStore(SampleStore):
    """Deletes any version."""

    def delete_version(self, info: ObjectInfo) -> None:
        self.delete(info.path)


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


@found_by("test_folders")
class UpsideDownStore(CoveredStore):
    """Lists folders upside down."""

    def folders(self) -> Iterator[tuple[str, bool]]:
        return reversed(list(super().folders()))


@found_by("test_folders")
class TramplingStore(CoveredStore):
    """Folder in place of an object."""

    def make_folder(self, path: str, attributes: ObjectAttributes) -> None:
        if Path(self.root, path).is_file():
            Path(self.root, path).unlink()
        super().make_folder(path, attributes)
