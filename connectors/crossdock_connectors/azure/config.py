"""Options of Azure Storage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from crossdock_connectors.entra import EntraOptions


class AzureConfig(EntraOptions):
    """Options of every Azure Storage connector."""

    account: str | None = Field(
        default=None, description="Name of the storage account; default: AZURE_STORAGE_ACCOUNT"
    )
    endpoint: str | None = Field(
        default=None,
        description="Address of the service where it is not ACCOUNT.blob.core.windows.net: a sovereign "
        "cloud, a private endpoint, Azurite (https://127.0.0.1:10000/devstoreaccount1)",
    )
    auth: Literal["auto", "key", "sas", "entra", "anonymous"] = Field(
        default="auto",
        description="How to sign in; auto: the first of key, SAS and connection string that is given or "
        "set in the environment, else Entra ID",
    )
    account_key: SecretStr | None = Field(
        default=None, description="Key of the account; default: AZURE_STORAGE_KEY"
    )
    sas_token: SecretStr | None = Field(
        default=None, description="Shared access signature; default: AZURE_STORAGE_SAS_TOKEN, or in the URL"
    )
    sas_token_file: str | None = Field(
        default=None,
        description="File with the shared access signature, read again before that runs out: for one that "
        "somebody renews there",
    )
    connection_string: SecretStr | None = Field(
        default=None, description="Connection string; default: AZURE_STORAGE_CONNECTION_STRING"
    )
    ca_bundle: str | None = Field(
        default=None,
        description="File of CA certificates to trust instead of the system's, also for signing in; default: "
        "SSL_CERT_FILE",
    )
    proxy: SecretStr | None = Field(
        default=None,
        description="HTTP proxy, http://user:password@host:port, also for signing in; default: HTTPS_PROXY; "
        "empty for none",
    )
    no_proxy: str | None = Field(
        default=None,
        description="Hosts, domains and networks to reach without the proxy, by comma; default: NO_PROXY",
    )
    allow_http: bool = Field(
        default=False, description="Send data and credentials unencrypted if the endpoint says http://"
    )
    connect_timeout: float = Field(default=20, gt=0, description="Seconds to wait for a connection")
    read_timeout: float = Field(default=60, gt=0, description="Seconds to wait for the service to go on")


class BlobConfig(AzureConfig):
    """Options of Azure Blob Storage."""

    server_copy: bool = Field(
        default=True,
        description="Let the service fetch from another blob by itself; false where it cannot reach the "
        "source (a private endpoint, an emulator)",
    )
    checksum: Literal["auto", "crc64", "md5"] = Field(
        default="auto",
        description="Checksum of each request with data, which the service compares; auto: CRC-64, else MD5",
    )


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
