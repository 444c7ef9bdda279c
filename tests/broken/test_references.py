"""The correct connectors that broken ones vary pass every check; the template's do where they are made."""

from __future__ import annotations

import broken_loaders
import broken_memory
from sample_place import OnSample

from crossdock.contract import TableContract


class TestLoadingTable(OnSample, TableContract):
    """The template's table with the ability to load staged files by itself."""

    spec = broken_loaders.LOADING


class TestRememberingTable(OnSample, TableContract):
    """The template's table that knows what a run has committed."""

    spec = broken_memory.REMEMBERING
