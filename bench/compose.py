"""The composed stack: sizes of its images, its start, a build after a change of the code, and what
one, two and three workers get through. Needs a Docker engine, and takes some ten minutes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.table import Row
from tests.broker import ROOT
from tests.compose.jobs import finished, launched, trained, until
from tests.compose.stack import Stack, planned, said, standing

BASE = "python:3.11-slim-bookworm"
CODE = ("backend/app.py", "frontend/app.py", "worker/runner.py")
WORKERS = (1, 2, 3, 3, 2, 1)
"""Back and forth, so that a noisy machine disturbs every count alike."""
JOBS = 12
SPEC = {
    "dataset": {"name": "digits"},
    "model": {"name": "mlp", "hidden": [128, 128]},
    "epochs": 20,
    "log_every": 1,
}
POINTS = "normscope_points_recorded_total"


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        tree, secrets = Path(folder, "tree"), Path(folder, "secrets")
        secrets.mkdir()
        checked_out(tree)
        stack = planned(secrets, root=tree)
        with standing(stack):
            yield from sizes(stack)
            yield started(stack)
            yield changed(stack, tree)
            yield from scaled(stack)


def checked_out(tree: Path) -> None:
    """The last commit's files: a build of its own, which may be changed."""
    tree.mkdir()
    packed = tree.parent / "tree.tar"
    said(["git", "-C", str(ROOT), "archive", "-o", str(packed), "HEAD"])
    said(["tar", "-xf", str(packed), "-C", str(tree)])


def sizes(stack: Stack) -> Iterator[Row]:
    base = _bytes(BASE)
    for service, goal in (("api", "< 350 MB"), ("web", "< 350 MB"), ("worker", "")):
        size = _bytes(f"{stack.name}-{service}") - base
        yield Row(f"image of {service}, above its base", f"{size / 1e6:.0f} MB", goal)


def _bytes(image: str) -> int:
    return int(said(["docker", "image", "inspect", "-f", "{{.Size}}", image]))


def started(stack: Stack) -> Row:
    stack.compose("down", "--volumes", "--timeout", "20")
    began = time.perf_counter()
    stack.compose("up", "-d", "--wait", "--no-build")
    taken = time.perf_counter() - began
    return Row("start on empty volumes, until all are healthy", f"{taken:.1f} s", "", _load())


def changed(stack: Stack, tree: Path) -> Row:
    for name in CODE:
        with (tree / name).open("a") as file:
            file.write("# changed\n")
    before, began = _id(stack), time.perf_counter()
    stack.compose("build")
    taken = time.perf_counter() - began
    assert not set(before) & set(_id(stack))
    return Row("build after a change in every image's code", f"{taken:.1f} s", "", _load())


def _id(stack: Stack) -> list[str]:
    """Of the images whose code changed."""
    names = [f"{stack.name}-{service}" for service in ("api", "web", "worker")]
    return said(["docker", "image", "inspect", "-f", "{{.Id}}", *names]).split()


def scaled(stack: Stack) -> Iterator[Row]:
    with stack.client() as client:
        for workers in WORKERS:
            stack.scale(workers)
            until(lambda workers=workers: _alive(client) == workers, "a worker is missing")  # type: ignore[misc]
            with ThreadPoolExecutor(workers) as clients:
                list(clients.map(lambda _: trained(client), range(2 * workers)))  # warm
            yield through(client, workers)


def through(client: httpx.Client, workers: int) -> Row:
    """Jobs that tell every step, all submitted at once."""
    before, began = _points(client), time.perf_counter()
    jobs = [launched(client, "train", **SPEC) for _ in range(JOBS)]
    ended = [finished(client, job) for job in jobs]
    taken = time.perf_counter() - began
    assert all(job["state"] == "succeeded" for job in ended)
    points = _points(client) - before
    return Row(
        f"{workers} worker{'s' if workers > 1 else ''}: jobs a minute",
        f"{60 * JOBS / taken:.1f}",
        "",
        f"{points / taken:,.0f} points a second, all recorded; {_load()}",
    )


def _alive(client: httpx.Client) -> int:
    found: list[Any] = client.get("/workers").raise_for_status().json()["items"]
    return len(found)


def _points(client: httpx.Client) -> float:
    lines = client.get("/metrics").raise_for_status().text.splitlines()
    return float(next((line for line in lines if line.startswith(POINTS)), "x 0").split()[1])


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"
