"""What the commands of one invocation share: how to answer, how much to say, and where to."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import InternalError
from ..redact import redacted

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Wide enough that no line of a piped table or message is ever folded.
_UNFOLDED = 100_000


class Output(StrEnum):
    """The two ways to answer."""

    TEXT = "text"
    JSON = "json"


def one_line(text: str) -> str:
    """``text`` on one line, with control and bidi characters escaped: a file's name may hold anything."""
    return printable(re.sub(r"\s*[\r\n]\s*", " ", text.strip()))


def printable(line: str) -> str:
    """A line as it is, with what could drive a terminal escaped."""
    return "".join(c if c.isprintable() or c == "\xa0" else ascii(c)[1:-1] for c in line)


def console_on(stream: TextIO) -> Console:
    """A console that interprets nothing in what it prints, and does not fold lines unless a person reads."""
    from rich.console import Console

    width = None if stream.isatty() else _UNFOLDED
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=True)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        why = f"the answer cannot be written to standard output: {error.strerror}"
        raise InternalError(why) from error


@dataclass(eq=False, repr=False)
class Session:
    """One invocation of the command line. ``command`` names it in an error object."""

    command: str = ""
    output: Output = Output.TEXT
    verbose: bool = False

    @cached_property
    def out(self) -> Console:
        return console_on(sys.stdout)

    @cached_property
    def err(self) -> Console:
        return console_on(sys.stderr)

    @property
    def json(self) -> bool:
        return self.output is Output.JSON

    def show(self, value: RenderableType) -> None:
        """Print a result for people on stdout."""
        plain = getattr(value, "plain", value)  # a text with styles
        with _answering():
            if isinstance(plain, str) and not sys.stdout.isatty():
                sys.stdout.write(f"{plain}\n")  # rich, which takes long to import, would do the same
            else:
                # Nothing is cropped: what does not fit and may not be folded is for the terminal to continue.
                self.out.print(value, soft_wrap=isinstance(value, str), crop=False)

    def show_json(self, value: dict[str, Any]) -> None:
        """Print the one JSON object of this invocation on stdout."""
        indent = 2 if sys.stdout.isatty() else None
        with _answering():
            sys.stdout.write(json.dumps(value, indent=indent, default=str) + "\n")

    def flush(self) -> None:
        """Have the whole answer written. InternalError where it cannot be."""
        with _answering():
            sys.stdout.flush()

    def say(self, sentence: str, style: str = "") -> None:
        """Print one line on stderr, without secrets. It is never folded when stderr is not a terminal."""
        self.tell(f"crossdock: {one_line(redacted(sentence))}", style)

    def tell(self, text: str, style: str = "") -> None:
        """Print ``text`` on stderr as it is; where nobody can be told, the command goes on as if it were."""
        with suppress(OSError):
            if sys.stderr.isatty():
                self.err.print(text, style=style or None, soft_wrap=True)
            else:
                sys.stderr.write(f"{text}\n")

    def be_verbose(self) -> None:
        """Show crossdock's log on stderr, above the live progress."""
        if not self.verbose:
            logger = logging.getLogger("crossdock")
            logger.addHandler(_ConsoleHandler(self))
            logger.setLevel(logging.DEBUG)
        self.verbose = True


class _ConsoleHandler(logging.Handler):
    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        self._session.say(f"{record.levelname.lower()}: {record.getMessage()}", style="dim")
