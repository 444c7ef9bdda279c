"""A FileServer of Data Factory: a folder of this machine or of a mounted share."""

from __future__ import annotations

import os
from urllib.parse import quote

from crossdock import AdfComputed, AdfEnd, AdfSecret, AdfTranslation, WriteMode


def from_adf(end: AdfEnd) -> AdfTranslation:
    service = end.linked_service
    host = service.text("host")
    # Whoever runs this process has the rights that count.
    for name in ("userId", "password"):
        if name in service:
            service.refuse(name, "files are read and written as the user of this process", "note")
    service.ignore("encryptedCredential")
    if host.startswith("\\\\") and os.name != "nt":
        mounted = AdfSecret(f"the folder where {host} is mounted, in place of its host")
        return AdfTranslation("file:///computed/", secrets={"host": mounted}, mode=WriteMode.OVERWRITE)
    if not host:
        service.refuse("host", "there is no host; name a folder", "error")
        return AdfTranslation()
    if isinstance(host, AdfComputed):
        host = f"/{host}"
    folder = host.replace("\\", "/").rstrip("/") + "/"
    if end.side == "stage":
        below = end.dataset.inner("location").text("folderPath").strip("/")
        folder += f"{below}/" if below else ""
    return AdfTranslation(f"file://{quote(_rooted(folder))}", mode=WriteMode.OVERWRITE, folders=(folder,))


def _rooted(folder: str) -> str:
    """``C:/data/`` is ``/C:/data/`` in an address."""
    return folder if folder.startswith("/") else f"/{folder}"
