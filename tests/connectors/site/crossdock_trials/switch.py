"""When a connector fails and how, as its options say; and a record of what it was asked to do."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import Field

from crossdock import (
    AccessDeniedError,
    AuthError,
    ConnectorConfig,
    CrossdockError,
    DataError,
    Location,
    NoSpaceError,
    NotFoundError,
    SourceChangedError,
    StageLostError,
    ThrottledError,
    TransientError,
)


class DriverError(Exception):
    """What a driver raises. ``classify`` knows ``login``, ``busy`` and ``bad value``."""


_ERRORS: dict[str, CrossdockError] = {
    "login": AuthError("the login failed"),
    "bad value": DataError("a value does not convert"),
}


def classify(error: BaseException) -> CrossdockError | None:
    if isinstance(error, DriverError):
        if error.args[0] == "busy":
            return ThrottledError("the server is busy", retry_after=0.01)
        return _ERRORS.get(error.args[0])
    return None


class TrialConfig(ConnectorConfig):
    """Options of every connector here."""

    record: str = Field("", description="folder for the record and the counts of failures")
    fail: str = Field("", description="where:how, for example read:busy; see Switch")
    fail_split: int = Field(-1, description="only in the split of this index")
    fail_unit: str = Field("", description="only in the unit of this name")
    fail_after: int = Field(0, description="after so many batches of the split")
    fail_skip: int = Field(0, description="not the first so many times")
    fail_times: int = Field(1, description="how often; 0 is always")
    telling: bool = Field(False, description="whether errors repeat the password and the address")
    slow: float = Field(0, description="seconds that every batch takes")


class Switch:
    """Fails at one place: with an error by name, with a driver's message, by exit, kill, hang or wait."""

    def __init__(self, config: TrialConfig, location: Location | None = None) -> None:
        self._config = config
        password = getattr(config, "password", None)
        said = f"{password.get_secret_value() if password else ''} {location.url if location else ''}"
        self._said = said if config.telling else ""
        self._folder = Path(config.record) if config.record else None
        self._where, _, self._how = config.fail.partition(":")
        self.woken = threading.Event()

    def note(self, event: str, **facts: Any) -> None:
        """Add a line to the record; whole lines from any number of processes."""
        if self._folder is not None:
            line = json.dumps({"event": event, "pid": os.getpid(), "at": time.monotonic(), **facts}) + "\n"
            fd = os.open(self._folder / "record.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(fd, line.encode())
            finally:
                os.close(fd)

    def __call__(self, where: str, unit: str = "", split: int = -1, batch: int = 0) -> None:
        """Fail here, if it is the time and place."""
        config = self._config
        if config.slow and where in ("batch", "take"):
            time.sleep(config.slow)
        if where != self._where or batch < config.fail_after:
            return
        if config.fail_split not in (-1, split) or config.fail_unit not in ("", unit):
            return
        if config.fail_skip and self._counted("passed", config.fail_skip):
            return
        if not config.fail_times or self._counted("failed", config.fail_times):
            self.note("failed", where=where, unit=unit, split=split)
            if self._how == "wait":
                # As a driver does whose connection another thread cancels.
                self.woken.wait(600)
                raise DriverError("the call was cancelled")
            _fail(self._how, self._said)

    def _counted(self, what: str, times: int) -> bool:
        """Whether this is one of the first ``times``, over all processes."""
        assert self._folder is not None, "counting failures needs the option record"
        for number in range(times):
            try:
                (self._folder / f"{what}-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False


def _fail(how: str, said: str) -> None:
    raised: dict[str, BaseException] = {
        "RuntimeError": RuntimeError(f"unknown trouble\nin two lines{said}"),
        "SystemExit": SystemExit(3),
        "transient": TransientError(f"try again{said}", retry_after=0.01),
        "later": TransientError(f"try again later{said}", retry_after=0.5),
        "lost": StageLostError(f"the stage is gone{said}"),
        "missing": NotFoundError(f"it does not exist{said}"),
        "changed": SourceChangedError(f"it is another version{said}"),
        "full": NoSpaceError(f"the sink is full{said}"),
        "forbidden": AccessDeniedError(f"nobody may read it{said}"),
    }
    if how == "exit":
        os._exit(9)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        time.sleep(600)
    raise raised.get(how) or (DriverError(how, said) if said else DriverError(how))
