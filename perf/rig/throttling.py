"""A Blob endpoint that takes so many calls at once, each for a while, and refuses all others with 503."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BUFFER = bytearray(1 << 20)


@contextmanager
def throttling(at_once: int, seconds: float) -> Iterator[str]:
    """The account's address. It keeps nothing of what is put there."""
    places = threading.Semaphore(at_once)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_PUT(self) -> None:
            place = places.acquire(blocking=False)
            left = int(self.headers.get("Content-Length") or 0)
            while left:
                left -= self.rfile.readinto(memoryview(_BUFFER)[: min(left, len(_BUFFER))])  # type: ignore[attr-defined]
            if place:
                time.sleep(seconds)
                places.release()
            self.send_response(201 if place else 503)
            self.send_header("ETag", '"0x8DC0000000000"')
            self.send_header("x-ms-request-server-encrypted", "true")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            body = b"<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>"
            found = "comp=list" in self.path
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_DELETE(self) -> None:
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/account"
        finally:
            server.shutdown()
            thread.join()
