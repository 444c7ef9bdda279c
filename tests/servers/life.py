"""A factory's whole life by the official client, whichever version is first on the path.

Run as ``python life.py sync|aio URL CA FACTORY FOLDER``, the token in TOKEN. It says the auth key on a line
of its own, waits for a line on stdin, which says that a node is there, and then what the copy has read.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

GROUP, SUBSCRIPTION = "group", "00000000-0000-0000-0000-00000000000a"
WINDOW = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"}


class Token:
    """A credential for both kinds of clients."""

    def get_token(self, *_: str, **__: Any) -> Any:
        from azure.core.credentials import AccessToken

        found = AccessToken(os.environ["TOKEN"], 2**31)
        return _later(found) if sys.argv[1] == "aio" else found


async def _later(value: Any) -> Any:
    return value


def client(kind: str, url: str, ca: str) -> Any:
    if kind == "aio":
        from azure.core.pipeline.transport import AsyncioRequestsTransport
        from azure.mgmt.datafactory.aio import DataFactoryManagementClient as Aio

        # A transport that is given keeps to its own settings.
        transport = AsyncioRequestsTransport(connection_verify=ca)
        return Aio(Token(), SUBSCRIPTION, base_url=url, transport=transport)
    from azure.mgmt.datafactory import DataFactoryManagementClient

    return DataFactoryManagementClient(Token(), SUBSCRIPTION, base_url=url, connection_verify=ca)


async def got(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def life(kind: str, url: str, ca: str, factory: str, folder: Path) -> None:
    sdk = client(kind, url, ca)
    here = (GROUP, factory)
    await got(sdk.factories.create_or_update(*here, {"location": "here"}))
    body: Any = {"properties": {"type": "SelfHosted"}}
    await got(sdk.integration_runtimes.create_or_update(*here, "here", body))
    keys = await got(sdk.integration_runtimes.list_auth_keys(*here, "here"))
    print(keys.auth_key1, flush=True)
    sys.stdin.readline()
    via = {"referenceName": "here", "type": "IntegrationRuntimeReference"}
    for name in ("source", "sink"):
        host = {"type": "FileServer", "connectVia": via, "typeProperties": {"host": str(folder / name)}}
        await got(sdk.linked_services.create_or_update(*here, name, {"properties": host}))
        link = {"referenceName": name, "type": "LinkedServiceReference"}
        location = {"location": {"type": "FileServerLocation"}}
        body = {"type": "Binary", "linkedServiceName": link, "typeProperties": location}
        await got(sdk.datasets.create_or_update(*here, name, {"properties": body}))
    copy = {
        "name": "copy",
        "type": "Copy",
        "inputs": [{"referenceName": "source", "type": "DatasetReference"}],
        "outputs": [{"referenceName": "sink", "type": "DatasetReference"}],
        "typeProperties": {
            "source": {
                "type": "BinarySource",
                "storeSettings": {"type": "FileServerReadSettings", "recursive": True},
            },
            "sink": {"type": "BinarySink", "storeSettings": {"type": "FileServerWriteSettings"}},
        },
    }
    await got(sdk.pipelines.create_or_update(*here, "copy", {"properties": {"activities": [copy]}}))
    run_id = (await got(sdk.pipelines.create_run(*here, "copy"))).run_id
    until = time.monotonic() + 90
    while (run := await got(sdk.pipeline_runs.get(*here, run_id))).status in ("Queued", "InProgress"):
        if time.monotonic() > until:
            raise TimeoutError(run.status)
        await asyncio.sleep(0.2)
    done = (await got(sdk.activity_runs.query_by_pipeline_run(*here, run_id, WINDOW))).value[0]
    print(
        json.dumps([run.status, done.status, done.output["filesRead"], done.output["dataRead"]]), flush=True
    )
    await got(sdk.close())


if __name__ == "__main__":
    asyncio.run(life(*sys.argv[1:5], Path(sys.argv[5])))
