"""Jobs in every phase that a fault may hit, how they end undisturbed, and whether they still do."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from tests.e2e import explorer as e2e
from tests.faults.stand import FROZEN_S, PATIENCE_S, Stand
from tests.faults.viewer import Viewer
from worker.lab.states import State, digest

QUICK_S, FROZEN_WORKER_S = 20.0, 75.0
WORKERS = ("training child", "worker")
THINGS = ("file lock", "broker's clock")
"""Targets that are no processes."""

SMALL = {
    "dataset": {"name": "digits"},
    "model": {"name": "mlp", "hidden": [16]},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "diagnostics": [{"name": "accuracy"}],
    "batch_size": 16,
    "epochs": 40,
    "log_every": 1,
}
LARGE = {**SMALL, "model": {"name": "mlp", "hidden": [512, 512]}, "batch_size": 64, "epochs": 30}
SPECS = {
    "training": SMALL,
    "queued": {**SMALL, "epochs": 10, "seed": 1},
    "checkpointing": LARGE,
    "cancelling": {**SMALL, "epochs": 2000},
}
ATTACK = {"attacks": [{"name": "pgd", "steps": 60}], "eps_grid": [0.0, 0.05, 0.1, 0.2]}
PHASES = ("queued", "training", "checkpointing", "attacking", "cancelling")
LOSS = "train/loss"
VIEWED = ("training", "checkpointing")
"""Phases of jobs that somebody watches in a browser all the while."""
ROUNDS = (("training", "cancelling", "queued"), ("checkpointing", "attacking"))
"""Phases that share a fault: two jobs run and the rest waits."""


@dataclass(frozen=True)
class End:
    """What a job came to: every point of its loss (or its attack's curve), and its file."""

    told: Any
    sha256: str


@dataclass
class Undisturbed:
    """The same jobs without a fault, each run when it is first asked for."""

    stand: Stand
    source: str = ""
    _ends: dict[str, End] = field(default_factory=dict)

    def end(self, phase: str) -> End:
        if phase not in self._ends:
            job = submit(self.stand, phase, self)
            done = self.stand.explorer.wait_job(job, PATIENCE_S)
            assert done["state"] == "succeeded", done["error"]
            self._ends[phase] = end(self.stand, phase, job)
        return self._ends[phase]

    def network(self) -> str:
        """A trained network to attack."""
        if not self.source:
            self.source = self.stand.post({"kind": "train", "spec": SPECS["queued"]})
            self.stand.explorer.wait_job(self.source, PATIENCE_S)
        return self.source


@dataclass(frozen=True)
class Cell:
    """How one job fared: how long until it was seen to go on, what is wrong, and what `limit` of
    seconds a machine with a core for each of its processes would hold it to."""

    seconds: float = 0.0
    wrong: str = ""
    limit: float = QUICK_S
    load: float = 0.0

    @property
    def late(self) -> bool:
        return self.seconds > self.limit


def submit(stand: Stand, phase: str, undisturbed: Undisturbed) -> str:
    if phase == "attacking":
        spec = {"source": undisturbed.network(), **ATTACK}
        return stand.post({"kind": "attack", "name": phase, "spec": spec})
    return stand.post({"kind": "train", "name": phase, "spec": SPECS[phase]})


def end(stand: Stand, phase: str, job: str) -> End:
    files = stand.ask("GET", f"/jobs/{job}/artifacts")["items"]
    name = "attack.csv" if phase == "attacking" else "final.safetensors"
    attempt = max(one["attempt"] for one in files if one["name"] == name)
    file = stand.data_dir / "artifacts" / job / str(attempt) / name
    if phase == "attacking":
        told: Any = stand.points(job, "attack/pgd/accuracy")[-1]["value"]
    else:
        told = [(item["step"], item["value"]) for item in stand.history(job, LOSS)]
    return End(told, _digest(file))


def _digest(file: Path) -> str:
    """Of every bit; the header of a safetensors file has no order."""
    if file.suffix != ".safetensors":
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return digest(State(load_file(file), {}))


def watched(phase: str) -> str:
    return "attack/pgd/progress" if phase == "attacking" else LOSS


def hit(
    stand: Stand,
    undisturbed: Undisturbed,
    target: str,
    how: str,
    phases: tuple[str, ...],
) -> dict[str, Cell]:
    """Bring jobs into the phases, strike once, and see what becomes of each."""
    ends = {phase: undisturbed.end(phase) for phase in phases if phase != "cancelling"}
    jobs = {phase: submit(stand, phase, undisturbed) for phase in phases if phase != "queued"}
    viewers = {phase: Viewer(stand, jobs[phase], LOSS) for phase in VIEWED if phase in jobs}
    for viewer in viewers.values():
        viewer.start()
    for phase, job in jobs.items():
        e2e.until(lambda p=phase, j=job: stand.points(j, watched(p)), PATIENCE_S, "never ran")
    # Only now, for a short job may pass a long one that has not begun.
    jobs |= {phase: submit(stand, phase, undisturbed) for phase in phases if phase == "queued"}
    seconds, load = _struck(stand, target, how, jobs)
    limit = FROZEN_WORKER_S if target in WORKERS and how == "SIGSTOP" else QUICK_S
    cells = {}
    for phase, job in jobs.items():
        done = e2e.until(lambda job=job: e2e.ended(stand.job(job)), PATIENCE_S, "never ended")
        wrong = _wrong(stand, phase, done, ends.get(phase), undisturbed)
        if not wrong and phase in viewers:
            wrong = viewers[phase].wrong()
        cells[phase] = Cell(seconds[phase], wrong, limit, load)
    stand.settle()
    return cells


def _struck(
    stand: Stand, target: str, how: str, jobs: dict[str, str]
) -> tuple[dict[str, float], float]:
    """Strike while all jobs are where they should be: after how many seconds each was seen to go
    on, and how many processes wanted a core then, for each there is."""
    processes = stand.struck(target) if target not in THINGS else []
    before = {phase: stand.job(job) for phase, job in jobs.items()}
    for phase, job in before.items():
        wanted = "queued" if phase == "queued" else "running"
        assert job["state"] == wanted, f"{phase}: {job['state']} before the fault"
    if "checkpointing" in jobs:
        _await_state_file(stand, jobs["checkpointing"])
    asking = _cancel(stand, jobs.get("cancelling"))
    struck_at = time.time()
    stand.strike(target, how, processes)
    began = _counted_from(target, how, struck_at)
    seen = _goes_on(stand, before, struck_at)
    if asking is not None:
        asking.join()
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return {phase: max(0.0, at - began) for phase, at in seen.items()}, load


def _counted_from(target: str, how: str, struck_at: float) -> float:
    """A frozen worker's time counts from the fault; what others do while frozen is no recovery,
    nor is a supervisor's absence before it is started again."""
    if how in ("SIGSTOP", "locked") and target not in WORKERS:
        return struck_at + FROZEN_S
    return time.time() if target in ("supervisor", "database") else struck_at


def _await_state_file(stand: Stand, job: str) -> None:
    """Until a state is being written: there is a file that has not its name yet."""
    folder = stand.data_dir / "artifacts" / job / "1"
    until = time.monotonic() + PATIENCE_S
    while not any(file.name.startswith(".resume-") for file in _files(folder)):
        assert time.monotonic() < until, "no state is ever written"
        time.sleep(0.0005)


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _cancel(stand: Stand, job: str | None) -> threading.Thread | None:
    """Ask while the fault strikes, and again until it is answered."""
    if job is None:
        return None
    path = f"/jobs/{job}/cancel"
    asking = threading.Thread(target=lambda: stand.ask("POST", path))
    asking.start()
    return asking


def _goes_on(stand: Stand, before: dict[str, dict[str, Any]], since: float) -> dict[str, float]:
    """When each job was first seen to have ended or measured after the fault."""
    seen: dict[str, float] = {}
    until = time.monotonic() + PATIENCE_S
    while len(seen) < len(before):
        for phase, job in before.items():
            if phase not in seen and _went_on(stand, phase, job, since):
                seen[phase] = time.time()
        assert time.monotonic() < until, f"only {sorted(seen)} went on"
        time.sleep(0.05)
    return seen


def _went_on(stand: Stand, phase: str, job: dict[str, Any], since: float) -> bool:
    if stand.job(job["id"])["state"] in ("succeeded", "failed", "cancelled"):
        return True
    if phase == "cancelling":
        return False
    points = stand.points(job["id"], watched(phase), job["cursor"])
    return any(point["time"] > since for point in points)


def _wrong(
    stand: Stand, phase: str, done: dict[str, Any], wanted: End | None, known: Undisturbed
) -> str:
    """What is not as it would be without the fault; nothing is an empty text."""
    if phase == "cancelling":
        return _wrong_cancelled(stand, done, known)
    if done["state"] != "succeeded":
        return f"{done['state']} {done['error'] or done['message']}"
    found = end(stand, phase, done["id"])
    assert wanted is not None
    if found.sha256 != wanted.sha256:
        return "other weights" if phase != "attacking" else "another outcome"
    if found.told != wanted.told:
        return _difference(found.told, wanted.told)
    left = [file.name for file in (stand.data_dir / "artifacts" / done["id"]).rglob("*resume-*")]
    return f"left {left}" if left else ""


def _wrong_cancelled(stand: Stand, done: dict[str, Any], known: Undisturbed) -> str:
    if done["state"] != "cancelled":
        return f"{done['state']} {done['error'] or done['message']}"
    told = [(point["step"], point["value"]) for point in stand.history(done["id"], LOSS)]
    if [step for step, _ in told] != list(range(len(told))):
        return _difference(told, [(step, None) for step in range(len(told))])
    as_trained = known.end("training").told[: len(told)]
    same = told[: len(as_trained) - 1] == as_trained[: len(told) - 1][: len(as_trained) - 1]
    return "" if same else "other losses than undisturbed"


def _difference(found: Any, wanted: Any) -> str:
    """In words, of two lists of steps and values."""
    if not isinstance(found, list) or not isinstance(wanted, list):
        return "other values"
    steps, right = [step for step, _ in found], [step for step, _ in wanted]
    lost = sorted(set(right) - set(steps))
    doubled = sorted({step for step in steps if steps.count(step) > right.count(step)})
    parts = [
        f"lost {len(lost)} of {len(right)} ({lost[:3]}…)" if lost else "",
        f"doubled {len(doubled)} ({doubled[:3]}…)" if doubled else "",
    ]
    return ", ".join(filter(None, parts)) or "other values"
