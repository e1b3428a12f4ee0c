"""One of the other processes of a training that several share.

python -m worker.lab.peer, with an `Order` on its standard input
"""

from __future__ import annotations

import sys

import torch.distributed as dist

from worker.lab.core import device as devices
from worker.lab.core import memory
from worker.lab.core.group import Group
from worker.lab.core.run import Run
from worker.lab.peers import READY, Order, meet
from worker.lab.states import States


def main() -> int:
    order = Order.model_validate_json(sys.stdin.readline())
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    spec = order.spec
    cuda = devices.choose(spec.device).type == "cuda"
    meet(order.meeting, order.rank, spec.processes, cuda)
    run = Run.build(spec, order.datasets, Group(order.rank, spec.processes))
    state, _ = States(None, order.resume).newest()
    if state is not None:
        memory.unpack(run, state.tensors, state.text)
    with devices.threads(run.device, run.macs):
        take_part(run)
    dist.destroy_process_group()
    return 0


def take_part(run: Run) -> None:
    """Every step to the end, or until the first process was stopped."""
    assert run.group is not None
    for x, y in run.batches():
        if run.group.stopped:
            return
        step, _ = run.gradients(x, y)
        run.update(step)


if __name__ == "__main__":
    sys.exit(main())
