"""A node or a service whose machine's clock is off by as many seconds as the file ``skew`` says.

Run as ``python skewed.py node start``, as ``python -m crossdock`` is.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, tzinfo
from pathlib import Path

import jwt.api_jwt

from crossdock.__main__ import main

_REAL = time.time


def skewed() -> float:
    said = Path(os.environ["CROSSDOCK_HOME"], "skew")
    return _REAL() + (float(said.read_text()) if said.exists() else 0.0)


class Skewed(datetime):
    """PyJWT does not ask ``time``."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Skewed:
        return cls.fromtimestamp(skewed(), tz)


if __name__ == "__main__":
    time.time = skewed
    jwt.api_jwt.datetime = Skewed  # type: ignore[attr-defined,misc]
    main()
