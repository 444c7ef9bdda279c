"""Write ``engine/crossdock/conversion/cultures.json`` from the CLDR, by babel.

    uv run --with babel==2.17.0 .ci/cultures.py

As .NET has the patterns: the short date has four digits of the year, the long date is the CLDR's full one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from babel import Locale

OUT = Path(__file__).parent.parent / "engine" / "crossdock" / "conversion" / "cultures.json"
CULTURES = """
af-ZA bg-BG ca-ES cs-CZ da-DK de-AT de-CH de-DE el-GR en-AU en-CA en-GB en-IE en-IN en-NZ en-US
en-ZA es-AR es-CL es-CO es-ES es-MX et-EE fi-FI fr-BE fr-CA fr-CH fr-FR hr-HR hu-HU id-ID is-IS
it-CH it-IT ja-JP ko-KR lt-LT lv-LV ms-MY nb-NO nl-BE nl-NL pl-PL pt-BR pt-PT ro-RO ru-RU sk-SK
sl-SI sr-Latn-RS sv-SE tr-TR uk-UA vi-VN zh-CN zh-TW
"""
TOKENS = {
    "y": "yyyy",
    "yy": "yyyy",
    "E": "ddd",
    "EEEE": "dddd",
    "cccc": "dddd",
    "a": "tt",
    "L": "M",
    "LL": "MM",
}


def dotnet(pattern: str) -> str:
    """A CLDR pattern as .NET writes it."""
    plain = re.sub(r"[\u00a0\u202f\u200f\u200e]", " ", pattern)
    out = []
    for token in re.finditer(r"'[^']*'|(?P<run>([A-Za-z])\2*)|.", plain):
        run = token["run"]
        out.append(TOKENS.get(run, run) if run else token[0])
    return " ".join("".join(out).split())


def culture(name: str) -> dict[str, object]:
    """What conversions need to know of one."""
    locale = Locale.parse(name, sep="-")
    months, days, halves = (
        locale.months["format"],
        locale.days["format"],
        locale.day_periods["format"]["abbreviated"],
    )
    symbols = locale.number_symbols["latn"]
    return {
        "decimal": symbols["decimal"],
        "group": symbols["group"],
        "short_date": dotnet(locale.date_formats["short"].pattern),
        "long_date": dotnet(locale.date_formats["full"].pattern),
        "short_time": dotnet(locale.time_formats["short"].pattern),
        "long_time": dotnet(locale.time_formats["medium"].pattern),
        "halves": [halves["am"], halves["pm"]],
        "months": [months["wide"][each] for each in range(1, 13)],
        "short_months": [months["abbreviated"][each] for each in range(1, 13)],
        "days": [days["wide"][each] for each in range(7)],
        "short_days": [days["abbreviated"][each] for each in range(7)],
    }


if __name__ == "__main__":
    found = {name: culture(name) for name in CULTURES.split()}
    lines = (f"{json.dumps(name)}: {json.dumps(found[name], ensure_ascii=False)}" for name in found)
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
