"""By how much the right class leads, and how that changes with the inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worker.lab.core.outputs import parts
from worker.lab.core.task import Split


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """f_y − max_{k≠y} f_k of every example, (B,): negative where the answer is wrong.
    Differentiable; ties go to the first class."""
    own = logits.gather(1, y[:, None])[:, 0]
    others = logits.scatter(1, y[:, None], -torch.inf)
    return own - others.max(1).values


def margins_and_gradients(model: nn.Module, split: Split) -> tuple[Tensor, Tensor]:
    """The margin γ (N,) of every example and ∇ₓγ (N, *shape)."""
    found = [_both(model, part) for part in parts(split)]
    margins, gradients = zip(*found, strict=True)
    return torch.cat(margins), torch.cat(gradients)


def _both(model: nn.Module, part: Split) -> tuple[Tensor, Tensor]:
    x = part.x.detach().requires_grad_()
    with torch.enable_grad():
        found = margin(model(x), part.y)
        (gradient,) = torch.autograd.grad(found.sum(), x)
    return found.detach(), gradient
