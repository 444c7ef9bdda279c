"""The durable queue of jobs: claimed under a lease with a fencing epoch, by one node at a time."""

from .claims import Claimed, Claimer, Held, Lost, claim, finish, renew
from .jobs import Job, NewJob, cancel, enqueue, find
from .sweep import end_later_than, go_on_until, sweep

__all__ = [
    "Claimed",
    "Claimer",
    "Held",
    "Job",
    "Lost",
    "NewJob",
    "cancel",
    "claim",
    "end_later_than",
    "enqueue",
    "find",
    "finish",
    "go_on_until",
    "renew",
    "sweep",
]
