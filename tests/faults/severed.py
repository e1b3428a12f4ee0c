"""A worker on a machine of its own, as far as the network goes: a namespace behind one cable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from backend.local.broker import find_server
from tests.broker import free_port
from tests.e2e.explorer import ROOT, until

HERE, THERE = "198.18.0.1", "198.18.0.2"
"""Addresses that are kept for tests of networks (RFC 2544)."""
PASSWORD = "broker-password"


class Cable:
    """A pair of virtual devices, the other end in a namespace."""

    def __init__(self) -> None:
        self.namespace = f"normscope-{os.getpid()}"
        self.near, self.far = f"nsa{os.getpid()}", f"nsb{os.getpid()}"

    def lay(self) -> None:
        ip("netns", "add", self.namespace)
        ip("link", "add", self.near, "type", "veth", "peer", "name", self.far)
        ip("link", "set", self.far, "netns", self.namespace)
        ip("addr", "add", f"{HERE}/30", "dev", self.near)
        inside = ("-n", self.namespace)
        ip(*inside, "addr", "add", f"{THERE}/30", "dev", self.far)
        ip(*inside, "link", "set", self.far, "up")
        ip(*inside, "link", "set", "lo", "up")
        self.mend()

    def cut(self) -> None:
        """Nothing passes, and nobody is told."""
        ip("link", "set", self.near, "down")

    def mend(self) -> None:
        ip("link", "set", self.near, "up")

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "del", self.namespace], check=False)
        subprocess.run(["ip", "link", "del", self.near], check=False, stderr=subprocess.DEVNULL)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def cable() -> Iterator[Cable]:
    """Needs root. Raises OSError or CalledProcessError where there are no namespaces."""
    laid = Cable()
    try:
        laid.lay()
        yield laid
    finally:
        laid.remove()


@contextmanager
def broker_at_the_cable(folder: Path) -> Iterator[str]:
    """The address of a broker that both ends reach."""
    port = free_port()
    folder.mkdir()
    server = str(find_server(os.environ["PATH"]))
    asked = {"bind": HERE, "port": str(port), "requirepass": PASSWORD, "dir": str(folder)}
    words = [word for name, value in asked.items() for word in (f"--{name}", value)]
    process = subprocess.Popen([server, *words, "--save", ""], stdout=subprocess.DEVNULL)
    url = f"redis://:{PASSWORD}@{HERE}:{port}/0"
    try:
        with redis.Redis.from_url(url) as client:
            until(lambda: _answers(client), 20, "the broker does not answer")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def worker_beyond(laid: Cable, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker at the other end."""
    inside = ["ip", "netns", "exec", laid.namespace]
    process = subprocess.Popen([*inside, sys.executable, "-m", "worker.serve"], cwd=ROOT, env=env)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
