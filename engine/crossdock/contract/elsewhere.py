"""Running a function in a new process, as a resumed run or another machine would."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing.context import BaseContext
from pickle import PicklingError
from typing import Any

_LIMIT = 100.0


@cache
def _processes() -> BaseContext:
    """New processes from a server that has the imports done and has never seen the test's memory."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crossdock.contract.opening"])
    return context


def _live_in(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def elsewhere(function: Callable[..., Any], *args: object) -> Any:
    """Call ``function(*args)`` in a new process; returns its result or raises its exception.

    Nothing but the pickled arguments and the environment crosses. Spec factories are found by their module
    and name.
    """
    # The server keeps the environment that it began with, which is that of an earlier test.
    with ProcessPoolExecutor(
        1, mp_context=_processes(), initializer=_live_in, initargs=(dict(os.environ),)
    ) as pool:
        try:
            return pool.submit(function, *args).result(_LIMIT)
        except BrokenProcessPool as error:
            raise AssertionError("the other process died") from error
        except (PicklingError, AttributeError) as error:
            raise AssertionError(
                f"another process cannot find the connector: its factories must be module-level ({error})"
            ) from error
