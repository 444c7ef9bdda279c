"""Clients of the Blob API as commands: ``python -m perf.rig.blob_peers CLIENT WHAT URL FILE MIB``.

CLIENT and WHAT: ``sdk up|down|disk|upload_blob|small`` (azure-storage-blob in 4 threads) and
``obstore up|down|disk``. FILE is what is uploaded (for ``small`` a folder) or written.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .bare_http import BLOCK, THREADS
from .nginx import ACCOUNT, KEY

_PEERS: dict[str, Callable[[str, str, int], None]] = {}


def _peer(work: Callable[[str, str, int], None]) -> Callable[[str, str, int], None]:
    _PEERS[work.__name__] = work
    return work


def _blob(url: str, container: str, name: str):  # type: ignore[no-untyped-def]
    from azure.core.pipeline.transport import RequestsTransport
    from azure.storage.blob import BlobClient

    return BlobClient(
        url, container, name,
        credential={"account_name": ACCOUNT, "account_key": KEY},
        transport=RequestsTransport(connection_verify=os.environ["SSL_CERT_FILE"]),
        max_single_put_size=BLOCK, max_block_size=BLOCK, max_single_get_size=BLOCK, max_chunk_get_size=BLOCK,
    )  # fmt: skip


def _threads(work: Callable[[int], object], count: int) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(count)))


@_peer
def sdk_up(url: str, file: str, mib: int) -> None:
    """``stage_block`` of the same bytes again and again."""
    blob, data = _blob(url, "files", "big"), bytes(BLOCK)
    _threads(lambda number: blob.stage_block(f"{number:08d}", data, length=BLOCK), mib // 8)


@_peer
def sdk_upload_blob(url: str, file: str, mib: int) -> None:
    with Path(file).open("rb") as source:
        _blob(url, "files", "big").upload_blob(source, overwrite=True, max_concurrency=8, length=mib << 20)


@_peer
def sdk_down(url: str, file: str, mib: int) -> None:
    """Ranges of one block; each is one request."""
    blob = _blob(url, "files", "big")
    _threads(lambda number: blob.download_blob(number * BLOCK, BLOCK).readall(), mib // 8)


@_peer
def sdk_disk(url: str, file: str, mib: int) -> None:
    with Path(file).open("wb") as sink:
        _blob(url, "files", "big").download_blob(max_concurrency=THREADS).readinto(sink)


@_peer
def sdk_small(url: str, file: str, mib: int) -> None:
    """One client for all, as its documentation advises for speed."""
    from azure.core.pipeline.transport import RequestsTransport
    from azure.storage.blob import ContainerClient

    credential = {"account_name": ACCOUNT, "account_key": KEY}
    transport = RequestsTransport(connection_verify=os.environ["SSL_CERT_FILE"])
    paths = sorted(Path(file).iterdir())
    with ContainerClient(url, "upload", credential=credential, transport=transport) as container:
        _threads(lambda n: container.upload_blob(paths[n].name, paths[n].read_bytes()), len(paths))


def _store(url: str):  # type: ignore[no-untyped-def]
    from obstore.store import AzureStore

    # It takes no CA of one's own.
    options = {"allow_invalid_certificates": True}
    return AzureStore("files", account_name=ACCOUNT, account_key=KEY, endpoint=url, client_options=options)


@_peer
def obstore_up(url: str, file: str, mib: int) -> None:
    import obstore

    obstore.put(_store(url), "big", Path(file), chunk_size=BLOCK, max_concurrency=8)


@_peer
def obstore_down(url: str, file: str, mib: int) -> None:
    import obstore

    store = _store(url)
    _threads(lambda n: obstore.get_range(store, "big", start=n * BLOCK, length=BLOCK), mib // 8)


@_peer
def obstore_disk(url: str, file: str, mib: int) -> None:
    import obstore

    store = _store(url)
    fd = os.open(file, os.O_CREAT | os.O_WRONLY)

    def one(number: int) -> None:
        os.pwrite(fd, obstore.get_range(store, "big", start=number * BLOCK, length=BLOCK), number * BLOCK)

    _threads(one, mib // 8)
    os.close(fd)


if __name__ == "__main__":
    ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])  # a clear error where it is missing
    _PEERS[f"{sys.argv[1]}_{sys.argv[2]}"](sys.argv[3], sys.argv[4], int(sys.argv[5]))
