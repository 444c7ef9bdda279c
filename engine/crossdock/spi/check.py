"""What a check of the machine answers."""

from __future__ import annotations

from typing import Literal

from .record import record


@record(slots=True)
class Check:
    """What ``crossdock doctor`` says of one thing; the hook ``crossdock_checks`` of a plugin gives them.

    ``name`` is a word, ``message`` what was found, ``advice`` what to do where the state is not ``ok``. A
    ``warning`` is what some copies can do without; what ``failed`` hinders every copy that needs the thing.
    None of the texts has a secret.
    """

    name: str
    state: Literal["ok", "warning", "failed"]
    message: str
    advice: str = ""
