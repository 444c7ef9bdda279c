"""How many workers carry most: decided from what was measured, acted on elsewhere (``tuning``).

A hill is climbed. A size is measured until its rate is known well enough; then more workers are tried, and
kept where they carry more by a margin that noise does not make; else it goes back, and fewer are tried. When
nothing is left to try it has settled: it looks again later, each time after a longer while, and at once when
the rate is another. What more workers cannot help with ends the climb: cores that are all busy, workers that
wait for memory, a server that throttles, splits that run out. A server that throttles, and memory that
becomes scarce, are answered at once.
"""

from __future__ import annotations

from math import ceil, inf, sqrt

from .spi.record import record

FEWEST = 5
"""Samples of a window: two sizes are compared by them, and by how they scatter."""
NOISE = 0.06
"""Relative standard error at which a rate is known well enough."""
PATIENCE = 3.0
"""Seconds after which twice that will do, then three times."""
LONGEST = 10.0
"""Seconds after which a window ends however its samples scatter."""
MARGIN = 0.05
"""What more workers have to gain to be kept."""
SURE = 1.5
"""Standard errors by which two rates have to differ."""
SAME = 0.02
"""So much slower is as fast, where fewer do it: they spare memory and connections."""
COMES = (0.1, 3.0)
"""Seconds that a change of size takes to be felt, at least and at most."""
LATE = 1.0
"""Complaints of a server that come so long after a change are about the new size."""
HOLD = (10.0, 300.0)
"""Seconds until a settled size is tried again: the first time, and at most."""
DRIFT = 0.3
_DRIFTS = 5  # windows in a row that say so
WAITING = 0.1  # share of the workers' time
SCARCE = 0.06  # share of the memory that is free
_UP, _DOWN = 1, -1


@record(slots=True)
class Sample:
    """What is counted at a moment; ``at`` in seconds of a clock that only goes forward.

    ``moved``: bytes finished and in flight. ``working``: workers that carry something now. ``starved``: those
    for whom there is nothing to do. ``memory_waits``: seconds that all workers together have waited for
    memory. ``throttled``: calls that a server has refused. ``used``: CPU seconds of the process, ``idle``:
    those in which cores of the machine had nothing to do. ``room``: share of the memory that is free.
    """

    at: float
    moved: int
    working: int
    starved: int = 0
    memory_waits: float = 0.0
    throttled: int = 0
    used: float = 0.0
    idle: float = inf
    room: float = 1.0


@record(slots=True)
class Decision:
    """At that time so many workers became so many, and why; ``rate`` (bytes a second) was measured before, 0
    where nothing was yet.
    """

    at: float
    before: int
    after: int
    why: str
    rate: float


class _Window:
    """Samples of one size. ``noise`` is the standard error of the rate, relative to it."""

    def __init__(self, first: Sample) -> None:
        self.first = self.last = first
        self._rates: list[float] = []

    def add(self, sample: Sample) -> None:
        if (passed := sample.at - self.last.at) > 0:
            self._rates.append((sample.moved - self.last.moved) / passed)
            self.last = sample

    @property
    def seconds(self) -> float:
        return self.last.at - self.first.at

    @property
    def rate(self) -> float:
        return (self.last.moved - self.first.moved) / max(self.seconds, 1e-9)

    @property
    def noise(self) -> float:
        count, rate = len(self._rates), self.rate
        if count < FEWEST or rate <= 0:
            return inf
        scatter = sum((each - rate) ** 2 for each in self._rates) / (count - 1)
        return sqrt(scatter / count) / rate


@record(slots=True)
class _Base:
    """What a size that is tried is compared with."""

    size: int
    rate: float
    noise: float


class Tuner:
    """``size`` workers shall work. ``look`` at samples of equal distance, ten a second, say.

    ``settled``: when it first had nothing left to try, None before.
    """

    def __init__(self, first: int, most: int, cores: float) -> None:
        self.size, self.most, self.cores = min(first, most), most, cores
        self.decisions: list[Decision] = []
        self.settled: float | None = None
        self._window: _Window | None = None
        self._changed: float | None = None
        self._seen = 0  # refused calls, until the last sample
        self._base: _Base | None = None
        self._tried: set[int] = set()
        self._step, self._best, self._rate = 2.0, 0.0, 0.0
        self._ceiling, self._clean = most, 0
        self._hold, self._due = HOLD[0], inf
        self._held, self._drifted, self._starved = 0.0, 0, 0.0

    def look(self, sample: Sample) -> int:
        """The size from now on."""
        refused, self._seen = sample.throttled > self._seen, sample.throttled
        if self._changed is None:
            self._changed = sample.at
        elif sample.room < SCARCE and self.size > 1 and self._window is not None:
            self._ceiling = max(1, self.size // 2)
            self._back_off(sample, self._ceiling, "memory is scarce")
        elif self._window is None:
            self._wait(sample, refused)
        elif refused:
            self._throttled(sample)
        elif sample.starved:
            self._without_work(sample)
        else:
            self._starved = 0.0
            self._window.add(sample)
            if self._known(self._window):
                self._judge(self._window)
        return self.size

    # -- measuring --------------------------------------------------------------------------------

    def _wait(self, sample: Sample, refused: bool) -> None:
        """Until a change is felt: workers come, or leave when they have ended what they carry."""
        passed = sample.at - (self._changed or 0.0)
        if refused and passed > LATE:
            self._throttled(sample)
        elif (passed >= COMES[0] and sample.working == self.size) or passed >= COMES[1]:
            self._window = _Window(sample)

    def _known(self, window: _Window) -> bool:
        if (noise := window.noise) == inf:
            return window.seconds >= LONGEST
        base = self._base
        # What is much better or worse is known sooner.
        if base and abs(window.rate / base.rate - 1) > 3 * sqrt(noise**2 + base.noise**2):
            return True
        # At first, where it scatters much, what is known after a while has to do. Later there is time.
        enough = NOISE * (1 + window.seconds / PATIENCE) if self.settled is None else NOISE / 2
        return noise <= enough or window.seconds >= LONGEST

    def _without_work(self, sample: Sample) -> None:
        """A moment of that says nothing; where it lasts, more workers than there is work for do not help."""
        self._starved = self._starved or sample.at
        self._window = _Window(sample)
        if sample.at - self._starved > LATE and self._base is not None and self._base.size < self.size:
            self._ceiling = max(1, min(self.size - sample.starved, self.size - 1))
            self._back_off(sample, self._base.size, "there is no work for more")

    # -- deciding ---------------------------------------------------------------------------------

    def _judge(self, window: _Window) -> None:
        """The rate of this size is known."""
        self._window = _Window(window.last)
        if window.rate <= 0:
            return
        self._clean, self._rate = max(self._clean, self.size), window.rate
        base = self._base
        if base is None:
            if self._due < inf and not self._again(window):
                return
            self._choose(window)
            return
        self._base = None
        direction = _UP if self.size > base.size else _DOWN
        if self._is_better(window, base):
            # Where it came from is known to be no better.
            self._tried = {-direction}
            self._best = max(self._best, window.rate)
            self._choose(window)
        else:
            self._tried.add(direction)
            lost = 1 - window.rate / base.rate
            change = f"{abs(lost):.0%} {'slower' if lost > 0 else 'faster only'}"
            self._resize(window.last, base.size, f"back: {change}", window.rate)

    def _is_better(self, window: _Window, base: _Base) -> bool:
        gain = window.rate / base.rate - 1
        if gain > max(MARGIN, SURE * sqrt(window.noise**2 + base.noise**2)):
            return True
        as_good = window.rate >= (1 - SAME) * max(self._best, base.rate)
        return self.size < base.size and as_good and window.noise <= 2 * NOISE

    def _choose(self, window: _Window) -> None:
        """What is tried next, from a size whose rate is known."""
        waited = window.last.memory_waits - window.first.memory_waits
        waiting = waited / max(window.seconds * self.size, 1e-9)
        self._best = max(self._best, window.rate)
        if waiting > WAITING:
            self._ceiling = max(1, min(self.size, round(self.size * (1 - waiting))))
            if self._ceiling < self.size:
                self._back_off(window.last, self._ceiling, "workers wait for memory")
                return
        more, fewer = self._more(window), self._fewer(window)
        if more > self.size and _UP not in self._tried:
            self._try(window, more)
        elif fewer < self.size and _DOWN not in self._tried:
            self._try(window, fewer)
        else:
            self._settle(window)

    def _more(self, window: _Window) -> int:
        if self._is_busy(window):
            return self.size
        if self._ceiling >= self.most:
            return min(self.most, max(self.size + 1, int(self.size * self._step)))
        # Something is known to be too much: half-way to it, while that is worth a try.
        middle = (self.size + self._ceiling + 1) // 2
        return middle if middle - self.size > MARGIN * self.size else self.size

    def _fewer(self, window: _Window) -> int:
        fewer = min(self.size - 1, ceil(self.size / self._step))
        if self._is_busy(window):
            # On cores without time left one computes while another waits: the rest are in each other's way.
            fewer = min(fewer, max(1, round(2 * self.cores)))
        used = (window.last.used - window.first.used) / max(window.seconds, 1e-9)
        # One worker hardly keeps more than one core busy.
        return fewer if fewer >= max(1.0, used - 0.25) else self.size

    def _is_busy(self, window: _Window) -> bool:
        """Whether the cores that there are have no time left, much of it for this process."""
        all_of_them = max(window.seconds, 1e-9) * self.cores
        used = window.last.used - window.first.used
        idle = window.last.idle - window.first.idle if window.first.idle < inf else inf
        return used > 0.9 * all_of_them or (idle < 0.1 * all_of_them and used > 0.4 * all_of_them)

    def _try(self, window: _Window, size: int) -> None:
        self._base = _Base(self.size, window.rate, window.noise)
        self._due = inf
        what = "more" if size > self.size else "fewer"
        self._resize(window.last, size, f"trying {what}", window.rate)

    def _settle(self, window: _Window) -> None:
        now = window.last.at
        if self.settled is None:
            self.settled = now
            busy = ": the processor is busy" if self._is_busy(window) else ""
            self.decisions.append(Decision(now, self.size, self.size, f"settled{busy}", window.rate))
        self._held, self._drifted = window.rate, 0
        self._due = now + self._hold
        self._hold = min(HOLD[1], 2 * self._hold)

    def _again(self, window: _Window) -> bool:
        """Whether a size that has settled is to be tried anew: it is time, or the rate is another."""
        other = abs(window.rate / self._held - 1) > max(DRIFT, 3 * window.noise)
        self._drifted = self._drifted + 1 if other else 0
        drifted = self._drifted >= _DRIFTS
        if not drifted and window.last.at < self._due:
            return False
        self._step = 2.0 if drifted else 1.5
        if drifted:
            self._hold = HOLD[0]
        self._tried, self._best, self._ceiling, self._clean = set(), 0.0, self.most, self.size
        return True

    # -- backing off ------------------------------------------------------------------------------

    def _throttled(self, sample: Sample) -> None:
        """To the largest size that no server has complained about; where none is known, to half."""
        base, size = self._base, self.size
        if base is not None and base.size < size:
            fewer = base.size
        elif self._clean < size:
            fewer = self._clean or size // 2
        else:
            fewer = size * 3 // 4
        fewer = max(1, fewer)
        self._clean = min(self._clean, fewer)
        self._ceiling = max(1, size - 1)
        self._tried.discard(_UP)
        if fewer < size:
            self._back_off(sample, fewer, "a server throttles")
        else:
            self._window = _Window(sample)

    def _back_off(self, sample: Sample, size: int, why: str) -> None:
        self._base, self._due = None, inf
        rate = self._window.rate if self._window is not None else 0.0
        self._resize(sample, size, why, rate or self._rate)

    def _resize(self, sample: Sample, size: int, why: str, rate: float) -> None:
        if size != self.size:
            self.decisions.append(Decision(sample.at, self.size, size, why, rate))
        self.size, self._window, self._changed = size, None, sample.at
