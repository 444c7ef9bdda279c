"""Azure Data Lake Storage Gen2: accounts with a hierarchical namespace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdock import Capabilities, ConnectorSpec, CrossdockError, Location, WriteMode

from .auth import SECRETS, signer
from .blob import MAX_BLOCKS, MIB, BlobConfig

if TYPE_CHECKING:
    from .address import Place
    from .adls_store import AdlsStore
    from .adls_upload import Stage
    from .wire import Service


class AdlsConfig(BlobConfig):
    """Options of ADLS Gen2."""

    account: str | None = Field(
        default=None, description="Name of the storage account; default: the first part of the address's host"
    )
    endpoint: str | None = Field(
        default=None,
        description="Address of the dfs endpoint where it is not the one of the URL: a private endpoint",
    )
    blob_endpoint: str | None = Field(
        default=None,
        description="Address of the account's blob endpoint; default: the dfs endpoint's with `blob` in "
        "place of `dfs`",
    )
    upload_through: Literal["blob", "dfs"] = Field(
        default="blob",
        description="Endpoint that data is sent to: blob takes blocks in any order; dfs (append and flush) "
        "needs no access to the blob endpoint, and joins files that are written in parts on this machine",
    )


def _open(config: AdlsConfig, location: Location) -> AdlsStore:
    from .address import place
    from .adls_append import AppendStage
    from .adls_store import AdlsStore
    from .adls_upload import BlobStage
    from .blob_store import BlobStore
    from .checksum import Sealed
    from .wire import Wire

    where = place(config, location, "dfs")
    signs = signer(config, where.service.account, where.sas)
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


def _classify(error: BaseException) -> CrossdockError | None:
    from .errors import classify

    return classify(error)


SPEC = ConnectorSpec(
    name="adls",
    summary="Azure Data Lake Storage Gen2",
    kind="store",
    config=AdlsConfig,
    schemes=("abfss", "https", "http"),
    hosts=("*.dfs.*",),
    adf_types=(
        "AzureBlobFS",
        "AzureBlobFSLocation",
        "AzureBlobFSReadSettings",
        "AzureBlobFSWriteSettings",
    ),
    capabilities=Capabilities(
        write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}),
        visibility="per_object",
        # Staged data is its own; but what another run committed meanwhile is not replaced.
        private_staging=False,
        block_range=(1, 4000 * MIB),
        best_block=8 * MIB,
        parallel=12,
        max_blocks=MAX_BLOCKS,
        resume_window=timedelta(days=7),
        read_back="after_commit",
    ),
    open_store=_open,
    classify=_classify,
    # What stands before the @ of an address is the file system.
    secrets=replace(SECRETS, user=False),
    example="crossdock copy data/ abfss://landing@contoso.dfs.core.windows.net/data/",
    requires=("azure.storage.blob", "azure.identity", "azure.core"),
    extra="crossdock[azure]",
)
