"""S3, Google Cloud Storage and Azure Blob Storage for crossdock, by obstore: ``obstore+s3://bucket/folder``.

obstore has no upload that another process could go on with, so a block is an object of its own below
``.crossdock/RUN/``, and a commit joins the blocks of one object: through this machine, once. Objects up to
``WHOLE`` appear by one conditional request. A larger one is a multipart upload, which obstore does not make
conditional: it is looked at once more at the end, and what somebody writes in the moment after is replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr

from crossdock import (
    Block,
    Capabilities,
    ConnectorConfig,
    ConnectorSpec,
    CrossdockError,
    Location,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    RemembersUploads,
    UploadRequest,
    WholeWriter,
    WriteMode,
    errors,
    hookimpl,
)

if TYPE_CHECKING:
    import obstore

MIB = 1 << 20
WHOLE = 32 * MIB
"""Objects up to this size are committed by one request, from memory."""
STAGE = ".crossdock"
_STAMP = "crossdock"  # metadata of an object: the run that wrote it


class ObstoreConfig(ConnectorConfig):
    """The options, under obstore's names; it also looks into the variables of the clouds' own tools."""

    endpoint: str | None = Field(None, description="The service's address, where it is not the cloud's own")
    region: str | None = Field(None, description="S3: the bucket's region")
    access_key_id: SecretStr | None = Field(None, description="S3: the id of the key")
    secret_access_key: SecretStr | None = Field(None, description="S3: the key")
    session_token: SecretStr | None = Field(None, description="S3: the token of temporary credentials")
    account_name: str | None = Field(None, description="Azure: the storage account")
    account_key: SecretStr | None = Field(None, description="Azure: the account's key")
    service_account: str | None = Field(None, description="Google: the file of a service account")
    skip_signature: bool = Field(False, description="Sign no request: for what everybody may read")
    ca_bundle: str | None = Field(None, description="File of certificates to trust, not the system's")


_STORES = {"obstore+s3": "S3Store", "obstore+gs": "GCSStore", "obstore+az": "AzureStore"}


def open_store(config: ObstoreConfig, location: Location) -> ObstoreStore:
    """Raises ConfigError for an address without a bucket, and for what obstore refuses."""
    from obstore import exceptions, store

    if not location.authority:
        raise errors.ConfigError(f"the address needs a bucket or container: {location.scheme}://NAME/folder")
    given = config.model_dump(exclude_none=True, exclude_defaults=True)
    client: dict[str, Any] = {"allow_http": (config.endpoint or "").startswith("http://"), "timeout": "120s"}
    if bundle := given.pop("ca_bundle", None):
        client["root_certificate"] = Path(bundle).read_bytes()
    try:
        opened = getattr(store, _STORES[location.scheme])(
            location.authority,
            prefix=location.path.strip("/") or None,
            client_options=client,
            retry_config={"max_retries": 1},
            **{n: v.get_secret_value() if isinstance(v, SecretStr) else v for n, v in given.items()},
        )
    except exceptions.BaseError as error:
        raise errors.ConfigError(_sentence(error)) from None
    return ObstoreStore(opened)


class ObstoreReader(ObjectReader):
    """Each reading is one request for that version."""

    def __init__(self, store: Any, info: ObjectInfo) -> None:
        self._store, self.info = store, info

    def read_into(self, offset: int, buffer: memoryview) -> int:
        count = min(len(buffer), self.info.size - offset)
        if count <= 0:
            return 0
        options = {"range": (offset, offset + count), "if_match": f'"{self.info.etag}"'}
        done = 0
        for chunk in self._store.get(self.info.path, options=options).stream(MIB):
            buffer[done : done + len(chunk)] = chunk
            done += len(chunk)
        if done == count:
            return done
        raise errors.ShortReadError(f"{self.info.path} ended after {done} of {count} bytes")

    def close(self) -> None:
        pass


class ObstoreStore(ObjectStore, WholeWriter, RemembersUploads):
    """A bucket or container, or a folder of one. A handle is JSON: all that another process needs."""

    whole_limit = 8 * MIB

    def __init__(self, store: Any) -> None:
        self._store = store

    def check_path(self, path: str) -> None:
        parts = path.split("/")
        if not path.isprintable() or {"", ".", ".."} & {*parts} or parts[0] == STAGE:
            raise errors.ConfigError(f"{path!r} is no path of an object")

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        folder, _, _ = prefix.rpartition("/")
        if folder:
            self.check_path(folder)
        for page in self._store.list(folder or None, offset=after, chunk_size=1000):
            shown = (each for each in page if not each["path"].startswith(f"{STAGE}/"))
            shown = (each for each in shown if each["path"] > (after or ""))  # Azurite knows no offset
            if found := [_info(each) for each in shown if each["path"].startswith(prefix)]:
                yield found

    def stat(self, path: str) -> ObjectInfo:
        self.check_path(path)
        try:
            return _info(self._store.head(path))
        except FileNotFoundError as error:
            raise errors.NotFoundError(f"{path} does not exist", detail=str(error)) from None

    def open_read(self, path: str, info: ObjectInfo | None = None) -> ObstoreReader:
        self.check_path(path)
        return ObstoreReader(self._store, info or self.stat(path))

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        self.check_path(path)
        there, mode = self._version(path), request.overwrite
        if there and not mode:
            raise errors.AlreadyExistsError(f"{path} exists already")
        return json.dumps({"path": path, "run": request.run_id, "replaces": there, "mode": mode}).encode()

    def _version(self, path: str) -> dict[str, str] | None:
        try:
            found = self._store.head(path)
        except FileNotFoundError:
            return None
        return {name: found[name] for name in ("e_tag", "version") if found[name]}

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        self._store.put(_staged(json.loads(upload), block), data, use_multipart=False)

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        import obstore

        begun = json.loads(upload)
        if self.is_committed(upload):
            return
        self._guard(begun)
        staged = {each["path"]: each["size"] for page in self._store.list(_folder(begun)) for each in page}
        lost = [block for block in blocks if staged.get(_staged(begun, block)) != block.length]
        if lost:
            raise errors.StageLostError(f"a part of {begun['path']} is gone: {_staged(begun, lost[0])}")
        size = sum(block.length for block in blocks)
        content = (self._store.get(_staged(begun, block)).buffer() for block in blocks)
        if size <= WHOLE:
            self.put_whole(upload, memoryview(b"".join(content)))
            return
        options = {"buffer_size": max(8 * MIB, size // 9_000), "attributes": {_STAMP: begun["run"]}}
        writer = obstore.open_writer(self._store, begun["path"], max_concurrency=4, **options)
        for each in content:
            writer.write(each)
        self._guard(begun)  # nothing is visible before it is closed, and nothing ever if it is not
        writer.close()

    def _guard(self, begun: dict[str, Any]) -> None:
        """Raise where the object is not what the upload was told to replace."""
        if self._version(begun["path"]) != begun["replaces"]:
            raise _changed(begun)

    def put_whole(self, upload: bytes, data: memoryview) -> None:
        from obstore import exceptions as theirs

        begun = json.loads(upload)
        options = {"attributes": {_STAMP: begun["run"]}, "mode": begun["replaces"] or "create"}
        try:
            self._store.put(begun["path"], data, use_multipart=False, **options)
        except (theirs.AlreadyExistsError, theirs.PreconditionError):
            if not self.is_committed(upload):
                raise _changed(begun) from None

    def is_committed(self, upload: bytes) -> bool:
        begun = json.loads(upload)
        return self.committed(begun["path"], begun["run"]) is not None

    def committed(self, path: str, run_id: str) -> ObjectInfo | None:
        try:
            found = self._store.get(path, options={"head": True})
        except FileNotFoundError:
            return None
        return _info(found.meta) if found.attributes.get(_STAMP) == run_id else None

    def abort(self, upload: bytes) -> None:
        self._remove(_folder(json.loads(upload)))

    def abandon(self, path: str, run_id: str) -> None:
        self._remove(_folder({"path": path, "run": run_id}))

    def abandon_all(self, run_id: str) -> None:
        self._remove(f"{STAGE}/{run_id}")

    def _remove(self, folder: str) -> None:
        for page in self._store.list(folder, chunk_size=1000):
            with suppress(FileNotFoundError):  # another process removes it too
                self._store.delete([each["path"] for each in page])

    def delete(self, path: str) -> None:
        self.check_path(path)
        with suppress(FileNotFoundError):
            self._store.delete(path)


def _info(meta: obstore.ObjectMeta) -> ObjectInfo:
    etag = (meta["e_tag"] or "").strip('"')  # Azure's listings have no quotes
    return ObjectInfo(meta["path"], meta["size"], etag, meta["last_modified"].timestamp())


def _folder(begun: dict[str, Any]) -> str:
    """Where the blocks of one object are; its path may be longer than a name can be."""
    return f"{STAGE}/{begun['run']}/{hashlib.sha256(begun['path'].encode()).hexdigest()[:32]}"


def _staged(begun: dict[str, Any], block: Block) -> str:
    return f"{_folder(begun)}/{block.split}-{block.attempt}-{block.index}"


def _changed(begun: dict[str, Any]) -> CrossdockError:
    kind = errors.StageLostError if begun["mode"] else errors.AlreadyExistsError
    return kind(f"somebody else wrote {begun['path']} during the copy")


_MEANING: dict[str, type[CrossdockError]] = {  # by the names of obstore's errors: nothing is imported
    "AlreadyExistsError": errors.AlreadyExistsError,
    "FileNotFoundError": errors.NotFoundError,
    "PermissionDeniedError": errors.AccessDeniedError,
    "PreconditionError": errors.SourceChangedError,
    "UnauthenticatedError": errors.AuthError,
}


def classify(error: BaseException) -> CrossdockError | None:
    """What has no name of its own may pass."""
    if not type(error).__module__.startswith("obstore") and not isinstance(error, FileNotFoundError):
        return None
    kind = _MEANING.get(type(error).__name__, errors.TransientError)
    if "404 Not Found" in str(error):  # a listing of a bucket that does not exist
        kind = errors.NotFoundError
    return kind(_sentence(error), detail=str(error))


def _sentence(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


SPEC = ConnectorSpec(
    name="obstore",
    summary="S3, Google Cloud Storage and Azure Blob Storage, by obstore",
    kind="store",
    config=ObstoreConfig,
    schemes=tuple(_STORES),
    capabilities=Capabilities(
        write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}),
        visibility="per_object",
        private_staging=False,
        best_block=8 * MIB,
        parallel=12,
        read_back="after_commit",
    ),
    open_store=open_store,
    classify=classify,
    example="crossdock copy data/ obstore+s3://landing/data/ -k region=eu-west-1",
    requires=("obstore",),
    extra="crossdock-obstore",
)


@hookimpl
def crossdock_connectors() -> list[ConnectorSpec]:
    return [SPEC]
