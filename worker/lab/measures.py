"""Numbers that people read off a trained network, by the names they go under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from worker.lab.core.layers import Layers
from worker.lab.core.task import Split, Task
from worker.lab.methods.lp import Lp
from worker.lab.methods.weissi import Weissi

Taken = Callable[[nn.Module, Task, Split], float]
"""Of a network, its task, and the examples on which data is needed."""


@dataclass(frozen=True)
class Measure:
    """A number of a network; `sees` says whether it looks at examples, or at the weights alone."""

    of: Taken
    sees: bool = False


def _penalty(method: Lp | Weissi) -> Taken:
    def measure(model: nn.Module, task: Task, head: Split) -> float:
        with torch.no_grad():
            return float(sum(method.weight_loss(model, task).values()))

    return measure


def _intrinsic(model: nn.Module, task: Task, head: Split) -> float:
    layers = Layers.of(model)
    return float(layers.intrinsic(layers.norms()))


def _spectral(model: nn.Module, task: Task, head: Split) -> float:
    layers = Layers.of(model)
    with torch.no_grad():
        found = [torch.linalg.matrix_norm(w.flatten(1), 2) for w in layers.folded]
        return float(layers.intrinsic(torch.stack(found)))


def _gradient(model: nn.Module, task: Task, head: Split) -> float:
    with torch.enable_grad():
        x = head.x.detach().requires_grad_()
        loss = F.cross_entropy(model(x), head.y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
    return float(gradient.flatten(1).norm(dim=1).mean())


def _sharpness(model: nn.Module, task: Task, head: Split) -> float:
    """SAM's: the rise of the loss after a step of length 0.05 up its gradient."""
    weights = dict(model.named_parameters())
    with torch.enable_grad():
        leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        loss = F.cross_entropy(torch.func.functional_call(model, leaves, (head.x,)), head.y)
        found = torch.autograd.grad(loss, list(leaves.values()))
    length = torch.stack([gradient.norm() for gradient in found]).norm().clamp_min(1e-30)
    with torch.no_grad():
        pairs = zip(leaves.items(), found, strict=True)
        there = {name: weight + 0.05 * g / length for (name, weight), g in pairs}
        up = F.cross_entropy(torch.func.functional_call(model, there, (head.x,)), head.y)
    return float(up - loss.detach())


MEASURES: dict[str, Measure] = {
    "weight decay, ½ Σ ‖W‖²": Measure(_penalty(Lp(strength=1))),
    "L1 penalty, Σ ‖W‖₁": Measure(_penalty(Lp(strength=1, p=1, q=1))),
    "WEISSI, Σ log ‖W‖": Measure(_penalty(Weissi(strength=1, floor=0))),
    "WEISSI, ∏ ‖W‖ over its start": Measure(_penalty(Weissi(strength=1, form="product", floor=0))),
    "intrinsic norm, ∏ ‖W‖": Measure(_intrinsic),
    "spectral product, ∏ ‖W‖₂": Measure(_spectral),
    "input gradient, mean ‖∇ₓ CE‖": Measure(_gradient, sees=True),
    "SAM sharpness, ρ = 0.05": Measure(_sharpness, sees=True),
}
