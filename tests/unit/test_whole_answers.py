"""What uvicorn writes in pieces leaves at once."""

from __future__ import annotations

import asyncio
from typing import cast

from crossdock_scheduler.service.whole_answers import Gathering


class Wire:
    """The transport below, as far as it is needed."""

    def __init__(self) -> None:
        self.said: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def close(self) -> None:
        self.said.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.said


def test_writes_of_one_turn_are_one() -> None:
    wire = Wire()

    async def serve() -> None:
        gathering = Gathering(cast("asyncio.Transport", wire))
        gathering.write(b"head ")
        gathering.write(b"body")
        assert wire.said == []
        await asyncio.sleep(0)
        gathering.write(b"next")
        gathering.close()
        assert gathering.is_closing()
        await asyncio.sleep(0)

    asyncio.run(serve())
    assert wire.said == [b"head body", b"next", "closed"]
