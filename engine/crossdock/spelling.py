"""Options under Data Factory's names: ``wildcardFileName`` is ``wildcard_file_name``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .errors import ConfigError

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake_case(options: Mapping[str, str] | None) -> dict[str, str]:
    """The same, the names in snake_case. Raises ConfigError for one that is given in two spellings."""
    found: dict[str, str] = {}
    for name, value in (options or {}).items():
        key = _HUMP.sub("_", name).lower()
        if key in found:
            raise ConfigError(f"the option {key} is given twice, the second time as {name}")
        found[key] = value
    return found
