"""Third-party connectors for the engine's tests: small, real, and failing on request.

``rows://`` generates rows; ``shelf://`` keeps tables in a folder; ``hooked://`` is a folder of files,
``moody://`` is a table that crashes, hangs or leaks,
``kept://`` one with attributes and ``limited://`` one behind a server that throttles.
The other names are the same with other capabilities.
"""

from __future__ import annotations

from dataclasses import replace

from crossdock import BulkLoad, Capabilities, ConnectorConfig, ConnectorSpec, WriteMode, hookimpl

from .files import HookedConfig, open_hooked
from .kept import open_kept
from .limited import LimitedConfig, open_limited
from .moody import SPEC as MOODY
from .rows import RowsConfig, open_rows
from .shelf import FetchingShelf, ShelfConfig, ShelfSink
from .switch import classify


@hookimpl
def crossdock_connectors() -> list[ConnectorSpec]:
    rows = ConnectorSpec(
        name="rows",
        summary="Rows made on the spot",
        kind="table",
        config=RowsConfig,
        schemes=("rows",),
        open_source=open_rows,
        classify=classify,
    )
    shelf = ConnectorSpec(
        name="shelf",
        summary="Tables in a folder",
        kind="table",
        config=ShelfConfig,
        schemes=("shelf",),
        capabilities=Capabilities(write_modes=frozenset(WriteMode), read_back="before_commit"),
        open_sink=ShelfSink,
        classify=classify,
    )
    late = replace(shelf.capabilities, read_back="after_commit")
    hooked = ConnectorSpec(
        name="hooked",
        summary="Files that vanish, change and break",
        kind="store",
        config=HookedConfig,
        schemes=("hooked",),
        capabilities=Capabilities(
            write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}),
            read_back="after_commit",
            block_range=(16, 64 << 20),
        ),
        open_store=open_hooked,
        classify=classify,
    )
    return [
        MOODY,
        rows,
        replace(rows, name="gilrows", schemes=("gilrows",), capabilities=Capabilities(gil_bound=True)),
        shelf,
        replace(shelf, name="lateshelf", schemes=("lateshelf",), capabilities=late),
        replace(
            shelf, name="blindshelf", schemes=("blindshelf",), capabilities=replace(late, read_back="no")
        ),
        replace(
            shelf,
            name="fetchingshelf",
            schemes=("fetchingshelf",),
            open_sink=FetchingShelf,
            capabilities=replace(
                shelf.capabilities, bulk_load=BulkLoad(frozenset({"parquet"}), frozenset({"file"}))
            ),
        ),
        hooked,
        replace(hooked, name="kept", schemes=("kept",), config=ConnectorConfig, open_store=open_kept),
        replace(
            hooked,
            name="limited",
            schemes=("limited",),
            config=LimitedConfig,
            open_store=open_limited,
            capabilities=replace(hooked.capabilities, parallel=3),
        ),
        replace(
            hooked,
            name="fewblocks",
            schemes=("fewblocks",),
            capabilities=replace(hooked.capabilities, block_range=(16, 1 << 20), max_blocks=4),
        ),
    ]
