"""The Helm chart, rendered and linted by Helm's own library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import crossdock

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "crossdock-node"
SECRET = {"secret": {"name": "crossdock-node"}}
# In a process of its own: it is another language's runtime, with handlers of signals.
RENDER = """
import json, sys
import helm_python as helm
chart, given = sys.argv[1], json.load(sys.stdin)
try:
    with helm.Chart.load(chart) as loaded:
        loaded.validate_schema(given["values"])
        found = loaded.render(given["values"], name=given["name"], namespace="data")
    print(json.dumps({"found": found, "lint": helm.lint(chart, given["values"], strict=True)}))
except helm.HelmError as error:
    print(json.dumps({"error": str(error)}))
"""


def rendered(values: dict[str, Any], name: str = "crossdock-node") -> dict[str, Any]:
    """``found``: files by their names, and ``lint``; or the ``error``."""
    pytest.importorskip("helm_python")
    done = subprocess.run(
        [sys.executable, "-c", RENDER, str(CHART)], input=json.dumps({"values": values, "name": name}),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def objects(values: dict[str, Any], name: str = "crossdock-node") -> dict[str, Any]:
    """What is applied, by its kind."""
    found = rendered(values, name)
    assert "error" not in found, found
    assert not [each for each in found["lint"]["messages"] if each["severity"] > 1]
    texts = [text for file, text in found["found"].items() if file.endswith(".yaml")]
    return {each["kind"]: each for text in texts for each in yaml.safe_load_all(text) if each}


def common(found: Any) -> Any:
    """Without labels, and what the plain manifest leaves to Kubernetes."""
    if isinstance(found, list):
        return [common(each) for each in found]
    if isinstance(found, dict):
        left = {"labels", "matchLabels", "selector", "imagePullPolicy"}
        return {name: common(each) for name, each in found.items() if name not in left}
    return found


def test_it_is_the_plain_manifest() -> None:
    plain = yaml.safe_load_all((DEPLOY / "kubernetes" / "node.yaml").read_text())
    found = objects(SECRET | {"image": {"tag": "latest"}})
    assert {each["kind"]: common(each) for each in plain} == {
        kind: common(each) for kind, each in found.items()
    }
    labels = found["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found["Service"]["spec"]["selector"],
        found["StatefulSet"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        assert selector


def test_values_reach_the_container() -> None:
    proxy = {"address": "proxy:3128", "user": "me", "passwordKey": "proxy-password", "bypass": ".internal"}
    values = {
        "secret": {"name": "s", "authKey": "k", "ca": ""}, "proxy": proxy, "replicas": 1,
        "highAvailability": False, "expireAfterSeconds": 0,
        "storage": {"className": "fast"}, "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "data"}], "imagePullSecrets": [{"name": "registry"}],
    }  # fmt: skip
    stateful = objects(values, "mine")["StatefulSet"]
    pod = stateful["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"crossdock-node:{crossdock.__version__}"
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert environment == {
        "AUTH_KEY_FILE": "/run/secrets/crossdock/k", "ENABLE_HA": "false", "NODE_NAME": None,
        "PROXY": "proxy:3128", "PROXY_USER": "me", "PROXY_BYPASS": ".internal",
        "PROXY_PASSWORD_FILE": "/run/secrets/crossdock/proxy-password",
    }  # fmt: skip
    assert (pod["nodeSelector"], pod["tolerations"]) == ({"disk": "ssd"}, [{"key": "data"}])
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert stateful["metadata"]["name"] == "mine-crossdock-node"
    assert stateful["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "which Secret has the auth key"),
        (SECRET | {"highAvailability": False}, "a runtime without highAvailability has one node"),
        (SECRET | {"proxy": {"user": "me"}}, "under which name is the password"),
        (SECRET | {"authKey": "IR@"}, "authKey"),
        (SECRET | {"expireAfterSeconds": 5}, "expireAfterSeconds"),
        (SECRET | {"proxy": {"address": "http://me:secret@proxy:1"}}, "address"),
    ],
)
def test_what_would_not_work_is_refused(values: dict[str, Any], why: str) -> None:
    assert why in rendered(values).get("error", "")
