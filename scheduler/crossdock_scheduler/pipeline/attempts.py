"""An activity's ``policy``: how long, how often, and what of it is not to be seen."""

from __future__ import annotations

from dataclasses import dataclass

from crossdock import AdfProperties

_TWELVE_HOURS = 12 * 3600


@dataclass(frozen=True, slots=True)
class Attempts:
    """The activity's policy. ``timeout`` and ``wait`` are in seconds."""

    timeout: int = _TWELVE_HOURS
    retries: int = 0
    wait: int = 30
    secure_input: bool = False
    secure_output: bool = False


def attempts_of(policy: AdfProperties) -> Attempts:
    timeout = policy.seconds("timeout")
    return Attempts(
        _TWELVE_HOURS if timeout is None else timeout,
        max(policy.whole("retry") or 0, 0),
        30 if (wait := policy.whole("retryIntervalInSeconds")) is None else max(wait, 0),
        bool(policy.flag("secureInput")),
        bool(policy.flag("secureOutput")),
    )
