"""Azure Data Lake Storage Gen2: accounts with a hierarchical namespace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock import Location

from . import blob

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation

    from .address import Place
    from .adls_store import AdlsStore
    from .adls_upload import Stage
    from .config import AdlsConfig
    from .wire import Service


def _config() -> type[AdlsConfig]:
    from .config import AdlsConfig  # imports pydantic

    return AdlsConfig


def _open(config: AdlsConfig, location: Location) -> AdlsStore:
    from .address import place
    from .adls_append import AppendStage
    from .adls_store import AdlsStore
    from .adls_upload import BlobStage
    from .auth import signer
    from .blob_store import BlobStore
    from .checksum import Sealed
    from .wire import Wire

    where = place(config, location, "dfs")
    signs = signer(config, where.service.account, where.service.host, where.sas)
    wire = Wire(where.service, signs, config)
    there = replace(where, service=_blob_service(config, where))
    blob_wire = Wire(there.service, signs, config)
    blobs = BlobStore(blob_wire, there, server_copy=config.server_copy, checksum=config.checksum)
    stage: Stage
    if config.upload_through == "dfs":
        stage = AppendStage(wire, where, Sealed(wire, config.checksum))
    else:
        stage = BlobStage(blobs, Sealed(blob_wire, config.checksum))
    return AdlsStore(wire, where, blobs, stage)


def _blob_service(config: AdlsConfig, where: Place) -> Service:
    from .wire import service_of

    if config.blob_endpoint:
        return service_of(config.blob_endpoint, where.service.account)
    return replace(where.service, host=where.service.host.replace(".dfs.", ".blob.", 1))


# Staged data is private to a run here; but what another run committed meanwhile is not replaced.
def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .from_adf import of_lake

    return of_lake(end)


SPEC = replace(
    blob.SPEC,
    name="adls",
    summary="Azure Data Lake Storage Gen2",
    config=_config,
    schemes=("abfss", "https", "http"),
    hosts=("*.dfs.*",),
    adf_types=(
        "AzureBlobFS",
        "AzureBlobFSLocation",
        "AzureBlobFSReadSettings",
        "AzureBlobFSWriteSettings",
        "AzureBlobFSFile",
        "AzureBlobFSSource",
        "AzureBlobFSSink",
    ),
    open_store=_open,
    from_adf=_from_adf,
    # What stands before the @ of an address is the file system.
    secrets=replace(blob.SPEC.secrets, user=False),
    example="crossdock copy data/ abfss://landing@contoso.dfs.core.windows.net/data/",
)
