"""What the Blob scenarios need: nginx with the data below it, and how each peer is told where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import azcopy
from .data import DATA
from .nginx import ACCOUNT, KEY, nginx

# nginx looks at no signature; the peers want one that is complete.
SAS = "sv=2021-12-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&sig=bm9uZQ%3D%3D"
_SITE = Path(__file__).parent / "site"


@contextmanager
def served(values: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    """The server, for as long as the block lasts: values for the commands, and their environment."""
    with nginx() as rig:
        # Peers that look at what they have uploaded find these; nginx keeps nothing of it.
        for container, name in (("files", "big"), ("", "blobs")):
            if (DATA / name).exists():
                (rig.files.parent / container / name).symlink_to(DATA / name)
        environment = {
            "PYTHONPATH": f"{_SITE.parents[2]}:{_SITE}",
            "SSL_CERT_FILE": str(rig.ca),
            "AZURE_STORAGE_ACCOUNT": ACCOUNT,
            "AZURE_STORAGE_KEY": KEY,
            "AZCOPY_AUTO_LOGIN_TYPE": "",
            "AZCOPY_LOG_LOCATION": str(rig.ca.parent / "azcopy"),
            "AZCOPY_JOB_PLAN_LOCATION": str(rig.ca.parent / "azcopy"),
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CA_CERT": str(rig.ca),
            "RCLONE_AZUREBLOB_ACCOUNT": ACCOUNT,
            "RCLONE_AZUREBLOB_KEY": KEY,
            "RCLONE_AZUREBLOB_ENDPOINT": rig.url,
        }
        yield {**values, "url": rig.url, "ca": str(rig.ca), "sas": SAS, "azcopy": _azcopy()}, environment


def _azcopy() -> str:
    try:
        return str(azcopy.installed())
    except RuntimeError as error:
        print(f"  AzCopy is left out: {error}", file=sys.stderr)
        return "azcopy"
