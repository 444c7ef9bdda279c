"""The Python API: ``copy``, ``acopy``, ``resume`` and what ``crossdock runs`` needs."""

from __future__ import annotations

from collections.abc import Callable

from .report import Snapshot

Progress = Callable[[Snapshot], None]
