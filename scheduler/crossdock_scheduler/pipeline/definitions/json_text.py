"""JSON as Data Factory's files have it: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from .findings import Finding, Place

_LARGEST = 64 << 20
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(path: Path, shown: str) -> tuple[dict[str, Any] | None, Finding | None]:
    """The object in the file, or what is wrong with it."""
    place, what = Place(shown), "holds no JSON object"
    try:
        if path.stat().st_size > _LARGEST:
            return None, _broken(f"is larger than {_LARGEST >> 20} MiB", place)
        text = path.read_bytes().decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_number)
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
        if isinstance(value, dict):
            return value, None
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        what = f"holds {half}, half of a character, without the other half"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        what, place = "is no UTF-8 text", Place(shown, line=line, column=column)
    except json.JSONDecodeError as error:
        what, place = f"is no JSON: {error.msg}", Place(shown, line=error.lineno, column=error.colno)
    except RecursionError:
        what = "is nested too deep"
    except _NoNumberError as error:
        what = f"holds {error}, which is no JSON"
    except ValueError:
        what = f"holds a number of more than {sys.get_int_max_str_digits():,} digits"
    return None, _broken(what, place)


class _NoNumberError(Exception):
    """NaN or Infinity, which Python's JSON has."""


def _no_number(name: str) -> None:
    raise _NoNumberError(name)


def _broken(what: str, place: Place) -> Finding:
    at = f" (line {place.line}, column {place.column})" if place.line else ""
    return Finding("error", "BrokenFile", f"{place.file} {what}{at}", place)
