"""Binary has a spec and no code: bytes are carried as they are."""

from __future__ import annotations

from crossdock.contract import SpecContract
from crossdock_connectors.formats.binary import SPEC


class TestBinary(SpecContract):
    spec = SPEC
