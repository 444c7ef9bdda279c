"""Paths into nested values: ``$['a']['b']``, ``$.a.b``, ``$.list[0]``, ``$.list[*].b``."""

from __future__ import annotations

import re

from ..errors import ConfigError

Step = str | int
ANY = -1
"""The step ``[*]``: of any item of a list, the first that has what follows."""
_STEP = re.compile(
    r"""\s*(?:\[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\] | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]
    | \[\s*(?P<index>[0-9]{1,9}|\*)\s*\] | \.?(?P<name>[^.\[\]'"$*\s][^.\[\]'"*]*))""",
    re.VERBOSE,
)


def parse_path(text: str) -> tuple[bool, list[Step]]:
    """Whether a path begins at the root, and its steps: names and, from 0, places in a list, or ``ANY``.

    Raises ConfigError.
    """
    rest = text.strip().removesuffix("[*]")
    rooted = rest.startswith("$")
    at, steps = int(rooted), list[Step]()
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None or not found[0].strip() or found["name"] == "":
            raise ConfigError(
                f"the path {text!r} cannot be read at {rest[at:][:20]!r}; a path is $['name']['name'], "
                "with [0] for an item of a list"
            )
        if found["index"] is not None:
            steps.append(ANY if found["index"] == "*" else int(found["index"]))
        elif found["name"] is not None:
            steps.append(found["name"].strip())
        else:
            quoted = found["single"] if found["single"] is not None else found["double"]
            steps.append(re.sub(r"\\(.)", r"\1", quoted))
        at = found.end()
    return rooted, steps
