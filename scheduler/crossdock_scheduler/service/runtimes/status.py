"""The state of a runtime, made of those of its nodes (reference: monitor-integration-runtime)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import crossdock

from ..definitions.factories import timestamp
from . import nodes, updating
from .nodes import Node
from .runtimes import Runtime, is_self_contained


def state(found: Sequence[Node], now: float) -> str:
    """Online: all nodes are. Offline: none is. Limited: not all are well."""
    if not found:
        return "NeedRegistration"
    statuses = [each.status(now) for each in found]
    if all(each == "Online" for each in statuses):
        return "Online"
    return "Limited" if any(each in ("Online", "Limited") for each in statuses) else "Offline"


def version(found: Sequence[Node]) -> str | None:
    """The one that most nodes have."""
    return nodes.usual_version([each.row for each in found]) or None


def dispatcher(found: Sequence[Node], now: float) -> Node | None:
    """The first that is alive."""
    return next((each for each in found if each.is_alive(now)), None)


def as_json(runtime: Runtime, found: Sequence[Node], endpoint: str, now: float) -> dict[str, Any]:
    """IntegrationRuntimeStatusResponse."""
    first, most = dispatcher(found, now), version(found)
    listed = [each.as_json(now, dispatcher=each is first) for each in found]
    names = listed[0]["capabilities"] if listed else {}
    behind = runtime.auto_update and any(each.row.version != crossdock.__version__ for each in found)
    when = datetime.fromtimestamp(updating.next_time(runtime.update_delay, now), UTC) if behind else None
    update = None if when is None else timestamp(when)
    together = {name: str(all(each["capabilities"][name] == "True" for each in listed)) for name in names}
    return {
        "name": runtime.resource.name,
        "properties": {
            "type": "SelfHosted",
            "dataFactoryName": runtime.resource.factory.name,
            "state": state(found, now),
            "typeProperties": {
                "createTime": timestamp(runtime.resource.created),
                "taskQueueId": runtime.guid,
                "internalChannelEncryption": "SslEncrypted",
                "version": most,
                "nodes": listed,
                "scheduledUpdateDate": update,
                "autoUpdateETA": update,
                "updateDelayOffset": runtime.update_delay,
                "localTimeZoneOffset": "PT0H",
                "capabilities": together,
                "serviceUrls": [endpoint],
                "autoUpdate": "On" if runtime.auto_update else "Off",
                "versionStatus": "UpToDate" if most in (None, crossdock.__version__) else "UpdateAvailable",
                "links": [],
                "nodeLimit": runtime.node_limit,
                "latestVersion": crossdock.__version__,
                "pushedVersion": crossdock.__version__,
                "selfContainedInteractiveAuthoringEnabled": is_self_contained(runtime.resource.properties),
            },
        },
    }
