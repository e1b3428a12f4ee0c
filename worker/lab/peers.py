"""The other processes of a training that several share, as the first one starts and ends them.

The first alone measures, tells and saves; the others take the same steps on their parts of every
batch. On CUDA each has the device of its rank.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
import torch.distributed as dist
from pydantic import BaseModel

from worker.contract.spec import TrainSpec
from worker.lab.core import device as devices
from worker.lab.core.errors import LabError
from worker.lab.core.group import Group

ROOT = Path(__file__).resolve().parents[2]
READY = b"ready\n"
END_S = 10.0

Process = subprocess.Popen[bytes]


class Order(BaseModel):
    """What a peer is to do."""

    spec: TrainSpec
    datasets: Path | None
    resume: list[Path]
    meeting: Path
    rank: int


@contextmanager
def together(
    spec: TrainSpec, datasets: Path | None, resume: Sequence[Path]
) -> Iterator[Group | None]:
    """The group whose first process this is, while the block lasts; None where one is enough.
    LabError: "no_device" without a GPU or a core for each, "no_peer" where one does not start."""
    if spec.processes == 1:
        yield None
        return
    cuda = _require_devices(spec)
    with tempfile.TemporaryDirectory() as folder, _fewer_threads(spec.processes):
        meeting, ranks = Path(folder) / "meeting", range(1, spec.processes)
        orders = [
            Order(spec=spec, datasets=datasets, resume=list(resume), meeting=meeting, rank=r)
            for r in ranks
        ]
        peers = [_start(order) for order in orders]
        try:
            _await(peers)
            meet(meeting, 0, spec.processes, cuda)
            yield Group(0, spec.processes)
            with suppress(subprocess.TimeoutExpired):
                for peer in peers:
                    peer.wait(END_S)
        finally:
            for peer in peers:
                peer.kill()
                peer.communicate()
            if dist.is_initialized():
                dist.destroy_process_group()


def _require_devices(spec: TrainSpec) -> bool:
    """Whether the group is one of GPUs."""
    cuda = devices.choose(spec.device).type == "cuda"
    have = torch.cuda.device_count() if cuda else max(2, os.cpu_count() or 1)
    if spec.processes > have:
        what = "GPU" if cuda else "core"
        told = f"{spec.processes} processes want a {what} each; this worker has {have}"
        raise LabError("no_device", told)
    return cuda


@contextmanager
def _fewer_threads(processes: int) -> Iterator[None]:
    """Each process has its share of the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // processes))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _start(order: Order) -> Process:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    peer = subprocess.Popen(
        [sys.executable, "-m", "worker.lab.peer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    assert peer.stdin is not None
    peer.stdin.write(order.model_dump_json().encode() + b"\n")
    peer.stdin.flush()
    return peer


def _await(peers: Sequence[Process]) -> None:
    """To meet somebody who is not coming would take half an hour."""
    for peer in peers:
        assert peer.stdout is not None
        if peer.stdout.readline() != READY:
            raise LabError("no_peer", "a process that should share the training did not start")


def meet(meeting: Path, rank: int, size: int, cuda: bool) -> None:
    """On this machine; across machines torchrun's own rendezvous would take its place."""
    if cuda:
        torch.cuda.set_device(rank)
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    backend = "nccl" if cuda else "gloo"
    dist.init_process_group(backend, init_method=f"file://{meeting}", rank=rank, world_size=size)
