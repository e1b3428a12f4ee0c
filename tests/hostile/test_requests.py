"""What a hostile client sends to either server: paths, names, origins, bodies, headers, names."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.explorer import Explorer
from tests.hostile.conftest import api
from tests.hostile.names import train

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("hostile")]

SERVERS = ("web", "api")


def address(explorer: Explorer, server: str) -> str:
    return explorer.url if server == "web" else api(explorer)


def raw(url: str, request: bytes) -> bytes:
    """What a server answers to these very bytes, up to its end or its silence."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), 60) as line:
        line.settimeout(60)
        line.sendall(request)
        found = b""
        while part := line.recv(65536):
            found += part
    return found


def head(explorer: Explorer, method: str, path: str, *lines: str) -> bytes:
    bearer = f"Authorization: Bearer {explorer.token}"
    asked = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", bearer, "Connection: close", *lines]
    return "\r\n".join([*asked, "", ""]).encode("latin-1")


PATHS = [
    "/api/v1/artifacts/../../../../etc/passwd",
    "/api/v1/artifacts/..%2f..%2f..%2fetc%2fpasswd",
    "/api/v1/artifacts/%2e%2e/%2e%2e/etc/passwd",
    "/api/v1/artifacts/%252e%252e%252fetc%252fpasswd",
    "/api/v1/artifacts/..%5c..%5cetc%5cpasswd",
    "/api/v1/artifacts/%c0%ae%c0%ae/etc/passwd",
    "/api/v1/jobs/../artifacts/..%00/etc/passwd",
    "/assets/../../../../etc/passwd",
    "/assets/..%2f..%2f..%2fetc%2fpasswd",
    "/assets/%2e%2e/app.py",
    "/assets/..%5capp.py",
    "/assets//etc/passwd",
    "/assets/../app.py",
    "/_dash-component-suites/dash/../../../../etc/passwd",
    "/_dash-component-suites/dash/..%2f..%2f..%2fversion.py",
    "/_dash-component-suites/os/path.py",
    "//etc/passwd",
    "/%2e%2e%2f%2e%2e%2fetc/passwd",
    "http://evil.example/etc/passwd",
    "*",
]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out(explorer: Explorer, server: str, path: str) -> None:
    found = raw(address(explorer, server), head(explorer, "GET", path))
    status = int(found.split(b" ", 2)[1])
    assert 400 <= status < 500, found[:200]
    for secret in (b"root:", b"def create_app", b"import ", explorer.token.encode()):
        assert secret not in found


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[", "127.0.0.1\tx"],
)
def test_a_name_that_was_bound_anew_is_refused(explorer: Explorer, server: str, host: str) -> None:
    asked = head(explorer, "GET", "/api/v1/jobs").replace(
        b"Host: 127.0.0.1", f"Host: {host}".encode()
    )
    assert raw(address(explorer, server), asked).split(b" ", 2)[1] in (b"421", b"400")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "foreign",
    [
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1.evil.example"},
    ],
)
def test_another_site_cannot_act_with_the_cookie(
    explorer: Explorer, server: str, method: str, foreign: dict[str, str]
) -> None:
    headers = {"Cookie": f"normscope_token={explorer.token}", **foreign}
    url = f"{address(explorer, server)}/api/v1/jobs"
    assert httpx.request(method, url, headers=headers, json=train()).status_code == 403


def test_another_site_may_not_read(explorer: Explorer) -> None:
    for server in SERVERS:
        asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        for method in ("OPTIONS", "GET"):
            answer = httpx.request(
                method, f"{address(explorer, server)}/api/v1/jobs", headers=asked
            )
            assert answer.status_code == 401
            assert not [name for name in answer.headers if name.startswith("access-control")]


BODIES = {
    "wide": b'{"a":' + b"1," * 300_000 + b"1}",
    "deep lists": b"[" * 400_000,
    "deep objects": b'{"spec":' * 100_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "a long number": b'{"kind":' + b"1" * 500_000 + b"}",
    "a long exponent": b'{"kind":1e' + b"9" * 500_000 + b"}",
    "many names": b"{" + b",".join(b'"%d":0' % i for i in range(70_000)) + b"}",
    "2 MB": b'"' + b"a" * 2_000_000 + b'"',
    "NUL": b"\0" * 1000,
    "a bomb of lists": json.dumps({"kind": "train", "spec": [[0] * 9] * 9_000}).encode(),
}


@pytest.mark.parametrize("path", ["/jobs", "/estimate", "/sweeps", "/jobs/a/probes"])
@pytest.mark.parametrize("what", BODIES)
def test_bodies_that_are_meant_to_hurt(explorer: Explorer, path: str, what: str) -> None:
    with explorer.client() as client:
        answer = client.post(
            path, content=BODIES[what], headers={"Content-Type": "application/json"}, timeout=60
        )
        assert answer.status_code in (400, 404, 413, 422), answer.text[:300]
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 20_000
        assert client.get("/session").status_code == 204


@pytest.mark.parametrize("what", ["deep lists", "deep objects", "NUL", "wide"])
def test_dash_is_asked_for_nonsense(explorer: Explorer, what: str) -> None:
    answer = httpx.post(
        f"{explorer.url}/_dash-update-component",
        content=BODIES[what],
        headers={"Authorization": f"Bearer {explorer.token}", "Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    "lines",
    [
        ("Transfer-Encoding: chunked", "Content-Length: 3"),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Content-Length: -1",),
        ("Transfer-Encoding: xchunked",),
        ("X-A: a\nX-B: b",),
        ("X-A : a",),
        ("X-" + "a" * 100_000 + ": a",),
        ("X-A: " + "a" * 100_000,),
    ],
)
def test_heads_that_mean_two_things(
    explorer: Explorer, server: str, lines: tuple[str, ...]
) -> None:
    smuggled = head(explorer, "GET", "/api/v1/audit?limit=1")
    found = raw(
        address(explorer, server), head(explorer, "POST", "/api/v1/jobs", *lines) + smuggled
    )
    assert found.count(b"HTTP/1.1 ") <= 1, found[:400]
    assert b'"items"' not in found
    assert not found or found.split(b" ", 2)[1][:1] == b"4", found[:200]


@pytest.mark.parametrize(
    "text", ["http://[", "a\r\nSet-Cookie: x=1", "a%0d%0aSet-Cookie:%20x=1", "a\nb", "é"]
)
def test_nothing_that_is_sent_becomes_a_header(explorer: Explorer, text: str) -> None:
    with explorer.client() as client:
        asked = [
            client.get("/jobs", params={"q": text}),
            client.get(f"/jobs/{text.encode().hex()}%0d%0aSet-Cookie:x=1"),
            client.post("/jobs", json=train(name=text)),
            httpx.get(f"{explorer.url}/?token={explorer.token}&next=%0d%0aSet-Cookie:x=1"),
            httpx.post(f"{explorer.url}/login", data={"token": explorer.token, "next": text}),
        ]
    for answer in asked:
        assert "x=1" not in answer.headers.get("set-cookie", "")
        assert "\n" not in answer.headers.get("location", "")
    if asked[2].status_code == 201:
        with explorer.client() as client:
            client.post(f"/jobs/{asked[2].json()['id']}/cancel")


@pytest.mark.parametrize("name", ["__proto__", "constructor", "prototype", "toString", "__class__"])
def test_names_of_the_language_are_only_names(explorer: Explorer, name: str) -> None:
    with explorer.client() as client:
        for body in (
            {name: {"polluted": 1}, **train()},
            train(**{name: 1}),
            {**train(), "spec": {**train()["spec"], name: {"a": 1}}},
        ):
            assert client.post("/estimate", json=body).status_code == 422
        sweep = {"base": train(), "grid": {f"spec.model.{name}": [1]}}
        assert client.post("/sweeps", json=sweep).status_code == 422
        overlay = {"jobs": name, "name": name}
        nothing = {"items": [], "cursors": {}}
        assert client.get("/overlay", params=overlay).json() == nothing


def test_no_log_and_no_file_of_the_store_holds_the_token(explorer: Explorer) -> None:
    """After all of the above, and what else the session's tests did."""
    given = explorer.token
    for path in ("/", f"/?token={given}", f"/nope?token={given}x", f"/api/v1/jobs?token={given}"):
        for headers in ({"Authorization": f"Bearer {given}"}, {"Host": "evil"}, {}):
            httpx.get(explorer.url + path, headers=headers)
    held = [
        path.name
        for path in explorer.data_dir.rglob("*")
        if path.is_file() and path.name != "token" and given.encode() in path.read_bytes()
    ]
    assert held == []
