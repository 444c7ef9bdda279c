"""A node's agent whose clock is off by as many seconds as the file ``skew`` says.

Run as ``python skewed_node.py node start``, as ``python -m crossdock`` is.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from crossdock.__main__ import main

_REAL = time.time


def skewed() -> float:
    said = Path(os.environ["CROSSDOCK_HOME"], "skew")
    return _REAL() + (float(said.read_text()) if said.exists() else 0.0)


if __name__ == "__main__":
    time.time = skewed
    main()
