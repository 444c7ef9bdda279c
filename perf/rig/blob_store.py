"""Our store alone, without the engine, on the same requests as ``bare_http``: what the client itself costs.

``python -m perf.rig.blob_store up|down|disk|small URL CA AMOUNT [FILE]`` prints the line of ``bare_http``.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crossdock import Block, Location, ObjectStore, UploadRequest
from crossdock_connectors.azure.blob import SPEC

from .bare_http import BLOCK, SMALL, THREADS
from .nginx import ACCOUNT, KEY


def opened(url: str, ca: str, container: str) -> ObjectStore:
    options = {"endpoint": url, "account": ACCOUNT, "account_key": KEY, "ca_bundle": ca, "proxy": ""}
    assert SPEC.open_store is not None
    return SPEC.open_store(SPEC.config.model_validate(options), Location.parse(f"az://{container}"))


def _uploader(store: ObjectStore, fd: int) -> Callable[[range], None]:
    upload = store.open_upload("up", UploadRequest("run"))

    def work(numbers: range) -> None:
        data = memoryview(mmap.mmap(-1, BLOCK))
        for number in numbers:
            assert os.preadv(fd, [data], number * BLOCK) == BLOCK
            store.write_block(upload, Block(number, 1, 0, 0, BLOCK, number * BLOCK), data)

    return work


def _small(store: ObjectStore) -> Callable[[range], None]:
    def work(numbers: range) -> None:
        data = memoryview(bytearray(SMALL))
        for number in numbers:
            upload = store.open_upload(f"small/{number:08d}", UploadRequest("run", True, SMALL))
            store.put_whole(upload, data)  # type: ignore[attr-defined]

    return work


def _downloader(store: ObjectStore, fd: int | None = None) -> Callable[[range], None]:
    info = store.stat("big")

    def work(numbers: range) -> None:
        buffer = memoryview(bytearray(BLOCK))
        with store.open_read("big", info) as reader:
            for number in numbers:
                assert reader.read_into(number * BLOCK, buffer) == BLOCK
                if fd is not None:
                    os.pwrite(fd, buffer, number * BLOCK)

    return work


def timed(work: Callable[[range], None], count: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, [range(first, count, THREADS) for first in range(THREADS)]))
    return time.perf_counter() - wall, time.process_time() - cpu


def main(
    kind: str, url: str, ca: str, amount: int, file: str = "", *, opened: Callable[..., ObjectStore] = opened
) -> None:
    store = opened(url, ca, "upload" if kind in ("up", "small") else "files")
    if kind == "small":
        wall, cpu = timed(_small(store), amount)
        print(f"{amount / wall:.0f} files/s {cpu / amount * 1000:.2f} ms/file")
    elif kind == "disk":
        with tempfile.TemporaryDirectory() as folder:
            fd = os.open(Path(folder) / "big", os.O_CREAT | os.O_WRONLY)
            wall, cpu = timed(_downloader(store, fd), amount // 8)
            os.close(fd)
        print(f"{amount / wall:.0f} MiB/s {cpu / amount * 1024:.2f} s/GiB")
    else:
        work = _uploader(store, os.open(file, os.O_RDONLY)) if kind == "up" else _downloader(store)
        wall, cpu = timed(work, amount // 8)
        print(f"{amount / wall:.0f} MiB/s {cpu / amount * 1024:.2f} s/GiB")
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
