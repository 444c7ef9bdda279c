"""FileFormat: what a format connector implements; it then works on every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Protocol

from .record import record

if TYPE_CHECKING:
    import io

    import pyarrow as pa

    from .data import PlanHint
    from .skipping import RowSkips
    from .store import ObjectInfo


class ByteSink(Protocol):
    """What a format writes to: a sequential stream. Takes any buffer, keeps none."""

    def write(self, data: bytes | memoryview | pa.Buffer, /) -> int:
        """Take all of ``data``; returns how many bytes that were. Raises what the store raises."""
        ...


@record(slots=True)
class Piece:
    """A part of a file that can be read alone: a byte range, some row groups.

    ``token`` is the format's own. ``weight`` is in bytes of the file. ``memory`` is what reading
    it needs in bytes (0: the engine's default).
    """

    token: bytes
    weight: int
    memory: int = 0


@record(slots=True)
class Part:
    """A part that ``FormatWriter`` wrote: its ``length`` in bytes and the writer's own ``token``."""

    length: int
    token: bytes


class FormatWriter(ABC):
    """Writes one part: the rows in the order in which they come."""

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows behind those before. Raises DataError for a value that the format cannot hold."""

    @abstractmethod
    def finish(self) -> bytes:
        """Write what is left; returns the token that ``FileFormat.tail`` needs. Does not close the stream."""

    def abort(self) -> None:  # noqa: B027 - optional
        """Let go of everything without writing. Never raises."""


class FileFormat(ABC):
    """Turns an open file into record batches and back. Safe to use from several threads.

    Files are given as ``io.BufferedIOBase``-like objects (``read``, ``readinto``, ``seek``,
    ``tell``) that read from any store; ``info`` names the object and its version, for messages
    and caches. One whose ``open_ended`` is true ends where it ends, and ``info.size`` does not tell. A file
    that cannot be read raises DataError with the path and, where there is one, the line.
    """

    joinable: bool = False
    """Whether parts written apart make one file: ``head`` + parts in order + ``tail``."""

    dictionaries: ClassVar[bool] = False
    """Whether writers take dictionary arrays where their schema has the type of the values."""

    skips_rows: bool = False
    """Set by the engine where rows that do not fit are left out: no sample may end in an error for one."""

    wanted: Mapping[str, pa.DataType] = MappingProxyType({})
    """Set by the engine: what the table takes that rows are added to, by column (``TypedSink``)."""

    beside: Callable[[str], bytes] | None = None
    """Set by the engine where files are read: the content of another file of the store, by its path.

    For small ones that a file refers to. Raises NotFoundError, and ConfigError for one that is elsewhere.
    """

    typed: bool = True
    """Whether files hold values that have types. Else they are texts: lists and objects become JSON, and the
    formats of a mapping say how dates are written.
    """

    @abstractmethod
    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        """The schema that every ``read`` of this file follows."""

    @abstractmethod
    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        """Cut the file into pieces of about ``target_bytes``; one piece where it cannot be cut."""

    @abstractmethod
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """Read one piece as batches of exactly ``schema``."""

    def read_encoded(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """As ``read``, for a writer that takes ``dictionaries``: a column may come as a dictionary array of
        its values, in some batches or in all. Here: ``read``.
        """
        return self.read(file, info, token, schema)

    def read_skipping(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema, skips: RowSkips
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """As ``read``; rows that would end it with a DataError are told to ``skips``. Here: ``read``."""
        return self.read(file, info, token, schema)

    @abstractmethod
    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        """Write a part (``joinable``) or the whole file to ``out``."""

    def for_path(self, path: str) -> FileFormat:
        """For writing ``path``, whose extension may decide something (``.csv.gz``). Here: itself."""
        return self

    def check(self, schema: pa.Schema) -> None:  # noqa: B027 - optional
        """Raise SchemaMismatchError where the format cannot hold a type. Called before any data."""

    def head(self, schema: pa.Schema) -> bytes:
        """What stands before the first part."""
        return b""

    def tail(self, schema: pa.Schema, parts: Sequence[Part]) -> bytes:
        """What stands behind the last part."""
        return b""

    def part_piece(self, parts: Sequence[Part], index: int) -> bytes | None:
        """The piece of the whole file that is exactly that part, as ``plan`` would name it.

        None: there is no such piece; the part is then read as a file of its own, between head and tail.
        """
        return None

    def part_rows(self, part: Part) -> int | None:
        """How many rows the file says that the part has, where the part's token tells."""
        return None

    def notes(self) -> Sequence[str]:
        """What the report should say about how files were read (for example: why one was not cut)."""
        return ()
