"""``examples/crossdock-obstore`` on the requests of ``blob_store``: another client behind the contract.

``python -m perf.rig.obstore_plugin up|down|disk|small URL CA AMOUNT [FILE]``
"""

from __future__ import annotations

import sys

from crossdock import Location, ObjectStore

from ..measure import ROOT
from .blob_store import main
from .nginx import ACCOUNT, KEY

sys.path.insert(0, str(ROOT / "examples" / "crossdock-obstore"))


def opened(url: str, ca: str, container: str) -> ObjectStore:
    from crossdock_obstore import SPEC, open_store

    options = {"endpoint": url, "account_name": ACCOUNT, "account_key": KEY, "ca_bundle": ca}
    return open_store(SPEC.config.model_validate(options), Location.parse(f"obstore+az://{container}"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:], opened=opened)
