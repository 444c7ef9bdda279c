"""Makes the example connector importable: it is the correct table that the broken ones vary."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "arrowdir"))
