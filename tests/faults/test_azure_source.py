"""Sources that change, shrink or vanish under the copy, and deleting them afterwards (F28, F31)."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure_rig import BLOCKS, SIZE, Rig
from servers.network_faults import meanwhile, reply_lost, status

import crossdock
from crossdock import AccessDeniedError, CrossdockError, NotFoundError, SourceChangedError

DELETE = {"delete_files_after_completion": "true"}


def _left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


class TestBlobThatChanges:
    """Never a mixture of two versions."""

    @pytest.mark.parametrize("at", [1, 3, BLOCKS])
    @pytest.mark.parametrize("size", [SIZE, SIZE + 5000, 10], ids=["as long", "longer", "shorter"])
    def test_between_two_ranges(self, rig: Rig, at: int, size: int) -> None:
        rig.put(b"a" * SIZE)
        rig.proxy.fail("GET !comp", meanwhile(lambda: rig.put(b"b" * size)), nth=at)
        with pytest.raises(SourceChangedError) as caught:
            rig.down(rig.folder / "out" / "x")
        assert caught.value.exit_code == 1
        assert not caught.value.resumable
        assert _left(rig.folder / "out") == []

    def test_its_metadata(self, rig: Rig) -> None:
        """Another version too: the service does not say what has changed."""
        rig.put(b"a" * SIZE)
        rig.proxy.fail("GET !comp", meanwhile(lambda: rig.blob().set_blob_metadata({"k": "v"})), nth=3)
        with pytest.raises(SourceChangedError):
            rig.down(rig.folder / "out" / "x")
        assert _left(rig.folder / "out") == []

    def test_by_way_of_this_machine_to_a_blob(self, rig: Rig) -> None:
        rig.put(b"a" * SIZE, "from")
        rig.options |= {"server_copy": "false"}
        rig.proxy.fail("GET !comp", meanwhile(lambda: rig.put(b"b" * SIZE, "from")), nth=3)
        with pytest.raises(SourceChangedError):
            rig.across("from")
        assert not rig.blob().exists()

    def test_between_stopping_and_resuming(self, rig: Rig) -> None:
        rig.put(b"a" * SIZE)
        rig.proxy.fail("GET !comp", status(403, "AuthorizationFailure"), nth=3)
        with pytest.raises(AccessDeniedError) as caught:
            rig.down(rig.folder / "out" / "x")
        rig.put(b"b" * SIZE)
        assert caught.value.run_id
        with pytest.raises(SourceChangedError):
            crossdock.resume(caught.value.run_id, source_options=rig.secret)
        assert _left(rig.folder / "out") == []


class TestBlobThatVanishes:
    def test_the_only_one(self, rig: Rig) -> None:
        rig.put(b"a" * SIZE)
        rig.proxy.fail("GET !comp", meanwhile(lambda: rig.blob().delete_blob()), nth=3)
        with pytest.raises(NotFoundError, match="does not exist"):
            rig.down(rig.folder / "out" / "x")
        assert _left(rig.folder / "out") == []

    def test_one_of_many(self, rig: Rig) -> None:
        """It is skipped, and the report says so."""
        given = {f"{n}": rig.put(b"%d" % n * SIZE, f"d/{n}") for n in range(3)}
        vanish = meanwhile(lambda: rig.blob("d/1").delete_blob())
        rig.proxy.fail(lambda seen: seen.method == "GET" and seen.path.endswith("d/1"), vanish, nth=3)
        result = rig.down(rig.folder / "out", "d/")
        assert {p.name: p.read_bytes() for p in (rig.folder / "out").iterdir()} == {
            name: data for name, data in given.items() if name != "1"
        }
        assert result.exit_code == 3
        assert result.skipped == ["1"]


class TestFileThatChanges:
    @pytest.mark.parametrize("how", ["replaced", "shortened", "written to"])
    def test_while_it_is_sent(self, rig: Rig, how: str) -> None:
        path = rig.file()

        def change() -> None:
            if how == "replaced":
                rig.file(seed=2, name="new").rename(path)
            elif how == "shortened":
                path.write_bytes(b"short")
            else:
                with path.open("r+b") as file:
                    file.seek(SIZE - 10)
                    file.write(b"changed")

        rig.proxy.fail("PUT comp=block", meanwhile(change), nth=3)
        with pytest.raises(CrossdockError) as caught:
            rig.up(path)
        assert caught.value.exit_code == 1
        assert not rig.blob().exists()


class TestDeletingAfterwards:
    """Only what has arrived is deleted, and a failure to delete loses nothing."""

    @pytest.fixture
    def given(self, rig: Rig) -> dict[str, bytes]:
        return {f"{n}": rig.put(b"%d" % n * 100, f"d/{n}") for n in range(4)}

    def _arrived(self, rig: Rig) -> dict[str, bytes]:
        found = (rig.folder / "out").iterdir()
        return {p.name: p.read_bytes() for p in found if not p.name.startswith(".crossdock-")}

    def test_the_reply_is_lost(self, rig: Rig, given: dict[str, bytes]) -> None:
        rig.proxy.fail("DELETE", reply_lost, times=2)
        rig.down(rig.folder / "out", "d/", options=DELETE)
        assert self._arrived(rig) == given
        assert rig.names() == []

    def test_it_is_denied(self, rig: Rig, given: dict[str, bytes]) -> None:
        """The copy fails and says why; resumed, it deletes the rest and reads nothing again."""
        rig.proxy.fail("DELETE", status(403, "AuthorizationPermissionMismatch"), nth=2)
        with pytest.raises(AccessDeniedError) as caught:
            rig.down(rig.folder / "out", "d/", options=DELETE)
        assert self._arrived(rig).items() <= given.items()
        rig.proxy.forget()
        assert caught.value.run_id
        crossdock.resume(caught.value.run_id, source_options=rig.secret)
        assert self._arrived(rig) == given
        assert rig.names() == []

    def test_nothing_is_deleted_that_has_not_arrived(self, rig: Rig, given: dict[str, bytes]) -> None:
        rig.proxy.fail("GET !comp", status(403, "AuthorizationFailure"), times=None)
        with pytest.raises(AccessDeniedError):
            rig.down(rig.folder / "out", "d/", options=DELETE)
        assert rig.proxy.count("DELETE") == 0
        assert rig.names() == [f"d/{name}" for name in given]

    def test_what_changes_before_it_is_deleted_stays(self, rig: Rig, given: dict[str, bytes]) -> None:
        """The service compares the version itself."""
        rig.proxy.fail(
            lambda seen: seen.method == "DELETE" and seen.path.endswith("d/2"),
            meanwhile(lambda: rig.put(b"new", "d/2")),
        )
        result = rig.down(rig.folder / "out", "d/", options=DELETE)
        assert self._arrived(rig) == given
        assert any("changed after it was copied" in note for note in result.notes)
        assert rig.names() == ["d/2"]
        assert rig.read("d/2") == b"new"
