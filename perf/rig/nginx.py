"""A blob endpoint at nearly wire speed: nginx with TLS 1.3 on loopback, one worker.

It answers every PUT with 201 and the headers of the Blob API and keeps nothing of it; below
``/account/files/`` it serves files for ranged GETs. Needs Debian's nginx and
libnginx-mod-http-headers-more-filter.
"""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "account"
KEY = "Y3Jvc3Nkb2NrIHJpZyBhY2NvdW50IGtleSwgbm90IGEgc2VjcmV0"

_MODULE = "ngx_http_headers_more_filter_module.so"
_PACKAGES = ("nginx-light", "libnginx-mod-http-headers-more-filter")

# ``return`` answers before the body has come and then throws it away, as cheaply as nginx can.
_CONFIG = """
load_module {modules}/{module};
{user}
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    tcp_nodelay on;
    map $http_x_ms_range $range {{ "" $http_range; default $http_x_ms_range; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv1.3;
        root {folder}/root;
        default_type application/octet-stream;
        more_set_headers "x-ms-version: 2021-12-02" "x-ms-request-id: 0" "Server: Windows-Azure-Blob/1.0";
        location /{account}/ {{
            if ($request_method = PUT) {{
                more_set_headers 'ETag: "0x8DC0000000000"' "x-ms-request-server-encrypted: true";
                return 201;
            }}
            if ($request_method = DELETE) {{ return 202; }}
            if ($arg_comp = list) {{ rewrite ^ /empty.xml last; }}
            more_set_input_headers "Range: $range";
            more_set_headers "x-ms-blob-type: BlockBlob";
        }}
        location = /empty.xml {{ internal; }}
    }}
}}
"""
_EMPTY = (
    '<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs /><NextMarker /></EnumerationResults>'
)


@dataclass(frozen=True)
class Rig:
    """Where nginx listens and who signed its certificate. Put files to serve into ``files``."""

    port: int
    ca: Path
    files: Path

    @property
    def url(self) -> str:
        """The account's address, in the path style of emulators."""
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def nginx() -> Iterator[Rig]:
    """Start nginx in a folder of its own; stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="crossdock-rig-") as name:
        folder, port = Path(name), free_port()
        files = folder / "root" / ACCOUNT / "files"
        files.mkdir(parents=True)
        (folder / "root" / "empty.xml").write_text(_EMPTY)
        ca = _certificates(folder)
        user = "user root;" if getpass.getuser() == "root" else ""
        program, modules = installed()
        config = _CONFIG.format(
            folder=folder, port=port, user=user, account=ACCOUNT, modules=modules, module=_MODULE
        )
        (folder / "nginx.conf").write_text(config)
        command = [program, "-p", name, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        child = subprocess.Popen(command)
        try:
            _wait(port, child, folder)
            yield Rig(port, ca, files)
        finally:
            child.terminate()
            child.wait(10)


def installed() -> tuple[str, Path]:
    """nginx and the folder of its modules; root gets them from Debian. Raises RuntimeError."""
    found = _found()
    apt = shutil.which("apt-get")
    if found is None and getpass.getuser() == "root" and apt:
        print(f"  installing {' '.join(_PACKAGES)}", file=sys.stderr)
        subprocess.run([apt, "update", "-qq"], check=False, timeout=300)
        command = [apt, "install", "-qq", "-y", "--no-install-recommends", *_PACKAGES]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=600)
        found = _found()
    if found is None:
        raise RuntimeError(f"the rig needs nginx with headers-more: apt-get install {' '.join(_PACKAGES)}")
    return found


def _found() -> tuple[str, Path] | None:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        return None
    built = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stderr
    named = re.search(r"--modules-path=(\S+)", built)
    modules = Path(named[1] if named else "/usr/lib/nginx/modules")
    return (program, modules) if (modules / _MODULE).exists() else None


def _certificates(folder: Path) -> Path:
    import trustme

    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    server.private_key_pem.write_to_path(folder / "server.key")
    server.cert_chain_pems[0].write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "ca.pem"


def _wait(port: int, child: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(100):
        if child.poll() is not None:
            log = folder / "error.log"
            raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else 'no log'}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx does not listen")
