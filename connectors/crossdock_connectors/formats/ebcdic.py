"""EBCDIC code pages that Python lacks: IBM870 and those with a euro sign for more countries than one.

Each is CP1140 but for some characters, as IBM's tables have them; two hexadecimal digits stand before each.
"""

from __future__ import annotations

import codecs
import encodings.cp1140
from functools import cache
from typing import Any

_OTHERS = {
    "cp870": "44ţ 46ă 47č 49ć 4a[ 4f! 52ę 54ů 57ľ 58ĺ 5a] 5f^ 64˝ 66Ă 67Č 69Ć 6a| 70ˇ 72Ę 74Ů 77Ľ 78Ĺ "
    "80˘ 8aś 8bň 8cđ 8eř 8fş 9ał 9bń 9cš 9e˛ 9f¤ a0ą aaŚ abŇ acĐ aeŘ afŞ b0· b1Ą b2ż b3Ţ b4Ż "  # noqa: RUF001 - an accent
    "b6ž b7ź b8Ž b9Ź baŁ bbŃ bcŠ cdŕ cfő daĚ dbű ddť dfě eaď edŔ efŐ faĎ fbŰ fdŤ",
    "cp1141": "43{ 4aÄ 4f! 59~ 5aÜ 5f^ 63[ 6aö 7c§ a1ß b0¢ b5@ ba¬ bb| c0ä cc¦ d0ü dc} e0Ö ec\\ fc]",
    "cp1142": "47} 4a# 4f! 5a€ 5bÅ 5f^ 67$ 6aø 70¦ 7bÆ 7cØ 80@ 9c{ 9e[ 9f] a1ü b0¢ ba¬ bb| c0æ d0å dc~",
    "cp1143": "43{ 47} 4a§ 4f! 51` 5a€ 5bÅ 5f^ 63# 67$ 6aö 71\\ 79é 7bÄ 7cÖ 9f] a1ü b0¢ b5[ ba¬ bb| c0ä "
    "cc¦ d0å dc~ e0É ec@",
    "cp1144": "44{ 48\\ 4a° 4f! 51] 54} 58~ 5aé 5f^ 6aò 79ù 7b£ 7c§ 90[ a1ì b0¢ b1# b5@ ba¬ bb| c0à cd¦ "
    "d0è dd` e0ç",
    "cp1145": "49¦ 4a[ 5a] 69# 6añ 7bÑ a1¨ b0¢ ba^ bb! bd~",
    "cp1146": "4a$ 5b£ a1¯ b0¢ b1[ ba^ bc~",
    "cp1147": "44@ 48\\ 4a° 4f! 51{ 54} 5a§ 5f^ 6aù 79µ 7b£ 7cà 90[ a0` a1¨ b0¢ b1# b5] ba¬ bb| bd~ c0é "
    "d0è dd¦ e0ç",
    "cp1148": "4a[ 4f! 5a] 5f^ b0¢ ba¬ bb|",
    "cp1149": "4aÞ 4f! 5aÆ 5fÖ 79ð 7cÐ 8c` 8e{ 9c} 9e] a1ö ac@ ae[ b0¢ ba¬ bb| be\\ c0þ cc~ d0æ e0´ ec^",  # noqa: RUF001 - an accent
}


@cache
def _codec(name: str) -> codecs.CodecInfo | None:
    if name not in _OTHERS:
        return None
    characters = list(encodings.cp1140.decoding_table)
    for each in _OTHERS[name].split(" "):
        characters[int(each[:2], 16)] = each[2:]
    decoding = "".join(characters)
    encoding = codecs.charmap_build(decoding)

    class Encoder(codecs.IncrementalEncoder):
        def encode(self, text: str, final: bool = False) -> bytes:
            return codecs.charmap_encode(text, self.errors, encoding)[0]

    class Decoder(codecs.IncrementalDecoder):
        def decode(self, data: Any, final: bool = False) -> str:
            return codecs.charmap_decode(bytes(data), self.errors, decoding)[0]

    return codecs.CodecInfo(
        lambda text, errors="strict": codecs.charmap_encode(text, errors, encoding),
        lambda data, errors="strict": codecs.charmap_decode(data, errors, decoding),
        incrementalencoder=Encoder,
        incrementaldecoder=Decoder,
        name=name,
    )


codecs.register(_codec)
