"""A folder of definitions with one pipeline of one activity, which is planned and run as pipelines do it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.storage.blob import BlobServiceClient, ContainerClient
from servers.azurite import ACCOUNT, KEY, Azurite

from crossdock_scheduler.pipeline.activity_types import ActivityType, Attempt, activity_types
from crossdock_scheduler.pipeline.definitions import Factory, Finding, load
from crossdock_scheduler.pipeline.definitions.activities import Activity, activities
from crossdock_scheduler.pipeline.definitions.model import Definition
from crossdock_scheduler.pipeline.expressions import Scope
from crossdock_scheduler.pipeline.policy import Policy

Json = dict[str, Any]


def dataset_of(name: str, **parameters: Any) -> Json:
    return {"referenceName": name, "type": "DatasetReference", "parameters": parameters}


class OneActivity:
    """The linked service ``files`` is the folder ``data``; tests put more."""

    def __init__(self, root: Path) -> None:
        self.root, self.data = root / "factory", root / "data"
        self.data.mkdir()
        self.service("files", "FileServer", host=str(self.data))

    def put(self, kind: str, name: str, properties: Json) -> None:
        file = self.root / kind / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": name, "properties": properties}))

    def service(self, name: str, kind: str, **properties: Any) -> None:
        self.put("linkedService", name, {"type": kind, "typeProperties": properties})

    def dataset(self, name: str, kind: str, service: str, **properties: Any) -> None:
        reference = {"referenceName": service, "type": "LinkedServiceReference"}
        self.put(
            "dataset", name, {"type": kind, "linkedServiceName": reference, "typeProperties": properties}
        )

    def file(self, name: str, path: str, kind: str = "Binary", **properties: Any) -> None:
        """A dataset of a file below ``data``, or of a folder where the path ends in ``/``."""
        folder, _, file = path.rpartition("/")
        location = {"type": "FileServerLocation", "folderPath": folder} | ({"fileName": file} if file else {})
        self.dataset(name, kind, "files", location=location, **properties)

    def postgres(self, url: str) -> None:
        """The linked service ``postgres``."""
        parts = urlsplit(url)
        self.service(
            "postgres", "PostgreSqlV2", server=parts.hostname, port=parts.port, username=parts.username,
            database=parts.path.strip("/"), sslMode=0,
        )  # fmt: skip

    @contextmanager
    def container(self, azurite: Azurite) -> Iterator[ContainerClient]:
        """An empty container of Azurite, and the linked service ``blobs``. SSL_CERT_FILE must be its CA."""
        self.service(
            "blobs", "AzureBlobStorage",
            connectionString=f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};BlobEndpoint={azurite.url}",
            accountKey={"type": "SecureString", "value": KEY},
        )  # fmt: skip
        credential = {"account_name": ACCOUNT, "account_key": KEY}
        with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
            made = client.create_container(f"activity-{uuid.uuid4().hex}")
            yield made
            made.delete_container()

    def write(self, path: str, content: str | bytes = b"") -> Path:
        file = self.data / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def files(self) -> list[str]:
        """All that is below ``data``; folders end in ``/``."""
        found = (f"{p.relative_to(self.data)}{'/' * p.is_dir()}" for p in self.data.rglob("*"))
        return sorted(found)

    def _loaded(self, kind: str, more: Json) -> tuple[Factory, Definition, Activity, ActivityType]:
        properties = {"name": "it", "type": kind, **more}
        self.put("pipeline", "p", {"activities": [properties]})
        factory = load(self.root)
        pipeline = factory.find("pipeline", "p")
        assert pipeline is not None
        assert not factory.faults
        return factory, pipeline, activities(pipeline)[0], activity_types()[kind.lower()]

    def findings(
        self, kind: str, properties: Json, policy: Policy | None = None, **more: Any
    ) -> list[Finding]:
        """What is said ahead of a run."""
        factory, pipeline, activity, known = self._loaded(kind, {"typeProperties": properties, **more})
        return known.plan(factory, pipeline, activity, policy or Policy())

    def said(self, kind: str, properties: Json, **more: Any) -> list[tuple[str, str]]:
        return [(each.severity, each.message) for each in self.findings(kind, properties, **more)]

    def run(
        self,
        kind: str,
        properties: Json,
        *,
        scope: Scope | None = None,
        cancel: threading.Event | None = None,
        policy: Policy | None = None,
        run_id: str = "run-1",
        progress: Callable[[Mapping[str, Any]], None] = lambda _: None,
        **more: Any,
    ) -> Mapping[str, Any]:
        """The activity's output, which is JSON."""
        factory, pipeline, activity, known = self._loaded(kind, {"typeProperties": properties, **more})
        attempt = Attempt(
            factory, pipeline, activity, scope or Scope(), policy or Policy(), run_id, progress,
            cancel=cancel or threading.Event(),
        )  # fmt: skip
        found = known.run(attempt)
        return json.loads(json.dumps(found, allow_nan=False))
