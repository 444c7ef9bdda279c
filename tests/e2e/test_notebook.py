"""A copy in a notebook: a real kernel of Jupyter, without ipywidgets, and what it shows for a cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from crossdock import copy


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BlockingKernelClient]:
    """Python of this environment; its connection is by files in a folder, and no port is chosen."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "k"))
    manager.start_kernel(cwd=str(tmp_path))
    client: BlockingKernelClient = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def run(kernel: BlockingKernelClient, code: str) -> list[dict[str, Any]]:
    """The messages of a cell that show something."""
    shown: list[dict[str, Any]] = []
    answer = kernel.execute_interactive(code, timeout=60, output_hook=shown.append)
    assert answer["content"]["status"] == "ok", answer["content"]
    return [
        each
        for each in shown
        if each["msg_type"] in ("display_data", "update_display_data", "execute_result")
    ]


def test_a_copy_shows_itself(kernel: BlockingKernelClient, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n" + "".join(f"{n},<b>\n" for n in range(1000)))
    shown = run(
        kernel,
        "import sys\nsys.modules['ipywidgets'] = None\n"
        "import crossdock\ncrossdock.copy('a.csv', 'a.parquet')",
    )
    kinds = [each["msg_type"] for each in shown]
    assert kinds[0] == "display_data", "a bar below the cell"
    assert "update_display_data" in kinds
    last = [each for each in shown if each["msg_type"] == "update_display_data"][-1]
    assert "done: " in last["content"]["data"]["text/html"]
    assert "1,000 rows" in last["content"]["data"]["text/html"]
    assert kinds[-1] == "execute_result"
    table = shown[-1]["content"]["data"]["text/html"]
    assert "<tr><th>copied</th><td>1,000 rows, 1 file" in table


def test_a_program_shows_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "<i>.csv").write_text("id\n1\n")
    result = copy(tmp_path / "<i>.csv", tmp_path / "out.parquet")
    assert capsys.readouterr().out == ""
    assert "&lt;i&gt;.csv" in result._repr_html_(), "a file may be called anything"
