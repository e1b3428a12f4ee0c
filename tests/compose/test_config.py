"""What the compose files say: valid without any .env, closed but for one port."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.broker import ROOT
from tests.compose.stack import SERVICES, said
from worker.contract.settings import Settings

pytestmark = [
    pytest.mark.compose,
    pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed"),
]


def config(*files: str, **env: str) -> dict[str, Any]:
    chosen = [part for file in files for part in ("-f", str(ROOT / file))]
    command = ["docker", "compose", "--env-file", os.devnull, *chosen, "config", "--format", "json"]
    found: dict[str, Any] = json.loads(said(command, {"PATH": os.environ["PATH"], **env}))
    return found


def test_every_service_is_closed() -> None:
    services = config("docker-compose.yml")["services"]
    assert set(services) == set(SERVICES)
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name


OURS = {"host", "api_port", "token", "data_dir", "workers"} | {
    f"{server}_{what}" for server in ("redis", "database") for what in ("url", "password")
}
"""Settings that the compose file itself makes up."""
PLACES = {"port", "datasets_dir"}
"""Of the machine: tested below."""
STORE = {"artifacts_url", "artifacts_endpoint", "datasets_url"}
"""Of docker-compose.s3.yml."""


def test_every_other_setting_reaches_its_services() -> None:
    ours = OURS | PLACES | STORE
    asked = {f"NORMSCOPE_{name.upper()}" for name in set(Settings.model_fields) - ours}
    services = config("docker-compose.yml", **dict.fromkeys(asked, "77"))["services"].values()
    told = [item for one in services for item in one.get("environment", {}).items()]
    given = {name for name, value in told if "77" in value}
    assert given == asked


def test_an_object_store_is_for_those_who_read_and_write_files() -> None:
    asked = {f"NORMSCOPE_{name.upper()}": "s3://77/x" for name in STORE}
    services = config("docker-compose.yml", "docker-compose.s3.yml", **asked)["services"]
    told = {name: set(one.get("environment", {})) & set(asked) for name, one in services.items()}
    assert {name for name, found in told.items() if found} == {"api", "worker", "desk"}
    assert told["worker"] == set(asked)
    for name in ("api", "worker", "desk"):
        assert "outside" in services[name]["networks"]
        assert "s3" in {secret["source"] for secret in services[name]["secrets"]}


@pytest.mark.parametrize(
    ("overlay", "service", "ports"),
    [
        ("tls", "caddy", {("caddy", "80"), ("caddy", "443")}),
        ("observe", "prometheus", {("web", "8050"), ("grafana", "3000")}),
    ],
)
def test_an_overlay_is_closed_too(overlay: str, service: str, ports: set[Any]) -> None:
    services = config("docker-compose.yml", f"docker-compose.{overlay}.yml")["services"]
    published = {
        (name, port["published"]) for name, one in services.items() for port in one.get("ports", [])
    }
    assert published == ports
    assert services[service]["read_only"]
    assert services[service]["cap_drop"] == ["ALL"]


def test_traces_go_where_one_says_and_to_a_viewer_of_this_machine() -> None:
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318", "COMPOSE_PROFILES": "traces"}
    found = config("docker-compose.yml", "docker-compose.observe.yml", **where)
    services = found["services"]
    told = {
        name
        for name, one in services.items()
        if "http://jaeger:4318" in one.get("environment", {}).values()
    }
    assert told == {"api", "recorder", "worker"}
    for name in (*told, "jaeger"):
        assert "traces" in services[name]["networks"], name
    assert found["networks"]["traces"]["internal"]
    (port,) = services["jaeger"]["ports"]
    assert (port["host_ip"], port["target"]) == ("127.0.0.1", 16686)
    assert services["jaeger"]["cap_drop"] == ["ALL"]


JOIN = {"NORMSCOPE_JOIN": "10.0.0.5", "NORMSCOPE_ARTIFACTS_URL": "s3://bucket/x"}


def test_other_hosts_reach_redis_at_one_address_by_tls_alone() -> None:
    redis = config("docker-compose.yml", "docker-compose.join.yml", **JOIN)["services"]["redis"]
    (port,) = redis["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("10.0.0.5", "6380", 6380)
    assert redis["command"][1:3] == ["--tls-port", "6380"]
    assert '"$$@"' in redis["entrypoint"][-1]
    assert {s["source"] for s in redis["secrets"]} >= {"redis_certificate", "redis_key"}


def test_a_worker_elsewhere_needs_no_other_service() -> None:
    files = ("docker-compose.yml", "docker-compose.s3.yml", "docker-compose.worker.yml")
    worker = config(*files, **JOIN)["services"]["worker"]
    url = worker["environment"]["NORMSCOPE_REDIS_URL"]
    assert url.startswith("rediss://10.0.0.5:6380/0?ssl_cert_reqs=required&ssl_ca_certs=/run/")
    assert list(worker["networks"]) == ["outside"]
    assert not worker.get("depends_on")
    secrets = {secret["source"] for secret in worker["secrets"]}
    assert secrets == {"redis_password", "redis_certificate", "s3"}


def test_only_the_page_has_a_port_and_only_on_this_machine() -> None:
    services = config("docker-compose.yml", NORMSCOPE_PORT="8123")["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(published) == ["web"]
    (port,) = published["web"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "8123", 8050)


def test_the_workers_read_data_sets_of_this_machine(tmp_path: Path) -> None:
    services = config("docker-compose.yml", NORMSCOPE_DATASETS_DIR=str(tmp_path))["services"]
    for name in ("worker", "desk"):
        (mount,) = [one for one in services[name]["volumes"] if one["target"] == "/datasets"]
        assert (mount["source"], mount["read_only"]) == (str(tmp_path), True)


def test_the_servers_stand_on_networks_without_a_way_out() -> None:
    found = config("docker-compose.yml")
    for server, network in (("redis", "broker"), ("database", "database")):
        assert list(found["services"][server]["networks"]) == [network]
        assert found["networks"][network]["internal"]
    reach = {name for name, one in found["services"].items() if "database" in one["networks"]}
    assert reach == {"database", "api", "recorder"}


def test_secrets_are_files_and_nothing_but_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("not-to-be-told")
    found = config("docker-compose.yml", NORMSCOPE_SECRETS=str(tmp_path))
    named = {name: Path(secret["file"]) for name, secret in found["secrets"].items()}
    assert named == {
        name: tmp_path / name for name in ("token", "redis_password", "database_password")
    }
    assert "not-to-be-told" not in json.dumps(found)
    given = {
        name: {s["source"] for s in one.get("secrets", [])}
        for name, one in found["services"].items()
    }
    assert given["web"] == set()
    assert given["worker"] == given["desk"] == {"redis_password"}


@pytest.mark.parametrize(("profile", "gpus"), [("", 1), ("two-gpus", 2), ("four-gpus", 4)])
def test_the_overlay_gives_each_worker_a_gpu_of_its_own(profile: str, gpus: int) -> None:
    files = ("docker-compose.yml", "docker-compose.gpu.yml")
    services = config(*files, COMPOSE_PROFILES=profile)["services"]
    workers = {name: one for name, one in services.items() if name.startswith("worker")}
    ids = []
    for worker in workers.values():
        assert worker["command"] is None
        assert worker["build"]["target"] == "worker"
        assert worker["read_only"]
        assert worker["environment"]["NORMSCOPE_DEVICE"] == "cuda"
        assert "NORMSCOPE_REDIS_URL" in worker["environment"]
        (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
        assert device["driver"] == "nvidia"
        ids += device["device_ids"]
    assert sorted(ids) == [str(number) for number in range(gpus)]
