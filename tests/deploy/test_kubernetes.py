"""The Kubernetes base: valid by its schemas, closed, and named as the code names it."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from starlette.testclient import TestClient

from tests.backend.conftest import client as client
from tests.backend.conftest import queue as queue
from tests.backend.conftest import settings as settings
from tests.backend.conftest import store as store
from tests.broker import ROOT
from tests.broker import broker as broker
from worker.contract.settings import Settings

FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = "1.32"
SECRETS = {"token", "redis_password", "database_password"}
"""What `make secrets` makes."""


@cache
def rendered(*components: str) -> list[dict[str, Any]]:
    """The base with components, as `kubectl apply -k` would send it."""
    found: list[dict[str, Any]] = []
    for part in ("base", *components):
        listed = yaml.safe_load((FOLDER / part / "kustomization.yaml").read_text())
        for name in listed["resources"]:
            found += yaml.safe_load_all((FOLDER / part / name).read_text())
    return found


def check(one: dict[str, Any]) -> None:
    """By the schemas that the package brings: nothing is fetched."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        kubernetes_validate.validate(one, VERSION, strict=True)


def pods() -> dict[str, dict[str, Any]]:
    kinds = ("Deployment", "StatefulSet")
    found = [one for one in rendered("gpu") if one["kind"] in kinds]
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in found}


@pytest.mark.parametrize("one", rendered("gpu"), ids=lambda one: one["metadata"]["name"])
def test_each_resource_is_valid(one: dict[str, Any]) -> None:
    check(one)


def test_what_is_not_valid_is_found() -> None:
    wrong = {**rendered()[-1], "spec": {"podSelektor": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        check(wrong)


def test_every_file_is_part_of_it() -> None:
    for folder in (path.parent for path in FOLDER.glob("*/kustomization.yaml")):
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert {path.name for path in folder.iterdir()} == {"kustomization.yaml", *listed}


def test_every_process_is_closed() -> None:
    for name, pod in pods().items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
        (container,) = pod["containers"]
        closed = container["securityContext"]
        assert closed["readOnlyRootFilesystem"], name
        assert closed["allowPrivilegeEscalation"] is False, name
        assert closed["capabilities"] == {"drop": ["ALL"]}, name
        assert "readinessProbe" in container, name
        assert container["resources"]["limits"]["memory"], name


def test_it_runs_the_services_of_the_compose_file() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(services) <= set(pods())
    assert set(pods()) - set(services) == {"worker-gpu"}
    selectors = {one["metadata"]["name"] for one in rendered() if one["kind"] == "Service"}
    assert selectors == {"redis", "database", "api", "web"}


def test_settings_are_known_and_secrets_are_made() -> None:
    (told,) = [one["data"] for one in rendered() if one["kind"] == "ConfigMap"]
    for pod in pods().values():
        told |= {one["name"]: one["value"] for one in pod["containers"][0].get("env", [])}
        for volume in pod["volumes"]:
            items = volume.get("secret", {}).get("items", [])
            assert {item["key"] for item in items} <= SECRETS
    ours = {name for name in told if name.startswith("NORMSCOPE_")} - {"NORMSCOPE_API_URL"}
    known = {f"NORMSCOPE_{name.upper()}" for name in Settings.model_fields}
    assert {name.removesuffix("_FILE") for name in ours} <= known
    values = {n: v for n, v in told.items() if not n.endswith("_FILE")}
    found = Settings.from_env(values)
    worker = pods()["worker"]
    assert found.grace_s < worker["terminationGracePeriodSeconds"]


def test_the_scaler_asks_what_the_api_answers(client: TestClient) -> None:
    scaler = next(one for one in rendered("keda") if one["kind"] == "ScaledObject")
    (told,) = [one["data"] for one in rendered() if one["kind"] == "ConfigMap"]
    assert scaler["spec"]["scaleTargetRef"]["name"] in pods()
    names = []
    for trigger in scaler["spec"]["triggers"]:
        url = urlsplit(trigger["metadata"]["url"])
        assert url.hostname in told["NORMSCOPE_ALLOWED_HOSTS"].split(",")
        found: Any = client.get(url.path.removeprefix("/api/v1")).json()
        for part in trigger["metadata"]["valueLocation"].split("."):
            found = found[part]
        assert found == 0
        names.append(trigger["name"])
    formula = scaler["spec"]["advanced"]["scalingModifiers"]["formula"]
    assert formula == " + ".join(names)


@pytest.mark.compose
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_renders_the_same(tmp_path: Path) -> None:
    """With the components beside the base, by kustomize itself."""
    place = os.path.relpath(FOLDER, tmp_path.resolve())
    told = {"resources": [f"{place}/base"], "components": [f"{place}/gpu", f"{place}/keda"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(told))
    said = subprocess.run(
        ["kubectl", "kustomize", tmp_path], capture_output=True, check=True
    ).stdout
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(said)}
    ours = rendered("gpu", "keda")
    assert set(found) == {(one["kind"], one["metadata"]["name"]) for one in ours}
    assert {one["metadata"]["namespace"] for one in found.values()} == {"normscope"}
    for one in ours:
        assert found[one["kind"], one["metadata"]["name"]].get("data") == one.get("data")
