"""What becomes of the ticks of schedule triggers that were missed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Missed(StrEnum):
    """Which of them are run."""

    LATEST = "latest"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Misfires:
    """``run`` those of the last ``within`` seconds."""

    run: Missed = Missed.LATEST
    within: float = 24 * 3600.0
