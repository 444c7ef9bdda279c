"""Nodes as far as a service can tell: one connection each, and no more CPU than HTTPS takes."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Line:
    """A connection of a node that has signed in with ``token``; ``taken``: seconds of each request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str
    token: str
    taken: list[float] = field(default_factory=list)

    async def post(self, path: str, message: bytes) -> bytes:
        """The body of the answer. Raises RuntimeError for one that is not 200."""
        head = (
            f"POST /crossdock/v1/nodes/{path} HTTP/1.1\r\nHost: {self.host}\r\nAccept: */*\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(message)}\r\n\r\n"
        )
        begun = time.perf_counter()
        self.writer.write(head.encode() + message)
        status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        body = await self.reader.readexactly(length)
        self.taken.append(time.perf_counter() - begun)
        if status.split()[1] != b"200":
            raise RuntimeError(f"{path}: {status.decode()} {body.decode()}")
        return body

    async def claim(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await self.post("claim", b'{"want": 1, "wait": 0}'))["jobs"]
        return found

    async def finish(self, job: dict[str, Any]) -> None:
        said = {"epoch": job["epoch"], "outcome": "succeeded", "result": {"output": {"rowsCopied": 1}}}
        await self.post(f"jobs/{job['id']}/finish", json.dumps(said).encode())

    async def beat(self) -> None:
        await self.post("heartbeat", b'{"version": "0.1.0", "vault": 1}')


@asynccontextmanager
async def lines(url: str, tls: ssl.SSLContext, tokens: list[str]) -> AsyncIterator[list[Line]]:
    """A line for each token."""
    address = urlsplit(url)
    async with AsyncExitStack() as stack:
        made = []
        for token in tokens:
            reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=tls)
            stack.callback(writer.close)
            made.append(Line(reader, writer, address.netloc, token))
        yield made
