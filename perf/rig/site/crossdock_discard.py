"""``discard://``: a store that takes everything and keeps nothing, so that only the source is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossdock import (
    Block,
    Capabilities,
    ConnectorConfig,
    ConnectorSpec,
    Location,
    NotFoundError,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    UploadRequest,
    WriteMode,
    hookimpl,
)


class Discard(ObjectStore):
    """Blocks vanish; nothing is ever there."""

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        return iter(())

    def stat(self, path: str) -> ObjectInfo:
        raise NotFoundError(f"{path} was discarded")

    def open_read(self, path: str, info: ObjectInfo | None = None) -> ObjectReader:
        raise NotFoundError(f"{path} was discarded")

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        return b"discard"

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        """Nothing is kept."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        """Nothing becomes visible."""

    def abort(self, upload: bytes) -> None:
        """Nothing is staged."""

    def delete(self, path: str) -> None:
        """Nothing is there."""


def _open(config: ConnectorConfig, location: Location) -> Discard:
    return Discard()


@hookimpl
def crossdock_connectors() -> list[ConnectorSpec]:
    return [
        ConnectorSpec(
            name="discard",
            summary="A store that keeps nothing",
            kind="store",
            schemes=("discard",),
            capabilities=Capabilities(
                write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}), visibility="per_object"
            ),
            open_store=_open,
        )
    ]
