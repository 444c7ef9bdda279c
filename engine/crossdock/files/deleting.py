"""Deleting the files that were copied (``delete_files_after_completion``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ..errors import NotFoundError, SourceChangedError
from ..spi.data import Split
from ..spi.endpoints import Source
from .binary import BinarySource
from .merging import MergedSource


def delete_copied(
    source: Source[Any], splits: Sequence[Split], ask: Callable[[Callable[[], None]], None]
) -> Iterator[str]:
    """Delete the objects of a unit, all of whose splits are given; twice is the same as once.

    Only the versions that were planned: yields a sentence about each that changed since and is kept.
    ``ask`` calls the store, again after transient errors.
    """
    assert isinstance(source, BinarySource | MergedSource)  # noqa: S101 - resolving refused others
    for info in source.objects(splits):
        try:
            ask(partial(source.store.delete_version, info))
        except NotFoundError:
            continue
        except SourceChangedError:
            yield f"{info.path} changed after it was copied; it was not deleted"
