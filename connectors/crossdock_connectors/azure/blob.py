"""Azure Blob Storage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from crossdock import Capabilities, ConnectorSpec, CrossdockError, Location, Secrets, WriteMode

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation

    from .blob_store import BlobStore
    from .config import BlobConfig

MIB = 1 << 20
MAX_BLOCKS = 50_000
_VARIABLES = (
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
)
_SECRETS = Secrets(
    # A signature with all that it signs.
    query=("*",),
    environment=dict.fromkeys(("", "account_key", "sas_token", "connection_string"), _VARIABLES)
    | {"proxy": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")},
)


def _config() -> type[BlobConfig]:
    from .config import BlobConfig  # imports pydantic

    return BlobConfig


def _open(config: BlobConfig, location: Location) -> BlobStore:
    from .address import place
    from .auth import signer
    from .blob_store import BlobStore
    from .wire import Wire

    where = place(config, location)
    signs = signer(config, where.service.account, where.service.host, where.sas)
    wire = Wire(where.service, signs, config)
    return BlobStore(wire, where, server_copy=config.server_copy, checksum=config.checksum)


def _classify(error: BaseException) -> CrossdockError | None:
    from .errors import classify

    return classify(error)


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .from_adf import of_blob

    return of_blob(end)


SPEC = ConnectorSpec(
    name="azureblob",
    summary="Azure Blob Storage",
    kind="store",
    config=_config,
    schemes=("az", "https", "http"),
    hosts=("*.blob.*",),
    adf_types=(
        "AzureBlobStorage",
        "AzureBlobStorageLocation",
        "AzureBlobStorageReadSettings",
        "AzureBlobStorageWriteSettings",
        "AzureStorage",
        "AzureStorageSas",
        "AzureBlob",
        "BlobSource",
        "BlobSink",
    ),
    capabilities=Capabilities(
        write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}),
        visibility="per_object",
        private_staging=False,
        block_range=(1, 4000 * MIB),
        best_block=8 * MIB,
        parallel=12,
        max_blocks=MAX_BLOCKS,
        resume_window=timedelta(days=7),
        read_back="after_commit",
        fetched_by="https",
    ),
    open_store=_open,
    classify=_classify,
    from_adf=_from_adf,
    secrets=_SECRETS,
    example="crossdock copy data/ az://landing/data/ -k account=contoso",
    requires=("azure.storage.blob", "azure.identity", "azure.core"),
    extra="crossdock[azure]",
)
