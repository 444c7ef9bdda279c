"""The conformance kit: what every connector must pass. For connector authors; needs pytest.

Write one test module: subclass ``StoreContract``, ``TableContract`` or ``FormatContract``, set
``spec``, override the fixture ``url`` (a fresh, empty location per test) and every check runs::

    class TestShelf(TableContract):
        spec = SPEC

        @pytest.fixture
        def url(self, tmp_path):
            return f"shelf://{tmp_path}"

Abilities are checked in both directions: what is declared works, what is not declared fails with
the documented error. A check that cannot hold is named in ``exempt`` with a reason; it is run
all the same, and fails the kit once it passes.
"""

from __future__ import annotations

from pkgutil import iter_modules

import pytest

# Before the modules are imported, so that a failing check shows its values.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in iter_modules(__path__)))

# ruff: noqa: E402 - what is imported below is to be rewritten.
from .base import Contract
from .format import FormatContract
from .spec_checks import SpecContract, check_spec
from .store import StoreContract
from .table import TableContract

__all__ = ["Contract", "FormatContract", "SpecContract", "StoreContract", "TableContract", "check_spec"]
