"""Heartbeats of a node whose service does not answer one of them."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import httpx

from crossdock_scheduler.node.agent import Agent
from crossdock_scheduler.node.client import Client
from crossdock_scheduler.node.identity import Identity, Keys
from crossdock_scheduler.node.presence import Said
from crossdock_scheduler.node.vault import Vault
from crossdock_scheduler.wire import node as wire

ANSWER = wire.Beaten(lost=[], cancel=[], concurrent_jobs=1, vault=0, lease=4.0, heartbeat=0.5)


def test_one_that_is_not_answered_is_sent_again_within_the_lease(tmp_path: Path) -> None:
    """The way of the second one is lost: nothing is heard there any more, not even that it is closed."""
    came, ended = [0], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            came[0] += 1
            if came[0] == 2:
                ended.wait(60)
                return
            body = ANSWER.model_dump_json().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    async def beats(url: str) -> None:
        identity = Identity("id", "a", url, "f", "r", "g", 0.5, 4.0, "", Keys.of(tmp_path).signing)
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
            anyio.create_task_group() as group,
        ):
            agent = Agent(Client(http, identity), Vault.of(tmp_path, "g"), Said(1, 0.0))
            agent._relay.tried.set()
            group.start_soon(agent._beating, anyio.Event())
            with anyio.move_on_after(15):  # without a limit of its own it is waited for for 20 seconds
                while came[0] < 3:
                    await anyio.sleep(0.05)
            group.cancel_scope.cancel()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        anyio.run(beats, f"http://127.0.0.1:{server.server_port}")
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
    assert came[0] >= 3
