"""What becomes of the ticks of schedule triggers that were missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Misfires:
    """What becomes of ticks that were missed, those of the last ``within`` seconds at most."""

    run: Literal["latest", "all", "none"] = "latest"
    within: float = 24 * 3600.0
