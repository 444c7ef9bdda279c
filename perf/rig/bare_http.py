"""The limit: a bare ``http.client`` loop in threads, no signing, no engine.

``python -m perf.rig.bare_http up|down|disk|small URL CA AMOUNT [FILE]`` prints one line: MiB/s (files/s), CPU
seconds per GiB (CPU milliseconds per file). AMOUNT is in MiB, for ``small`` a count of 10 KiB files. What is
sent up is read from FILE, as everybody else does.
"""

from __future__ import annotations

import http.client
import mmap
import os
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

BLOCK = 8 << 20
SMALL = 10 << 10
THREADS = 4
Worker = Callable[[http.client.HTTPSConnection, str, range], None]


def upload(connection: http.client.HTTPSConnection, path: str, numbers: range, fd: int) -> None:
    body = memoryview(mmap.mmap(-1, BLOCK))
    for number in numbers:
        assert os.preadv(fd, [body], number * BLOCK) == BLOCK
        connection.request("PUT", f"{path}/up?comp=block&blockid={number:08d}", body)
        with connection.getresponse() as response:
            response.read()
            assert response.status == 201, response.status


def small(connection: http.client.HTTPSConnection, path: str, numbers: range) -> None:
    body = bytes(SMALL)
    for number in numbers:
        connection.request("PUT", f"{path}/small/{number:08d}", body, {"x-ms-blob-type": "BlockBlob"})
        with connection.getresponse() as response:
            response.read()
            assert response.status == 201, response.status


def download(
    connection: http.client.HTTPSConnection, path: str, numbers: range, fd: int | None = None
) -> None:
    buffer = memoryview(bytearray(BLOCK))
    for number in numbers:
        start = number * BLOCK
        connection.request(
            "GET", f"{path}/files/big", headers={"x-ms-range": f"bytes={start}-{start + BLOCK - 1}"}
        )
        with connection.getresponse() as response:
            assert response.status == 206, response.status
            done = 0
            while done < BLOCK:
                got = response.readinto(buffer[done:])
                assert got, "short body"
                done += got
        if fd is not None:
            os.pwrite(fd, buffer, start)


def run(work: Worker, url: str, ca: str, count: int) -> tuple[float, float]:
    """Do ``count`` requests in threads; returns seconds of wall time and of CPU."""
    address = urlsplit(url)
    context = ssl.create_default_context(cafile=ca)
    connections = [
        http.client.HTTPSConnection(address.hostname or "", address.port, context=context)
        for _ in range(THREADS)
    ]
    for connection in connections:
        connection.connect()
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        ranges = [range(first, count, THREADS) for first in range(THREADS)]
        list(pool.map(work, connections, [address.path] * THREADS, ranges))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for connection in connections:
        connection.close()
    return wall, cpu


def main(kind: str, url: str, ca: str, amount: int, file: str = "") -> None:
    if kind == "small":
        wall, cpu = run(small, url, ca, amount)
        print(f"{amount / wall:.0f} files/s {cpu / amount * 1000:.2f} ms/file")
        return
    blocks = amount // 8
    if kind == "disk":
        with tempfile.TemporaryDirectory() as folder:
            fd = os.open(Path(folder) / "big", os.O_CREAT | os.O_WRONLY)
            wall, cpu = run(lambda c, p, n: download(c, p, n, fd), url, ca, blocks)
            os.close(fd)
    elif kind == "up":
        fd = os.open(file, os.O_RDONLY)
        wall, cpu = run(lambda c, p, n: upload(c, p, n, fd), url, ca, blocks)
        os.close(fd)
    else:
        wall, cpu = run(download, url, ca, blocks)
    print(f"{amount / wall:.0f} MiB/s {cpu / amount * 1024:.2f} s/GiB")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
