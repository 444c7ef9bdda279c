"""Whether this process may still decide what becomes of a group of runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError


class Superseded(Exception):
    """Another process drives the run now: this one must stop, and may save nothing."""


@dataclass(slots=True)
class Hold:
    """``lost``: somebody goes on with the runs later, and their jobs are left alone."""

    lost: bool = False

    @contextmanager
    def needed(self) -> Iterator[None]:
        """What fails inside for want of the database, or of the right to it, loses the hold.

        Known before anything is cancelled because of it: whoever is cancelled otherwise ends its job.
        """
        try:
            yield
        except (SQLAlchemyError, Superseded):
            self.lost = True
            raise
