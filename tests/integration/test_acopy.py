"""``acopy``: ``copy`` for async code."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import anyio
import pytest
from observing import Record, expected_rows, read_shelf

import crossdock
from crossdock import api

SLOW = {"slow": "0.05", "splits": "20"}


def test_a_copy(shelf: Path) -> None:
    result = asyncio.run(crossdock.acopy("rows://here", f"shelf://{shelf}", parallel_copies=2))
    assert (result.status, result.rows_copied, result.parallel_copies) == ("Succeeded", 1000, 2)
    assert read_shelf(shelf) == expected_rows(1000)


def test_several_at_once_and_the_loop_goes_on(tmp_path: Path) -> None:
    async def main() -> tuple[int, list[crossdock.CopyResult]]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        results = await asyncio.gather(
            *(
                crossdock.acopy("rows://here", f"shelf://{tmp_path}/{n}", source_options={"slow": "0.01"})
                for n in range(3)
            )
        )
        ticking.cancel()
        return ticks, results

    ticks, results = asyncio.run(main())
    assert len({result.run_id for result in results}) == 3
    assert ticks >= 5
    for number in range(3):
        assert read_shelf(tmp_path / str(number)) == expected_rows(1000)


@pytest.mark.parametrize(
    ("sink", "kind"), [("nowhere://x", crossdock.ConfigError), ("shelf", crossdock.InternalError)]
)
def test_errors_come_out_as_they_are(
    shelf: Path, source_record: Record, sink: str, kind: type[Exception]
) -> None:
    """Not within an exception group."""
    address = f"shelf://{shelf}" if sink == "shelf" else sink
    options = source_record.options | {"fail": "batch:RuntimeError"}
    with pytest.raises(kind) as caught:
        asyncio.run(crossdock.acopy("rows://here", address, source_options=options, run_id="r"))
    assert type(caught.value) is kind


async def _begun(record: Record) -> None:
    while record.count("finished") < 2:
        await anyio.sleep(0.01)


def test_cancelling_the_task_interrupts_the_run(shelf: Path, sink_record: Record) -> None:
    """When the task has ended the run has stopped, and can be resumed at once."""

    async def main() -> None:
        task = asyncio.create_task(
            crossdock.acopy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=SLOW,
                sink_options=sink_record.options,
                parallel_copies=2,
                run_id="r",
            )
        )
        await _begun(sink_record)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert api.show("r").state == "interrupted"

    asyncio.run(main())
    assert not any(thread.name.startswith("crossdock") for thread in threading.enumerate())
    done = sink_record.count("finished")
    assert 2 <= done < 20
    sink_record.clear()
    result = api.resume("r", source_options={"slow": "0"})
    assert (result.splits_skipped, sink_record.count("finished")) == (done, 20 - done)
    assert read_shelf(shelf) == expected_rows(1000)


def test_a_time_limit(shelf: Path) -> None:
    async def main() -> float:
        started = time.monotonic()
        with anyio.move_on_after(0.5) as limit:
            await crossdock.acopy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=SLOW | {"slow": "0.3"},
                parallel_copies=2,
                run_id="r",
            )
        assert limit.cancelled_caught
        return time.monotonic() - started

    assert anyio.run(main) < 5
    assert api.show("r").state == "interrupted"
    api.resume("r", source_options={"slow": "0"})
    assert read_shelf(shelf) == expected_rows(1000)


def test_an_event_of_the_callers(shelf: Path, sink_record: Record) -> None:
    cancel = threading.Event()

    async def main() -> None:
        async with anyio.create_task_group() as group:

            async def stop() -> None:
                await _begun(sink_record)
                cancel.set()

            group.start_soon(stop)
            with pytest.raises(crossdock.CancelledError) as caught:
                await crossdock.acopy(
                    "rows://here",
                    f"shelf://{shelf}",
                    source_options=SLOW,
                    sink_options=sink_record.options,
                    cancel=cancel,
                )
            assert caught.value.resumable

    asyncio.run(main())


def test_an_event_that_nobody_sets_stays_unset(shelf: Path) -> None:
    cancel = threading.Event()
    asyncio.run(crossdock.acopy("rows://here", f"shelf://{shelf}", cancel=cancel))
    assert not cancel.is_set()
