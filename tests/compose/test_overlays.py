"""HTTPS by Caddy, figures by Prometheus and files in an object store: all overlays on one stack.

Where the engine can pull neither image, the same programs of Debian stand in for them. Grafana has
no stand-in: its dashboard's questions are put to Prometheus.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.broker import ROOT, free_port
from tests.compose.jobs import attacked, trained, until
from tests.compose.stack import Stack, planned, standing

pytestmark = pytest.mark.compose

FILES = (
    *("docker-compose.yml", "docker-compose.tls.yml", "docker-compose.observe.yml"),
    *("docker-compose.s3.yml", "tests/compose/standin/store.yml"),
)
STANDIN = "tests/compose/standin/docker-compose.yml"
IMAGES = ("caddy:2", "prom/prometheus:v3.5.0")
SERVICES = ("store", "worker", "recorder", "caddy")
KEYS = "[default]\naws_access_key_id = a-key\naws_secret_access_key = a-secret\n"
BUCKET = """
import boto3
keys = {"aws_access_key_id": "a-key", "aws_secret_access_key": "a-secret"}
store = boto3.client("s3", endpoint_url="http://127.0.0.1:5000", region_name="us-east-1", **keys)
"""
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "normscope.json"


@pytest.fixture(scope="module")
def dressed(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    variables = {
        "NORMSCOPE_HTTPS_PORT": str(free_port()),
        "NORMSCOPE_HTTP_PORT": str(free_port()),
        "NORMSCOPE_ARTIFACTS_URL": "s3://bucket/some/where",
        "NORMSCOPE_ARTIFACTS_ENDPOINT": "http://store:5000",
    }
    files = FILES if all(map(_pulled, IMAGES)) else (*FILES, STANDIN)
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "grafana_password").write_text("of-the-tests")
    (folder / "metrics_token").write_text("")
    (folder / "s3").write_text(KEYS)
    (folder / "s3").chmod(0o444)
    with standing(planned(folder, files=files, variables=variables), *SERVICES) as stack:
        make = ["tokens", "make", "--name", "prometheus", "--role", "read"]
        token = stack.compose("exec", "-T", "api", "python", "-m", "backend", *make)
        (folder / "metrics_token").write_text(token)
        (folder / "metrics_token").chmod(0o444)
        stored(stack, "store.create_bucket(Bucket='bucket')")
        stack.up("prometheus")
        yield stack


def _pulled(image: str) -> bool:
    asked = (["docker", "image", "inspect", image], ["docker", "pull", "-q", image])
    return any(subprocess.run(one, capture_output=True).returncode == 0 for one in asked)


@pytest.fixture(scope="module")
def client(dressed: Stack) -> Iterator[httpx.Client]:
    """One that trusts nobody but this Caddy."""
    path = "/data/caddy/pki/authorities/local/root.crt"
    root = dressed.compose("exec", "-T", "caddy", "cat", path)
    with httpx.Client(
        base_url=f"https://localhost:{dressed.variables['NORMSCOPE_HTTPS_PORT']}/api/v1",
        headers={"Authorization": f"Bearer {dressed.token}"},
        verify=ssl.create_default_context(cadata=root),
        timeout=30,
    ) as client:
        yield client


def test_only_the_proxy_has_ports(dressed: Stack) -> None:
    for service in ("web", "api", "redis", "database", "prometheus"):
        (container,) = dressed.containers(service)
        assert not dressed.inspect(container)["HostConfig"]["PortBindings"], service


def test_the_cookie_of_https_is_for_https_alone(dressed: Stack, client: httpx.Client) -> None:
    page = client.base_url.copy_with(path="/")
    answer = client.get(page, params={"token": dressed.token}, headers={"Authorization": ""})
    assert answer.status_code == 303
    assert "secure" in answer.headers["set-cookie"].lower()
    elsewhere = f"http://127.0.0.1:{dressed.variables['NORMSCOPE_HTTP_PORT']}/"
    moved = httpx.get(elsewhere, headers={"Host": "localhost"})
    assert moved.status_code == 308
    assert moved.headers["location"].startswith("https://localhost")


def test_events_come_through_the_proxy_as_they_happen(client: httpx.Client) -> None:
    job = trained(client)
    with client.stream("GET", "/events", params={"jobs": job}) as answer:
        first = next(line for line in answer.iter_lines() if line.startswith("data:"))
    assert job in first


def test_files_of_jobs_lie_in_the_store_alone(dressed: Stack, client: httpx.Client) -> None:
    network = trained(client)
    attacked(client, network)
    listed = stored(
        dressed, "print([o['Key'] for o in store.list_objects(Bucket='bucket')['Contents']])"
    )
    assert f"some/where/{network}" in listed
    (file, *_) = client.get(f"/jobs/{network}/artifacts").raise_for_status().json()["items"]
    assert len(client.get(f"/artifacts/{file['id']}").raise_for_status().content) == file["bytes"]
    look = "ls /data/artifacts 2>/dev/null || true"
    assert network not in dressed.compose("exec", "-T", "worker", "sh", "-c", look)


def stored(stack: Stack, program: str) -> str:
    """What a program prints that has the store at hand."""
    return stack.compose("exec", "-T", "store", "python", "-c", BUCKET + program)


def test_every_panel_of_the_dashboard_has_figures(dressed: Stack, client: httpx.Client) -> None:
    trained(client)
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        assert panel["datasource"]["uid"] == "prometheus"
        for target in panel["targets"]:
            look = partial(asked, dressed, target["expr"])
            until(look, f"{panel['title']}: {target['expr']}")


def test_the_alerts_are_loaded_and_none_fires(dressed: Stack) -> None:
    found = prometheus(dressed, "rules")["groups"]
    rules = {rule["name"]: rule for group in found for rule in group["rules"]}
    assert {"ApiAway", "NoRecorder", "RecorderLags"} <= set(rules)
    assert {rule["health"] for rule in rules.values()} <= {"ok", "unknown"}
    assert all(rule["state"] != "firing" for rule in rules.values())


def asked(stack: Stack, query: str) -> list[Any]:
    found: list[Any] = prometheus(stack, f"query?query={quote(query)}")["result"]
    return found


def prometheus(stack: Stack, path: str) -> dict[str, Any]:
    """What it answers: asked from beside it, for it has no port."""
    program = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
    url = f"http://prometheus:9090/api/v1/{path}"
    told = stack.compose("exec", "-T", "api", "python", "-c", program, url)
    found: dict[str, Any] = json.loads(told)["data"]
    return found
