"""Stores that tell wrong things of their objects and folders: variations of the template's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from broken_stores import found_by

from crossdock import (
    Described,
    Facts,
    Fetchable,
    NotFoundError,
    ObjectInfo,
    StagedFile,
)
from crossdock.template.store import SPEC, SampleStore


class TellingStore(SampleStore, Described):
    """Correct."""

    def facts(self, path: str) -> Facts:
        if path and not path.endswith("/"):
            info = self.stat(path)
            return Facts(info.size, info.modified)
        if path and not self.is_folder(path):
            raise NotFoundError(f"{path} does not exist")
        return Facts()


@found_by("test_facts")
class ForgedStore(TellingStore):
    """Tells the digest of something else."""

    def facts(self, path: str) -> Facts:
        found = super().facts(path)
        return Facts(found.size, found.modified, md5=b"0" * 16 if found.size else None)


@found_by("test_facts")
class LenientStore(TellingStore):
    """Takes an object for a folder."""

    def facts(self, path: str) -> Facts:
        return super().facts(path if self.is_folder(path) else path.rstrip("/"))


@found_by("test_facts")
class SecretStore(SampleStore):
    """Has the method without the ability: nobody would call it."""

    def facts(self, path: str) -> Facts:
        return Facts()


_FETCHED = replace(SPEC, capabilities=replace(SPEC.capabilities, fetched_by="https"))


misfetched = partial(found_by, "test_fetchable", also=None)


@misfetched(spec=_FETCHED)
class SharedStore(SampleStore, Fetchable):
    """Gives addresses of another scheme than it declares."""

    def fetchable(self, info: ObjectInfo, file_format: str) -> StagedFile:
        return StagedFile(f"http://here/{info.path}", file_format, info.size)


@misfetched()
class ModestStore(SharedStore):
    """Can be fetched from and does not say so."""


@misfetched(spec=_FETCHED)
class BoastfulStore(SampleStore):
    """Only declares that it can be fetched from."""
