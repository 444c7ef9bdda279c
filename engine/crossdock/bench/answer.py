"""What a sweep answers as JSON, which a later sweep can be held against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from ..credentials import public_url
from ..errors import ConfigError
from ..machine import cores, memory
from .advice import Advice, Usage
from .settings import WORDS, Dimension, Setting
from .sweep import Findings, Point, Series

VERSION = 1


def as_json(found: Findings, advice: Advice) -> dict[str, Any]:
    """The JSON object of ``crossdock bench sweep --output json``; shares are from 0 to 1."""
    return {
        "status": "Succeeded",
        "version": VERSION,
        "source": public_url(found.copy.source),
        "sink": public_url(found.copy.sink),
        "machine": {"cores": cores(), "memory": memory()},
        "runs": found.runs,
        "series": [_series(series) for series in found.series],
        "leftOut": [_setting(each) | {"reason": str(why)} for each, why in found.left_out.items()],
        "recommendation": _setting(advice.setting)
        | {
            "limit": advice.limit,
            "reason": advice.reason,
            "next": advice.next,
            "how": advice.how,
            "confidence": round(advice.confidence, 3),
            "remarks": list(advice.remarks),
        },
    }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "parallelCopies": "auto" if setting.parallel is None else setting.parallel,
        "blockSize": setting.block,
        "concurrentJobs": setting.jobs,
    }


def _series(series: Series) -> dict[str, Any]:
    return {
        "dimensions": [WORDS[each] for each in series.dimensions],
        "knee": _setting(series.chosen.setting),
        "fastest": _setting(series.best.setting),
        "tolerance": round(series.knee.tolerance, 4),
        "confidence": round(series.knee.confidence, 3),
        "rising": series.knee.rising,
        "points": [_point(point) for point in series.points],
    }


def _point(point: Point) -> dict[str, Any]:
    usage, samples = Usage.of(point.samples), point.samples
    rows = [each.rows / each.seconds for each in samples if each.rows and each.seconds]
    return _setting(point.setting) | {
        "bytesPerSecond": round(median(each.amount / max(each.seconds, 0.001) for each in samples)),
        "rowsPerSecond": round(median(rows)) if rows else None,
        "usedParallelCopies": max(each.parallel for each in samples),
        "cpu": round(usage.cpu, 3),
        "machine": None if usage.machine is None else round(usage.machine, 3),
        "peakMemory": usage.memory,
        "freeMemory": round(usage.free, 3),
        "waiting": {reason: round(share, 3) for reason, share in usage.waiting.items()},
        "throttled": usage.throttled,
        "seconds": [round(each.seconds, 3) for each in samples],
        "rates": [round(each.rate, 1) for each in samples],
    }


def confirmed(found: Findings, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Whether what an earlier sweep recommends is as fast as the fastest here, along each dimension.

    But for the tolerance of whichever sweep was less certain. ``confirmed`` is None where nothing
    of it was measured again.
    """
    kept = earlier["recommendation"]
    compared = []
    for series in found.series:
        here = [point for point in series.choices if _same(point.setting, kept, series.dimensions)]
        if here:
            share = here[0].rate / series.best.rate
            tolerance = max(series.knee.tolerance, _tolerance(earlier, series))
            compared.append(
                {
                    "dimensions": [WORDS[each] for each in series.dimensions],
                    "recommended": series.chosen.setting.label(series.dimensions),
                    "earlier": here[0].setting.label(series.dimensions),
                    "shareOfFastest": round(share, 3),
                    "confirmed": share >= 1 - tolerance,
                }
            )
    verdict = all(each["confirmed"] for each in compared) if compared else None
    return {"confirmed": verdict, "compared": compared}


def _tolerance(earlier: Mapping[str, Any], series: Series) -> float:
    """That of the earlier sweep along the same dimensions; 0 where it has none."""
    names = [WORDS[each] for each in series.dimensions]
    found = (each["tolerance"] for each in earlier["series"] if each["dimensions"] == names)
    return float(next(found, 0.0))


def _same(setting: Setting, kept: Mapping[str, Any], dimensions: tuple[Dimension, ...]) -> bool:
    there = _setting(setting)
    return all(there[WORDS[each]] == kept[WORDS[each]] for each in dimensions)


def read(path: Path) -> dict[str, Any]:
    """The answer of an earlier sweep. Raises ConfigError."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = found["version"] == VERSION and {*WORDS.values()} <= {*found["recommendation"]}
        known = known and all({"dimensions", "tolerance"} <= {*each} for each in found["series"])
    except OSError as error:
        raise ConfigError(f"--confirm {path}: it cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ConfigError(
            f"--confirm {path}: it is no answer of crossdock bench sweep --output json of this version"
        )
    return found
