"""WebHook: an endpoint that calls back over HTTPS, late, wrongly or never."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.servers.azurite import certificates, free_port
from tests.servers.web_endpoint import Answer, Endpoint, Received
from web_calls import Caller, Json, trusted_endpoint

from crossdock import CancelledError, ConfigError, CrossdockError
from crossdock_scheduler.pipeline.coverage import cover
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.policy import Policy


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with trusted_endpoint(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def hooks(tmp_path: Path) -> Json:
    folder = tmp_path / "hooks"
    folder.mkdir()
    certificate, key, _ = certificates(folder)
    listen = f"127.0.0.1:{free_port()}"
    return {
        "listen": listen, "address": f"https://{listen}/hooks",
        "certificate": str(certificate), "key": str(key),
    }  # fmt: skip


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def post(url: str, body: bytes, method: str = "POST") -> int:
    """Call back as somebody does who trusts nobody else's certificate."""
    parts = urlsplit(url)
    assert parts.hostname
    connection: Any = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    if parts.scheme == "https":
        context = ssl._create_unverified_context()  # noqa: S323 - the test is about what is sent
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=10, context=context)
    try:
        connection.request(method, parts.path, body, {"Content-Type": "application/json"})
        return int(connection.getresponse().status)
    finally:
        connection.close()


def calling_back(body: Any, before: float = 0.1, statuses: list[int] | None = None) -> Any:
    """An answer that is followed by a call back."""

    def later(url: str) -> None:
        time.sleep(before)
        status = post(url, body if isinstance(body, bytes) else json.dumps(body).encode())
        if statuses is not None:
            statuses.append(status)

    def answer(got: Received) -> Answer:
        threading.Thread(target=later, args=(got.json()["callBackUri"],)).start()
        return Answer(202)

    return answer


def hook(endpoint: Endpoint, **more: Any) -> Json:
    return {"url": endpoint.url + "/start", "method": "POST", "headers": {}, "body": {"a": 1}, **more}


@pytest.mark.parametrize("secure", [True, False])
def test_the_call_back_is_the_output(call: Caller, endpoint: Endpoint, hooks: Json, secure: bool) -> None:
    if not secure:
        hooks = {"listen": hooks["listen"], "address": f"http://{hooks['listen']}"}
    statuses: list[int] = []
    endpoint.answers["/start"] = calling_back({"rows": 3}, statuses=statuses)
    assert call.run("WebHook", hook(endpoint), Policy(web_hooks=hooks)) == {"rows": 3}
    (got,) = endpoint.received
    assert got.json()["a"] == 1
    assert got.json()["callBackUri"].startswith(hooks["address"] + "/")
    time.sleep(0.2)
    assert statuses == [200]
    with pytest.raises(OSError, match="refused"):
        post(got.json()["callBackUri"], b"{}")  # nobody listens any more


def test_what_is_reported_on_the_call_back(call: Caller, endpoint: Endpoint, hooks: Json) -> None:
    policy = Policy(web_hooks=hooks)
    said = {
        "Output": {"x": 1},
        "Error": {"ErrorCode": "Mine", "Message": "it went wrong"},
        "StatusCode": "403",
    }
    endpoint.answers["/start"] = calling_back(said)
    with pytest.raises(CrossdockError, match="it went wrong") as caught:
        call.run("WebHook", hook(endpoint, reportStatusOnCallBack=True), policy)
    assert caught.value.code == "Mine"
    assert call.run("WebHook", hook(endpoint), policy) == {"x": 1}
    endpoint.answers["/start"] = calling_back({"output": {"x": 2}, "statusCode": 200})
    assert call.run("WebHook", hook(endpoint, reportStatusOnCallBack=True), policy) == {"x": 2}


def test_no_call_back(call: Caller, endpoint: Endpoint, hooks: Json) -> None:
    endpoint.answers["/start"] = Answer(200)
    started = time.monotonic()
    with pytest.raises(CrossdockError, match="no call back within 1 seconds") as caught:
        call.run("WebHook", hook(endpoint, timeout="00:00:01"), Policy(web_hooks=hooks))
    assert caught.value.code == "Timeout"
    assert 1 <= time.monotonic() - started < 10


def test_cancelled(call: Caller, endpoint: Endpoint, hooks: Json) -> None:
    endpoint.answers["/start"] = Answer(200)
    threading.Timer(0.5, call.cancel.set).start()
    with pytest.raises(CancelledError):
        call.run("WebHook", hook(endpoint), Policy(web_hooks=hooks))


def test_an_endpoint_that_refuses(call: Caller, endpoint: Endpoint, hooks: Json) -> None:
    endpoint.answers["/start"] = Answer(500, "not today")
    with pytest.raises(CrossdockError, match=r"InternalServerError - 500.*not today"):
        call.run("WebHook", hook(endpoint), Policy(web_hooks=hooks))


def test_a_body_that_is_no_object(call: Caller, endpoint: Endpoint, hooks: Json) -> None:
    endpoint.answers["/start"] = calling_back(b"[1]")
    with pytest.raises(CrossdockError, match="body of the call back is no JSON object"):
        call.run("WebHook", hook(endpoint), Policy(web_hooks=hooks))
    with pytest.raises(ConfigError, match="callBackUri is added"):
        call.run("WebHook", hook(endpoint, body="text"), Policy(web_hooks=hooks))


def test_others_who_knock(call: Caller, endpoint: Endpoint, hooks: Json) -> None:
    """A wrong path, another method, too much, silence, no TLS: none of it ends or hinders the wait."""
    seen: list[int] = []

    def answer(got: Received) -> Answer:
        url = got.json()["callBackUri"]
        base = url.rpartition("/")[0]

        def later() -> None:
            silent = socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0))
            with silent:
                seen.append(post(f"{base}/another", b"{}"))
                seen.append(post(url, b"{}", "GET"))
                connection = http.client.HTTPSConnection(
                    urlsplit(url).netloc,
                    timeout=10,
                    context=ssl._create_unverified_context(),  # noqa: S323
                )
                connection.putrequest("POST", urlsplit(url).path)
                connection.putheader("Content-Length", str(5 << 20))
                connection.endheaders()
                seen.append(connection.getresponse().status)
                connection.close()
                with socket.create_connection(
                    (urlsplit(url).hostname or "", urlsplit(url).port or 0)
                ) as plain:
                    plain.sendall(b"POST / HTTP/1.1\r\n\r\n")
                seen.append(post(url, b'{"right": true}'))

        threading.Thread(target=later).start()
        return Answer(202)

    endpoint.answers["/start"] = answer
    assert call.run("WebHook", hook(endpoint), Policy(web_hooks=hooks)) == {"right": True}
    time.sleep(0.2)
    assert seen == [404, 501, 413, 200]


def test_several_at_once_share_an_address(tmp_path: Path, endpoint: Endpoint, hooks: Json) -> None:
    """Each gets its own call back."""

    def answer(got: Received) -> Answer:
        return calling_back({"number": got.json()["number"]}, before=0.3)(got)  # type: ignore[no-any-return]

    def run(number: int) -> Any:
        one = Caller(tmp_path / str(number))
        return one.run("WebHook", hook(endpoint, body={"number": number}), Policy(web_hooks=hooks))

    endpoint.answers["/start"] = answer
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [{"number": number} for number in range(4)]


def test_an_address_that_is_taken(call: Caller, endpoint: Endpoint, hooks: Json) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = hooks | {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        with pytest.raises(ConfigError, match=r"nobody can listen for call backs on 127.0.0.1"):
            call.run("WebHook", hook(endpoint), Policy(web_hooks=where))
    assert endpoint.received == []


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ({"listen": "here", "address": "https://h/"}, "webHooks.listen must be HOST:PORT"),
        ({"listen": "h:1", "address": "h"}, "webHooks.address must be an address"),
        ({"listen": "h:1", "address": "http://h", "key": "k"}, "webHooks.key needs"),
    ],
)
def test_what_is_configured_wrong_is_said_before_a_run(call: Caller, where: Json, told: str) -> None:
    call.write("WebHook", {"url": "https://x", "method": "POST", "body": {}})
    report = cover(load(call.root), Policy(web_hooks=where))
    assert told in str(report.findings[0])
    assert not report.pipelines[0].supported


def test_where_nobody_listens(call: Caller, endpoint: Endpoint) -> None:
    call.write("WebHook", hook(endpoint))
    report = cover(load(call.root), Policy())
    assert "needs before it runs: where call backs are listened for" in str(report.findings[0])
    assert report.pipelines[0].supported
    with pytest.raises(ConfigError, match="needs before it runs"):
        call.run("WebHook", hook(endpoint), Policy())
    assert endpoint.received == []


def test_one_that_is_right(call: Caller, hooks: Json) -> None:
    call.write(
        "WebHook",
        {
            "url": "https://x",
            "method": "post",
            "body": {},
            "timeout": "00:10:00",
            "reportStatusOnCallBack": True,
        },
    )
    report = cover(load(call.root), Policy(web_hooks=hooks))
    assert report.pipelines[0].supported, [str(each) for each in report.findings]
