"""Large listings: folders apart and at once, each blob once, in one order, from any cursor on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from random import Random

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from servers.azurite import ACCOUNT, KEY, Azurite
from servers.dfs import Lake
from servers.dfs_wire import ACCOUNT as LAKE_ACCOUNT
from servers.dfs_wire import KEY as LAKE_KEY

from crossdock import Location, ObjectInfo, ThrottledError
from crossdock_connectors.azure import blob_list
from crossdock_connectors.azure.blob import SPEC
from crossdock_connectors.azure.blob_store import BlobStore

# Names that plain accounts and those with a hierarchical namespace sort differently.
NAMES = sorted(
    [f"logs/{folder}/{n:02d}" for folder in ("2023", "2023-x", "2024") for n in range(15)]
    + [f"logs/{name}" for name in ("2023-y", "2023.z", "a", "zz")]
    + [f"logs/deep/{a}/{b}" for a in "xyz" for b in "12345"]
)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_list, "PAGE", 7)


def filled(container: ContainerClient) -> str:
    for name in NAMES:
        container.upload_blob(name, b"x")
    return container.container_name


@pytest.fixture(scope="module")
def plain(azurite: Azurite) -> Iterator[tuple[str, dict[str, str]]]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    options = {"endpoint": azurite.url, "account_key": KEY, "ca_bundle": str(azurite.ca), "proxy": ""}
    with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
        container = client.create_container(f"l-{uuid.uuid4().hex}")
        yield filled(container), options
        container.delete_container()


@pytest.fixture(scope="module")
def tree(lake: Lake) -> tuple[str, dict[str, str]]:
    credential = {"account_name": LAKE_ACCOUNT, "account_key": LAKE_KEY}
    options = {"endpoint": lake.url, "account_key": LAKE_KEY, "ca_bundle": str(lake.ca), "proxy": ""}
    with BlobServiceClient(lake.url, credential, connection_verify=str(lake.ca)) as client:
        return filled(client.create_container(f"l-{uuid.uuid4().hex}")), options


def opened(where: tuple[str, dict[str, str]], folder: str = "") -> BlobStore:
    assert SPEC.open_store is not None
    store = SPEC.open_store(SPEC.config.model_validate(where[1]), Location.parse(f"az://{where[0]}/{folder}"))
    assert isinstance(store, BlobStore)
    return store


def listed(store: BlobStore, prefix: str = "", after: str | None = None) -> list[str]:
    pages = list(store.list(prefix, after))
    assert all(0 < len(page) <= 15 for page in pages), "pages are of the service, and none is empty"
    return [info.path for page in pages for info in page]


class TestPlainAccounts:
    @pytest.mark.parametrize(
        "prefix", ["", "logs/", "logs/20", "logs/2023", "logs/2023/", "logs/deep/", "logs/deep/y/3", "none"]
    )
    def test_ordered_by_path(self, plain: tuple[str, dict[str, str]], prefix: str) -> None:
        with closing(opened(plain)) as store:
            assert listed(store, prefix) == [name for name in NAMES if name.startswith(prefix)]

    def test_below_a_folder(self, plain: tuple[str, dict[str, str]]) -> None:
        with closing(opened(plain, "logs")) as store:
            assert listed(store) == [name.removeprefix("logs/") for name in NAMES]

    def test_from_each_cursor_on(self, plain: tuple[str, dict[str, str]]) -> None:
        with closing(opened(plain)) as store:
            for after in ["logs/0", "logs/2023-", "logs/2023/0", "logs/zzz", *Random(1).sample(NAMES, 12)]:
                assert listed(store, "", after) == [name for name in NAMES if name > after], after


class TestHierarchicalNamespaces:
    """The service's own order is another one; whatever it is, a cursor loses nothing."""

    def test_each_once(self, tree: tuple[str, dict[str, str]]) -> None:
        with closing(opened(tree)) as store:
            found = listed(store)
            assert sorted(found) == NAMES
            assert found == sorted(NAMES, key=lambda name: name.split("/"))
            assert listed(store) == found

    def test_from_each_cursor_on(self, tree: tuple[str, dict[str, str]]) -> None:
        with closing(opened(tree)) as store:
            whole = listed(store)
            for at in Random(1).sample(range(len(whole)), 12):
                assert listed(store, "", whole[at]) == whole[at + 1 :], whole[at]


def test_several_folders_are_asked_for_at_once(
    plain: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first of them is used up."""
    asked: list[str] = []
    real = blob_list.Listing.flat

    def noted(listing: blob_list.Listing, prefix: str, after: str | None, marker: str = "") -> object:
        asked.append(prefix)
        return real(listing, prefix, after, marker)

    monkeypatch.setattr(blob_list.Listing, "flat", noted)
    with closing(opened(plain)) as store:
        pages = store.list("logs/")
        next(pages), next(pages)  # the first one comes before folders are looked for
        assert asked == ["logs/2023-x/", "logs/2023/", "logs/2024/"]  # and the blobs before them
        pages.close()  # type: ignore[attr-defined]


def test_an_error_of_any_folder_is_the_listing_s(
    plain: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = blob_list.Listing.page

    def fails(listing: blob_list.Listing, prefix: str, **more: str) -> blob_list.Page:
        if prefix == "logs/2024/":
            raise ThrottledError("slow down")
        return real(listing, prefix, **more)

    monkeypatch.setattr(blob_list.Listing, "page", fails)
    found: list[ObjectInfo] = []
    with closing(opened(plain)) as store:
        pages = store.list()

        def take() -> None:
            for page in pages:
                found.extend(page)

        with pytest.raises(ThrottledError):
            take()
    assert [info.path for info in found] == NAMES[: len(found)], "what came before it is whole and in order"


def test_too_many_folders_are_listed_as_they_come(
    plain: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_list, "_MOST_FOLDERS", 2)
    with closing(opened(plain)) as store:
        assert listed(store) == NAMES
        assert listed(store, "", NAMES[20]) == NAMES[21:]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sat, 21 Nov 2026 10:00:00 GMT", 1795255200.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 10:00:00 +0100", 1795251600.0),
        ("", 0.0),
        ("yesterday", 0.0),
    ],
)
def test_dates(text: str, seconds: float) -> None:
    assert blob_list.moment(text) == seconds
