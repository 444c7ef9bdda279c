"""Child processes: the protocol, and a pool of real children with the built-in connectors."""

from __future__ import annotations

import inspect
import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from crossdock import (
    Attempt,
    CancelledError,
    CrossdockError,
    InternalError,
    PlanHint,
    Receipt,
    Target,
    ThrottledError,
    TransientError,
    WriteMode,
    errors,
    worker,
)
from crossdock.carry import Job
from crossdock.child_pool import ChildPool, _answers
from crossdock.digest_split import Digesting
from crossdock.error_wire import pack_error, unpack_error
from crossdock.mapping import ColumnMapping, compile_mapping, parse_map
from crossdock.meter import Worker
from crossdock.opening import open_sink, open_source
from crossdock.request import CopyRequest, Resolved
from crossdock.resolve import resolve

ALL_ERRORS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CrossdockError)
]


class TestProtocol:
    @pytest.mark.parametrize("kind", [kind for kind in ALL_ERRORS if kind is not CrossdockError])
    def test_errors_arrive_as_they_are(self, kind: type[CrossdockError]) -> None:
        error = kind("what\nhappened: ü", detail="more", hint="try this")
        error.side = "sink"
        packed = json.loads(json.dumps(pack_error(error)))
        again = unpack_error(packed)
        assert type(again) is kind
        assert (again.message, again.detail, again.hint, again.side) == (
            error.message,
            error.detail,
            error.hint,
            "sink",
        )

    def test_how_long_to_wait_arrives(self) -> None:
        again = unpack_error(pack_error(ThrottledError("x", retry_after=2.5)))
        assert isinstance(again, ThrottledError)
        assert again.retry_after == 2.5

    def test_a_code_that_nobody_knows(self) -> None:
        packed = pack_error(InternalError("x")) | {"code": "FromTheFuture"}
        assert type(unpack_error(packed)) is InternalError

    def test_half_a_line_is_no_answer(self) -> None:
        class Child:
            stdout = io.StringIO('{"progress": [1, 2]}\n{"receipt": ["abc", 1')

        assert list(_answers(Child())) == [{"progress": [1, 2]}]  # type: ignore[arg-type]


@pytest.fixture
def resolved(tmp_path: Path) -> Resolved:
    with (tmp_path / "a.csv").open("w") as out:
        out.write("id,word\n")
        out.writelines(f"{n},word {n}\n" for n in range(5000))
    return resolve(CopyRequest(source=str(tmp_path / "a.csv"), sink=str(tmp_path / "b.parquet")))


class Bench:
    """A copy of one split, in a pool of children."""

    def __init__(self, resolved: Resolved, columns: ColumnMapping | None = None) -> None:
        self.cancel = threading.Event()
        self.pool = ChildPool(resolved, columns, self.cancel)
        self.source, self.sink = open_source(resolved), open_sink(resolved)
        (page,) = self.source.units()
        self.unit = page.units[0]
        schema, self.apply = compile_mapping(self.source.schema(self.unit), columns, "a.csv")
        self.begun = self.sink.begin(self.unit, Target(WriteMode.ERROR, schema), "r")
        (self.split,) = self.source.plan(self.unit, PlanHint())
        self.schema = schema

    def job(self, **more: Any) -> Job:
        return Job(self.split, self.begun.handle, schema=self.schema, **more)

    def attempt(self, number: int = 1001, **more: Any) -> tuple[Receipt, str]:
        return self.pool.attempt(self.job(**more), Attempt("r", number), Worker())

    def children(self) -> list[Any]:
        return self.pool._all

    def close(self) -> None:
        self.pool.close()
        self.sink.cleanup(self.begun.handle)


@pytest.fixture
def bench(resolved: Resolved) -> Iterator[Bench]:
    with closing(Bench(resolved)) as bench:
        yield bench


class TestPool:
    def test_a_split(self, bench: Bench, tmp_path: Path) -> None:
        receipt, digest = bench.attempt()
        assert (receipt.rows, digest) == (5000, "")
        bench.sink.commit(bench.begun.handle, [(bench.split, receipt)])
        assert pq.read_table(tmp_path / "b.parquet")["id"].to_pylist() == list(range(5000))

    def test_mapping_and_digest_are_those_of_this_process(self, resolved: Resolved, tmp_path: Path) -> None:
        with closing(Bench(resolved, parse_map("word=w,id:string=id"))) as bench:
            receipt, digest = bench.attempt(digest=Digesting(bench.schema))
            bench.sink.commit(bench.begun.handle, [(bench.split, receipt)])
            expected = Digesting(bench.schema)()
            assert bench.apply is not None
            with bench.source.read(bench.split) as batches:
                for batch in batches:
                    expected.update(bench.apply(batch))
        assert digest == expected.text()
        assert pq.read_schema(tmp_path / "b.parquet").names == ["w", "id"]

    def test_children_are_used_again(self, bench: Bench) -> None:
        for number in range(1001, 1006):
            bench.attempt(number)
        assert len(bench.children()) == 1

    def test_one_for_each_worker(self, bench: Bench) -> None:
        results: list[Receipt] = []
        together = threading.Barrier(3)

        def work(number: int) -> None:
            together.wait()
            results.append(bench.attempt(number)[0])

        threads = [threading.Thread(target=work, args=(1001 + n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [receipt.rows for receipt in results] == [5000] * 3
        assert 1 <= len(bench.children()) <= 3

    def test_nothing_is_on_the_command_line(self, bench: Bench, tmp_path: Path) -> None:
        bench.attempt()
        arguments = bench.children()[0].args
        assert arguments[1:] == ["-m", "crossdock.worker"]

    @pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="the system shows no environment")
    def test_the_password_of_a_proxy_is_not_in_its_environment(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://u:canary@proxy.example:1")
        bench.attempt()
        shown = Path(f"/proc/{bench.children()[0].pid}/environ").read_bytes()
        assert b"PATH=" in shown
        assert b"canary" not in shown

    def test_a_dead_child_is_replaced(self, bench: Bench) -> None:
        bench.attempt()
        (child,) = bench.children()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert bench.attempt(1002)[0].rows == 5000
        assert len(bench.children()) == 2

    def test_one_that_is_killed_at_work(self, bench: Bench) -> None:
        """Between two answers; the attempt fails, the next one works."""
        asked = threading.Event()

        def kill(amount: int, worker: Worker) -> None:
            if not asked.is_set():
                asked.set()
                os.kill(bench.children()[0].pid, signal.SIGKILL)

        with pytest.raises(TransientError, match=r"the process that carried a\.csv ended with status -9"):
            bench.pool.attempt(bench.job(), Attempt("r", 1001), Worker(), kill)
        assert bench.attempt(1002)[0].rows == 5000

    def test_every_item_asks_before_it_passes(self, bench: Bench) -> None:
        asked: list[int] = []
        worker = Worker()
        bench.pool.attempt(bench.job(), Attempt("r", 1001), worker, lambda amount, _: asked.append(amount))
        assert sum(asked) == bench.split.length
        assert len(asked) >= 1

    def test_pacing_that_is_cancelled(self, bench: Bench) -> None:
        def stop(amount: int, worker: Worker) -> None:
            raise CancelledError("the run was interrupted")

        with pytest.raises(CancelledError):
            bench.pool.attempt(bench.job(), Attempt("r", 1001), Worker(), stop)
        assert bench.attempt(1002)[0].rows == 5000, "a late answer of the first is not taken for the second's"

    def test_errors_of_the_connector(self, bench: Bench, tmp_path: Path) -> None:
        os.utime(tmp_path / "a.csv", (1, 1))
        with pytest.raises(errors.SourceChangedError) as caught:
            bench.attempt()
        assert caught.value.side == "source"
        assert len(bench.children()) == 1

    def test_a_child_that_cannot_open_its_ends(self, resolved: Resolved) -> None:
        wrong = replace(resolved, sink=replace(resolved.sink, options={"sync": "perhaps"}))
        with closing(Bench(resolved)) as bench:
            bench.pool = ChildPool(wrong, None, bench.cancel)
            for number in (1001, 1002):
                with pytest.raises(errors.ConfigError, match="the option sync is not valid"):
                    bench.attempt(number)
            assert len(bench.children()) == 1, "it answers, it does not crash"

    def test_a_child_of_another_version(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """As the parent sees it, which was started before crossdock was replaced; and as the child does."""
        monkeypatch.setattr(worker, "PROTOCOL", 0)
        with pytest.raises(InternalError, match=r"replaced by another version.*protocol 4 and 0"):
            bench.attempt()
        monkeypatch.undo()
        with pytest.raises(InternalError, match=r"protocol none and 4"):
            worker._Child({"resolved": {}}, io.StringIO())

    def test_closing_ends_all(self, bench: Bench) -> None:
        bench.attempt()
        (child,) = bench.children()
        bench.pool.close()
        bench.pool.close()
        assert child.poll() is not None

    def test_cancelling_ends_a_child_at_work(self, bench: Bench) -> None:
        """However stuck it is: it could not end by itself."""

        def stuck(amount: int, worker: Worker) -> None:
            os.kill(bench.children()[0].pid, signal.SIGSTOP)
            bench.cancel.set()

        with pytest.raises(CancelledError):
            bench.pool.attempt(bench.job(), Attempt("r", 1001), Worker(), stuck)
        assert bench.children()[0].poll() == -signal.SIGKILL


def test_what_a_connector_prints_does_not_disturb(
    run_python: Callable[..., str], resolved: Resolved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard output belongs to the protocol; prints go to standard error. The proxy is known to it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://u:secret@proxy.example:1")
    (tmp_path / "noisy").mkdir()
    (tmp_path / "noisy" / "sitecustomize.py").write_text(
        "import sys\n"
        "if sys.orig_argv[-1] == 'crossdock.worker':\n"
        "    import crossdock_connectors.formats.delimited as d\n"
        "    old = d.SPEC.open_format\n"
        "    def loud(config):\n"
        "        import os\n"
        "        assert os.environ['HTTPS_PROXY'] == 'http://u:secret@proxy.example:1'\n"
        "        print('a line on standard output')\n"
        "        return old(config)\n"
        "    object.__setattr__(d.SPEC, 'open_format', loud)\n"
    )
    code = (
        "import sys, threading\n"
        "from crossdock import Attempt, PlanHint, Target, WriteMode\n"
        "from crossdock.carry import Job; from crossdock.meter import Worker\n"
        "from crossdock.request import Resolved\n"
        "from crossdock.opening import open_sink, open_source\n"
        "from crossdock.child_pool import ChildPool\n"
        f"resolved = Resolved.load({json.loads(json.dumps(resolved.dump()))!r})\n"
        "source, sink = open_source(resolved), open_sink(resolved)\n"
        "unit = next(source.units()).units[0]\n"
        "schema = source.schema(unit)\n"
        "begun = sink.begin(unit, Target(WriteMode.ERROR, schema), 'r')\n"
        "split = next(source.plan(unit, PlanHint()))\n"
        "pool = ChildPool(resolved, None, threading.Event())\n"
        "job = Job(split, begun.handle, schema=schema)\n"
        "print(pool.attempt(job, Attempt('r', 1001), Worker())[0].rows)\n"
        "pool.close()\n"
    )
    assert run_python(code, tmp_path / "noisy") == "5000\n"
