"""A service that goes away while it is asked: what may be sent again is, and the rest is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from crossdock import TransientError, UnreachableError
from crossdock_scheduler.client.api import Api

BUSY = b'{"error": {"code": "ServiceUnavailable", "message": "It cannot reach its database now."}}'
DROPPED = 0
Script = list[int]


@pytest.fixture
def scripted() -> Iterator[Callable[[Script], tuple[Api, list[str]]]]:
    """A server that answers as a script says: a status, or 0 for a connection that is dropped."""
    servers: list[ThreadingHTTPServer] = []
    clients: list[httpx.Client] = []

    def start(script: Script) -> tuple[Api, list[str]]:
        seen: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                seen.append(f"{self.command} {self.headers['x-ms-client-request-id']}")
                status = script[len(seen) - 1]
                if status != DROPPED:
                    body = BUSY if status == 503 else b'{"value": 1}'
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                self.close_connection = True

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}"))
        return Api(clients[-1]), seen

    yield start
    for each in clients:
        each.close()
    for server in servers:
        server.shutdown()
        server.server_close()


def test_requests_are_sent_again_under_their_id(
    scripted: Callable[[Script], tuple[Api, list[str]]],
) -> None:
    api, seen = scripted([200, 503, DROPPED, 200])
    assert api.get("/x") == {"value": 1}
    assert api.post("/x/createRun") == {"value": 1}
    assert [each.split()[0] for each in seen] == ["GET", "POST", "POST", "POST"]
    assert len(set(seen)) == 2


def test_what_must_not_be_done_twice_is_sent_once(
    scripted: Callable[[Script], tuple[Api, list[str]]],
) -> None:
    api, seen = scripted([200, DROPPED])
    api.get("/x")
    with pytest.raises(TransientError, match="cannot be reached"):
        api.post("/x/regenerateAuthKey", again=False)
    assert len(seen) == 2


def test_a_service_that_never_answered_is_not_waited_for(
    scripted: Callable[[Script], tuple[Api, list[str]]],
) -> None:
    api, seen = scripted([DROPPED])
    with pytest.raises(UnreachableError):
        api.get("/x")
    assert len(seen) == 1


def test_patience_ends(scripted: Callable[[Script], tuple[Api, list[str]]]) -> None:
    api, _ = scripted([503] * 10)
    api.patience = 0.5
    with pytest.raises(TransientError, match="cannot serve now: It cannot reach its database"):
        api.get("/x")
