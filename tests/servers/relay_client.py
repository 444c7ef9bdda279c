"""A node's end of the relay, for tests that say themselves what the node answers.

It runs in an event loop of its own: OpenSSL lets no two threads use one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from anyio.from_thread import BlockingPortal, start_blocking_portal
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .service import ServiceProcess


@dataclass(frozen=True)
class RelayClient:
    """Blocking calls. They raise ConnectionClosed once it is."""

    portal: BlockingPortal
    socket: ClientConnection

    def recv(self) -> str:
        async def receive() -> str:
            return str(await asyncio.wait_for(self.socket.recv(), 60))

        return self.portal.call(receive)

    def send(self, text: str) -> None:
        self.portal.call(self.socket.send, text)

    def close(self) -> None:
        self.portal.call(self.socket.close)

    def __iter__(self) -> Iterator[str]:
        """Until it is closed."""
        while True:
            try:
                yield self.recv()
            except ConnectionClosed:
                return


@contextmanager
def relay(server: ServiceProcess, token: str) -> Iterator[RelayClient]:
    """Raises InvalidStatus where the service refuses it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = server.url.replace("https", "wss", 1) + "/crossdock/v1/nodes/relay"

    async def opened() -> ClientConnection:
        return await connect(
            address, ssl=server.tls(), additional_headers=headers, open_timeout=60, proxy=None
        )

    with start_blocking_portal() as portal:
        found = RelayClient(portal, portal.call(opened))
        try:
            yield found
        finally:
            found.close()
