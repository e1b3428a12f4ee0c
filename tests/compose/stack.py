"""The stack of docker-compose.yml under a project name of its own, on a real engine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.broker import ROOT, free_port

SERVICES = ("redis", "database", "api", "recorder", "worker", "desk", "web")
BUILD_S, UP_S = 1800, 600


def without_engine() -> str | None:
    """Why there is nothing to run on; None where an engine with Compose answers."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        asked = subprocess.run(command, capture_output=True, text=True)
        if asked.returncode != 0:
            lines = asked.stderr.strip().splitlines() or ["no message"]
            return f"`{' '.join(command)}`: {lines[-1]}"
    return None


@dataclass(frozen=True)
class Stack:
    """One project: its name, the port of its page, the folder of its secrets; its compose files,
    the checkout that they lie in, and variables that only they know."""

    name: str
    port: int
    folder: Path
    files: tuple[str, ...] = ("docker-compose.yml",)
    root: Path = ROOT
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text()

    def compose(self, *args: str, seconds: float = UP_S) -> str:
        """What `docker compose` prints; AssertionError with its complaint where it fails."""
        files = [part for file in self.files for part in ("-f", str(self.root / file))]
        where = ["--env-file", os.devnull, "--project-directory", str(self.root), *files]
        command = ["docker", "compose", *where, "-p", self.name, *args]
        return said(command, self.env(), seconds)

    def env(self) -> dict[str, str]:
        """No variable of whoever runs the tests: only what finds docker, and this stack's own."""
        inherited = {key: os.environ[key] for key in os.environ if _finds_docker(key)}
        own = {"NORMSCOPE_PORT": str(self.port), "NORMSCOPE_SECRETS": str(self.folder)}
        return {**inherited, **own, **self.variables}

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
            transport=httpx.HTTPTransport(retries=2),
        )

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "-a", "-q", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(said(["docker", "inspect", container]))[0]
        return found

    def crash(self, service: str) -> None:
        """Kill every process of a service's container but its first, which then ends too: a death
        from inside, so that the engine's restart policy has to act."""
        user = ["-u", "postgres"] if service == "database" else []
        shell = ["sh", "-c", "kill -KILL -1"]
        (container,) = self.containers(service)
        subprocess.run(["docker", "exec", *user, container, *shell], capture_output=True)

    def again(self, service: str, restarts: int) -> bool:
        """Whether the engine started it again so many times, and it is healthy."""
        (container,) = self.containers(service)
        found = self.inspect(container)
        healthy = found["State"].get("Health", {}).get("Status") == "healthy"
        return bool(healthy and found["RestartCount"] >= restarts)

    def stop(self, service: str) -> None:
        self.compose("stop", "--timeout", "20", service)

    def start(self, service: str) -> None:
        self.compose("start", service)

    def pause(self, service: str) -> None:
        self.compose("pause", service)

    def unpause(self, service: str) -> None:
        self.compose("unpause", service)

    def unplug(self, service: str) -> None:
        """Take redis or database off its network."""
        (container,) = self.containers(service)
        said(["docker", "network", "disconnect", self.network(service), container])

    def plug(self, service: str) -> None:
        (container,) = self.containers(service)
        network = self.network(service)
        said(["docker", "network", "connect", "--alias", service, network, container])

    def network(self, service: str) -> str:
        return f"{self.name}_{'broker' if service == 'redis' else service}"

    def scale(self, workers: int) -> None:
        how = ["-d", "--no-build", "--no-recreate", "--wait"]
        self.compose("up", *how, "--scale", f"worker={workers}")

    def up(self, *services: str) -> None:
        """Build all images; start these services and what they rest on, or all."""
        self.compose("build", seconds=BUILD_S)
        self.compose("up", "-d", "--wait", "--no-build", *services)

    def down(self) -> None:
        self.compose("down", "--volumes", "--rmi", "local", "--remove-orphans", "--timeout", "20")

    def left(self) -> list[str]:
        """What the engine still has of this project."""
        label = ["--filter", f"label=com.docker.compose.project={self.name}"]
        asked = (
            ["docker", "ps", "-aq", *label],
            ["docker", "network", "ls", "-q", *label],
            ["docker", "volume", "ls", "-q", *label],
            ["docker", "images", "-q", f"{self.name}-*"],
        )
        return [line for command in asked for line in said(command).split()]


def said(command: list[str], env: dict[str, str] | None = None, seconds: float = UP_S) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr[-4000:]}"
    return done.stdout


def _finds_docker(key: str) -> bool:
    return key in ("PATH", "HOME") or key.startswith(("DOCKER_", "XDG_"))


def planned(folder: Path, **how: Any) -> Stack:
    """A stack of its own name and port, with new secrets in the folder; nothing runs yet."""
    for name in ("token", "redis_password", "database_password"):
        (folder / name).write_text(secrets.token_hex(24))
        (folder / name).chmod(0o444)
    return Stack(f"normscope-test-{secrets.token_hex(4)}", free_port(), folder, **how)


@contextmanager
def standing(stack: Stack, *services: str) -> Iterator[Stack]:
    """The stack, up; brought down on the way out, without a leftover."""
    try:
        stack.up(*services)
        assert stack.left()
        yield stack
    finally:
        stack.down()
        assert stack.left() == []
