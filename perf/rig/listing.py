"""A blob endpoint that only lists: 100,000 blobs in ten folders, each page after a delay.

``python -m perf.rig.listing SECONDS`` prints the port that it listens on (plain HTTP) and serves.
"""

from __future__ import annotations

import sys
import time
from bisect import bisect_left, bisect_right
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

FOLDERS, EACH, PAGE = 10, 10_000, 5000
NAMES = [f"year={2015 + f}/part-{n:05d}.parquet" for f in range(FOLDERS) for n in range(EACH)]
_BLOB = (
    "<Blob><Name>{}</Name><Properties><Creation-Time>Sat, 21 Nov 2026 10:00:00 GMT</Creation-Time>"
    "<Last-Modified>Sat, 21 Nov 2026 10:00:00 GMT</Last-Modified><Etag>0x8DC0000000000</Etag>"
    "<Content-Length>1</Content-Length><Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType>"
    "<AccessTier>Hot</AccessTier><LeaseStatus>unlocked</LeaseStatus></Properties></Blob>"
)


@cache
def page(prefix: str, marker: int, folders: bool) -> bytes:
    if folders:
        names = sorted({name.partition("/")[0] for name in NAMES})
        items = [f"<BlobPrefix><Name>{name}/</Name></BlobPrefix>" for name in names]
        following = 0
    else:
        first, last = bisect_left(NAMES, prefix), bisect_right(NAMES, prefix + "\U0010ffff")
        stop = min(last, first + marker + PAGE)
        items = [_BLOB.format(name) for name in NAMES[first + marker : stop]]
        following = stop - first if stop < last else 0
    text = f"<EnumerationResults><Blobs>{''.join(items)}</Blobs><NextMarker>{following or ''}</NextMarker>"
    return f"{text}</EnumerationResults>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    delay = 0.0

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        body = page(query.get("prefix", ""), int(query.get("marker", 0)), "delimiter" in query)
        time.sleep(self.delay)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def main(delay: float) -> None:
    _Handler.delay = delay
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(float(sys.argv[1]))
