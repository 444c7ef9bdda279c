"""A sweep as one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape

from .advice import Advice

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>crossdock bench sweep</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }}
svg {{ width: 100%; height: auto }}
pre {{ overflow-x: auto; background: #f6f6f6; padding: 1rem }}
</style>
<h1>{title}</h1>
<p><strong>{setting}</strong>, confidence {confidence:.0%}</p>
<p>{limit}: {reason}</p>
<p>{next}: {how}</p>
{svg}
<pre>{figures}</pre>
</html>
"""


def page(advice: Advice, drawing: str, text: str) -> str:
    """``drawing`` is the ``<svg>`` element, ``text`` the figures in words."""
    return _PAGE.format(
        title="What to give this copy",
        setting=escape(advice.setting.label()),
        confidence=advice.confidence,
        limit=escape(advice.limit),
        reason=escape(advice.reason),
        next=escape(advice.next),
        how=escape(advice.how),
        svg=drawing,
        figures=escape(text),
    )
