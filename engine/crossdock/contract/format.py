"""FormatContract: what every FileFormat must do, whichever store the file is on."""

from __future__ import annotations

from .format_files import FileChecks
from .format_parts import PartChecks
from .format_skips import UnfitRowChecks
from .format_types import FormatTypeChecks


class FormatContract(FileChecks, PartChecks, FormatTypeChecks, UnfitRowChecks):
    """All checks of a format; set ``spec``, nothing else is needed.

    Set ``says_where_it_ends = False`` for a format whose files are complete wherever a row ends.
    """
